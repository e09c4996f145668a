#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# Scripts for other shells expand their own variables.
# shellcheck disable=SC2030,SC2031,SC2016
#
# The rpm package: that it has what the Debian package has, where such systems expect it.

load ../lib/harness
# shellcheck source=tests/lib/packages.bash
source "$HARNESS_DIRECTORY/packages.bash"

setup_file() {
    # shellcheck disable=SC2119
    start_server
    PACKAGE=$(built_packages rpm)
    TREE=$HARNESS_RUN_DIRECTORY/rpm-tree
    mkdir -p "$TREE"
    rpm2cpio "$PACKAGE" | (cd "$TREE" && cpio --quiet --extract --make-directories)
    export PACKAGE TREE
}

teardown_file() {
    stop_servers
}

@test "The rpm package is built without an error of rpmlint's" {
    run packages_log rpm
    if [[ $output == *'there is no rpmlint 2'* ]]; then
        skip 'this release has no rpmlint 2'
    fi
    assert_line --partial ' 0 errors, '
    refute_output --regexp ': E: '
}

# Names of files without what the two kinds of system have each in a way of its own.
same_names() {
    sed -n -e 's/\.gz$//' -e 's/^\.*\///' -e '/\/\.build-id/d' -e '/lintian/d' \
        -e 's/^usr\/lib\/[a-z0-9_]*-linux-gnu/usr\/lib64/' \
        -e 's/^\(usr\/share\/doc\/grpcforkshim\)[^/]*/\1/' \
        -e '/^usr\/share\/doc\/grpcforkshim\/\(copyright\|changelog.*\)$/d' \
        -e '/^usr\/share\/licenses/d' -e '/[^/]$/p' | sort
}

@test "It has the files of the Debian package, the library in lib64" {
    local deb
    deb=$(built_packages deb)
    rpm --query --package --queryformat '[%{FILEMODES:perms} %{FILENAMES}\n]' "$PACKAGE" |
        sed -n 's/^-[^ ]* //p' | same_names >"$BATS_TEST_TMPDIR/rpm"
    dpkg-deb --fsys-tarfile "$deb" | tar -t | same_names >"$BATS_TEST_TMPDIR/deb"
    run diff "$BATS_TEST_TMPDIR/deb" "$BATS_TEST_TMPDIR/rpm"
    assert_success
    for file in usr/bin/grpcforkshim usr/lib64/libgrpcforkshim.so usr/lib64/pkgconfig/grpcforkshim.pc \
        usr/share/man/man1/grpcforkshim.1 usr/share/man/man7/libgrpcforkshim.7; do
        grep -qx "$file" "$BATS_TEST_TMPDIR/rpm" || fail "there is no $file"
    done
    # It asks for libraries alone.
    run rpm --query --package --requires "$PACKAGE"
    refute_line --regexp '^/usr/bin/'
    assert_line 'libelf.so.1()(64bit)'
}

@test "The rpm's command finds its library in lib64, and sample and service get that" {
    run bare 60 "$TREE/usr/bin/grpcforkshim" run "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    run bare 60 "$TREE/usr/bin/grpcforkshim" run sh -c 'echo "$LD_PRELOAD"'
    assert_output "$(realpath "$TREE")/usr/lib64/libgrpcforkshim.so"
    PKG_CONFIG_PATH=$TREE/usr/lib64/pkgconfig run pkg-config --variable=preload grpcforkshim
    assert_output /usr/lib64/libgrpcforkshim.so
    [[ $EUID -eq 0 && -d /etc/systemd/system ]] || skip 'who is not root can put no unit in its place for a while'
    run unshare --mount sh -ec '
        mount -t tmpfs tmpfs /etc/systemd/system
        printf "[Service]\nExecStart=%s\n" "$2" >/etc/systemd/system/legacy.service
        exec "$1" systemd --dry-run legacy' sh "$TREE/usr/bin/grpcforkshim" "$(sample unary)"
    assert_success
    assert_line --partial '/etc/systemd/system/legacy.service.d/50-grpcforkshim.conf'
    assert_line "Environment=\"LD_PRELOAD=$(realpath "$TREE")/usr/lib64/libgrpcforkshim.so\""
}

@test "It is installed by rpm, verified, and removed without a trace" {
    local root=$BATS_TEST_TMPDIR/root
    [[ $EUID -eq 0 ]] || skip 'only root can install packages'
    mkdir "$root"
    list() {
        # Directories belong to other packages.
        (cd "$root" && find . -path ./var -prune -o -not -type d -print | sort)
    }
    rpm_in_root() {
        rpm --root "$root" "$@"
    }
    rpm_in_root --initdb
    list >"$BATS_TEST_TMPDIR/before"
    # There is no shell in there, nor anything that the package needs.
    run rpm_in_root --nodeps --noscripts --install "$PACKAGE"
    assert_success
    run rpm_in_root --nodeps --noscripts --verify grpcforkshim
    assert_success
    run "$root/usr/bin/grpcforkshim" --version
    assert_output "grpcforkshim $(rpm_in_root --query --queryformat '%{VERSION}' grpcforkshim)"
    run rpm_in_root --nodeps --noscripts --erase grpcforkshim
    assert_success
    list >"$BATS_TEST_TMPDIR/after"
    run diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
    assert_success
}
