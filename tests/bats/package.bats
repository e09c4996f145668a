#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# Scripts for other shells expand their own variables.
# shellcheck disable=SC2030,SC2031,SC2016
#
# What gets installed: by meson, as a tarball, as a Debian package; manual pages and completion.

load ../lib/harness
# shellcheck source=tests/lib/container.bash
source "$HARNESS_DIRECTORY/container.bash"
# shellcheck source=tests/lib/packages.bash
source "$HARNESS_DIRECTORY/packages.bash"

setup_file() {
    # shellcheck disable=SC2119
    start_server
    # Built as a packager would, not as the tests do.
    export PLAIN=$HARNESS_RUN_DIRECTORY/plain-build TARBALL=$HARNESS_RUN_DIRECTORY/tarball
    meson setup "$PLAIN" "$ROOT" --prefix=/usr -Dsamples=false >"$HARNESS_RUN_DIRECTORY/meson.log" 2>&1 ||
        { cat "$HARNESS_RUN_DIRECTORY/meson.log" >&2 && return 1; }
}

teardown_file() {
    stop_servers
}

@test "meson install makes a tree that works wherever it is put" {
    local tree=$BATS_TEST_TMPDIR/tree directory
    DESTDIR=$tree run meson install -C "$PLAIN"
    assert_success
    directory=$(cd "$tree/usr/lib" && dirname "$(find . -name libgrpcforkshim.so)")
    [[ -n $directory ]]
    run bare 60 "$tree/usr/bin/grpcforkshim" run "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    run bare 60 "$tree/usr/bin/grpcforkshim" run sh -c 'echo "$LD_PRELOAD"'
    assert_output "$(realpath "$tree/usr/lib/$directory/libgrpcforkshim.so")"
    PKG_CONFIG_PATH=$tree/usr/lib/$directory/pkgconfig run pkg-config --variable=preload grpcforkshim
    assert_output "$(realpath -m "/usr/lib/$directory/libgrpcforkshim.so")"
    PKG_CONFIG_PATH=$tree/usr/lib/$directory/pkgconfig run pkg-config --modversion grpcforkshim
    assert_output "$(bare 60 "$tree/usr/bin/grpcforkshim" --version | cut -d ' ' -f 2)"
    [[ -e $tree/usr/share/man/man1/grpcforkshim.1 && -e $tree/usr/share/man/man7/libgrpcforkshim.7 ]]
    [[ -e $tree/usr/share/bash-completion/completions/grpcforkshim ]]
}

@test "The library needs libc alone, and the command two libraries besides" {
    meson compile -C "$PLAIN" >/dev/null
    run needed_libraries "$PLAIN/shim/libgrpcforkshim.so"
    assert_output libc.so.6
    run needed_libraries "$PLAIN/tool/grpcforkshim"
    assert_output $'libelf.so.1\nlibjansson.so.4\nlibc.so.6'
}

# Wherever they are built: one of today's systems gives what came to libc from other libraries, and what
# was inline, a version of that day.
@test "Library and command need no version of glibc's symbols that came after 2.17" {
    meson compile -C "$PLAIN" >/dev/null
    run newer_than_old_glibc "$PLAIN/shim/libgrpcforkshim.so"
    assert_success
    assert_output ''
    run newer_than_old_glibc "$PLAIN/tool/grpcforkshim"
    assert_success
    assert_output ''
    # It would see others.
    run newer_than_old_glibc "$(cc -print-file-name=libc.so.6)"
    assert_output --partial GLIBC_PRIVATE
}

@test "meson dist makes a tarball of all that git knows" {
    git -C "$ROOT" rev-parse HEAD >/dev/null 2>&1 || skip 'this is no git repository'
    local -a dirty=()
    # Before 0.62 meson does so without being asked.
    if meson dist --help | grep -q -- --allow-dirty; then
        dirty=(--allow-dirty)
    fi
    # Built below.
    run meson dist -C "$PLAIN" "${dirty[@]}" --no-tests
    assert_success
    mkdir "$TARBALL"
    tar -C "$TARBALL" --strip-components=1 -xf "$(echo "$PLAIN"/meson-dist/grpcforkshim-*.tar.xz)"
    # Old versions of meson leave out what is for git alone.
    assert_equal "$(cd "$TARBALL" && find . -type f -not -name .gitignore | sort)" \
        "$(git -C "$ROOT" ls-tree -r --name-only HEAD | grep -vx .gitignore | sed 's/^/.\//' | sort)"
}

@test "The library alone can be built where the command's libraries are missing, from the tarball" {
    local source=$ROOT
    [[ ! -d $TARBALL ]] || source=$TARBALL
    run env PKG_CONFIG_LIBDIR=/nowhere meson setup "$BATS_TEST_TMPDIR/build" "$source" -Dcommand=false
    assert_success
    run meson compile -C "$BATS_TEST_TMPDIR/build"
    assert_success
    [[ -e $BATS_TEST_TMPDIR/build/shim/libgrpcforkshim.so && ! -e $BATS_TEST_TMPDIR/build/tool/grpcforkshim ]]
}

@test "The manual pages are without fault" {
    local page
    for page in "$ROOT"/man/*; do
        run mandoc -T lint -W warning "$page"
        assert_success
        assert_output ''
        run bash -c "mandoc -T utf8 '$page' | col -b"
        assert_output --partial 'LD_PRELOAD'
    done
    # All options and variables are in them.
    for word in $("$(command_line_tool)" run --help | grep -o -- '--[a-z-]*'); do
        grep -q -- "Fl -${word#--}" "$ROOT/man/grpcforkshim.1" || fail "$word is not in grpcforkshim(1)"
    done
    for word in $(grep -o 'PREFIX "[A-Z_]*="' "$ROOT/shim/base/configuration.c" | cut -d '"' -f 2 | tr -d =); do
        grep -q "GRPCFORKSHIM_$word" "$ROOT/man/libgrpcforkshim.7" || fail "$word is not in libgrpcforkshim(7)"
    done
}

complete_words() { # WORD...
    bash -c '
        source "$1"
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _grpcforkshim
        printf "%s\n" "${COMPREPLY[@]}"' complete "$ROOT/tool/completion.bash" "$@"
}

@test "Bash completes subcommands, options, their values and programs" {
    run complete_words grpcforkshim ''
    assert_output $'run\ncheck\nsystemd\n--help\n--version'
    run complete_words grpcforkshim run --log-l
    assert_output '--log-level'
    run complete_words grpcforkshim run --log-level d
    assert_output 'debug'
    run complete_words grpcforkshim check --j
    assert_output '--json'
    run complete_words grpcforkshim systemd --r
    assert_line '--remove'
    assert_line '--report=all'
    run complete_words grpcforkshim check "$ROOT/READ"
    assert_output "$ROOT/README.md"
    run complete_words grpcforkshim run --log-file f prin
    assert_line printf
}

@test "The Debian package is built without an error of lintian's, installed, used and removed" {
    local missing package
    missing=$(container_missing)
    [[ -z $missing ]] || skip "$missing"
    package=$(built_packages deb)
    run packages_log deb
    assert_line '== lintian'
    mkdir -p "$HARNESS_RUN_DIRECTORY/container"
    cp "$package" "$HARNESS_RUN_DIRECTORY/container/"
    package=$HARNESS_RUN_DIRECTORY/container/${package##*/}
    [[ $package == *.deb && -e $package ]]
    cat >"$HARNESS_RUN_DIRECTORY/container/try" <<'END'
set -eu
package=$1 sample=$2 address=$3
list() {
    find / -xdev \( -path /proc -o -path /sys -o -path /tmp -o -path /run -o -path /dev \
        -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \) -prune -o -print | sort
}
list >/tmp/before
dpkg --install "$package" >/dev/null
echo "version $(grpcforkshim --version)"
grpcforkshim check "$sample" >/dev/null && echo covered
"$sample" "$address" >/dev/null || echo 'fails without'
grpcforkshim run "$sample" "$address" >/dev/null && echo 'works with the command'
LD_PRELOAD=libgrpcforkshim.so "$sample" "$address" >/dev/null && echo 'works by its name alone'
printf '[Service]\nExecStart=%s\n' "$sample" >/etc/systemd/system/legacy.service
grpcforkshim systemd --dry-run legacy | grep '^Environment='
rm /etc/systemd/system/legacy.service
dpkg --verify grpcforkshim
dpkg --purge grpcforkshim >/dev/null
list >/tmp/after
cmp /tmp/before /tmp/after && echo 'nothing is left'
END
    run in_fresh_root /bin/sh "$HARNESS_RUN_DIRECTORY/container/try" "$package" "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_line --regexp '^version grpcforkshim [0-9.]+$'
    assert_line covered
    assert_line 'fails without'
    assert_line 'works with the command'
    assert_line 'works by its name alone'
    assert_line --regexp '^Environment="LD_PRELOAD=/usr/lib/.*/libgrpcforkshim.so"$'
    assert_line 'nothing is left'
}
