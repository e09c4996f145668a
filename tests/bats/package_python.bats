#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# Scripts for other shells expand their own variables.
# shellcheck disable=SC2030,SC2031,SC2016
#
# The wheel: installed by pip into an environment of its own, used from there, and removed again.

load ../lib/harness
# shellcheck source=tests/lib/python.bash
source "$HARNESS_DIRECTORY/python.bash"
# shellcheck source=tests/lib/packages.bash
source "$HARNESS_DIRECTORY/packages.bash"

setup_file() {
    local packages
    # shellcheck disable=SC2119
    start_server
    MISSING=$(portable_missing wheel)
    export MISSING
    [[ -z $MISSING ]] || return 0
    packages=$(built_packages wheel)
    SOURCES=$(head -n 1 <<<"$packages") WHEEL=$(tail -n 1 <<<"$packages")
    VENV=$HARNESS_RUN_DIRECTORY/wheel-environment
    # With Debian's grpcio and gunicorn in it.
    "$DEBIAN_PYTHON" -m venv --system-site-packages "$VENV"
    find "$VENV" | sort >"$VENV.before"
    install_wheel "$VENV/bin/python"
    export SOURCES WHEEL VENV
    SAMPLES=$(dirname "$(python_sample echo)")
    export SAMPLES SAMPLE_ADDRESS=$SERVER_ADDRESS
}

teardown_file() {
    stop_servers
}

setup() {
    [[ -z $MISSING ]] || skip "$MISSING"
    # As in an environment that was activated.
    PATH=$VENV/bin:$PATH
    cd "$SAMPLES" || return
}

install_wheel() { # PYTHON OPTION...
    local python=$1
    shift
    "$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps "$@" "$WHEEL"
}

@test "The wheel is for every Python 3 and for glibc from 2.17 on" {
    [[ ${WHEEL##*/} == grpcforkshim-*-py3-none-manylinux2014_$(uname -m).manylinux_2_17_$(uname -m).whl ]]
    run env PATH="$GRPCFORKSHIM_BUILD/python/wheel-tools/bin:$PATH" auditwheel show "$WHEEL"
    assert_success
    assert_output --partial "\"manylinux_2_17_$(uname -m)\""
    # It has no library of others besides.
    run "$DEBIAN_PYTHON" -m zipfile --list "$WHEEL"
    refute_output --regexp '\.libs/|lib(elf|jansson|z)[.-]'
    local file
    for file in "$VENV/bin/grpcforkshim" "$VENV/libexec/grpcforkshim/libgrpcforkshim.so"; do
        run needed_libraries "$file"
        assert_output libc.so.6
        run newer_than_old_glibc "$file"
        assert_success
        assert_output ''
    done
}

@test "It brings command, library, manual pages and licences, and of Python its own two files" {
    local file
    for file in bin/grpcforkshim libexec/grpcforkshim/libgrpcforkshim.so share/man/man1/grpcforkshim.1 \
        share/man/man7/libgrpcforkshim.7 share/bash-completion/completions/grpcforkshim; do
        [[ -s $VENV/$file ]] || fail "there is no $file"
    done
    grep -q 'libelf\.a' "$VENV/share/doc/grpcforkshim/licences-of-what-is-linked-in"
    grep -q 'Apache License' "$VENV"/lib/python3*/site-packages/grpcforkshim-*.dist-info/licenses/LICENSE
    run bash -c 'comm -13 "$1" <(find "$2" | sort) | grep -E "\.(py|pth)$" | sed "s/.*site-packages.//"' \
        list "$VENV.before" "$VENV"
    assert_output $'grpcforkshim/__init__.py\ngrpcforkshim/__main__.py'
}

@test "gunicorn works with an application that has opened its channel before the workers" {
    HARNESS_BACKTRACES=0 run bare 8 "$DEBIAN_PYTHON" web_client.py gunicorn --bind 'fd://{descriptor}' \
        --workers 2 --preload web_application:application
    assert_failure
    run bare 120 "$DEBIAN_PYTHON" web_client.py grpcforkshim run gunicorn --bind 'fd://{descriptor}' \
        --workers 2 --preload web_application:application
    assert_success
    assert_line 'workers 2'
    assert_line 'exit 0'
    run grep grpcforkshim "$HARNESS_STDERR"
    assert_output ''
}

@test "python -m grpcforkshim is the command, with its arguments and its status" {
    run bare 60 python -m grpcforkshim run python global_channel.py "$SERVER_ADDRESS"
    assert_success
    assert_line 'child exit 0'
    assert_equal "$(python -m grpcforkshim --version)" "$(grpcforkshim --version)"
    run bare 60 python -m grpcforkshim run sh -c 'exit 7'
    [[ $status -eq 7 ]]
    run bare 60 python -m grpcforkshim nothing
    [[ $status -eq 64 ]]
    assert_line 'grpcforkshim: unknown command: nothing'
    # It does not stay in between.
    run bare 60 python -m grpcforkshim run sh -c 'tr "\0" " " </proc/$$/cmdline'
    assert_output --regexp '^sh -c '
}

@test "check tells of an application what it will come to, by the environment's interpreter" {
    local named=$BATS_TEST_TMPDIR/named expected
    printf '#!%s/bin/python3\n' "$VENV" >"$named"
    run bare 60 grpcforkshim check "$named"
    assert_line --regexp "^  interpreter +$VENV/bin/python3$"
    refute_line --index 0 --partial 'neither a program nor a script'
    expected=${output//$named/web_application.py}
    run bare 60 grpcforkshim check web_application.py
    assert_output "$expected"
    # What does not say what runs it, and whose name doesn't either, is none.
    cp web_application.py "$BATS_TEST_TMPDIR/application"
    run bare 60 grpcforkshim check "$BATS_TEST_TMPDIR/application"
    [[ $status -eq 3 ]]
    refute_output --partial interpreter
    mkdir "$BATS_TEST_TMPDIR/directory.py"
    run bare 60 grpcforkshim check "$BATS_TEST_TMPDIR/directory.py"
    [[ $status -eq 3 ]]
    refute_output --partial interpreter
}

@test "No Python of it comes into the programs that it runs" {
    run bare 60 grpcforkshim run python -c '
import sys
print("ours", [name for name in sys.modules if "grpcforkshim" in name])
print("loaded", "/libexec/grpcforkshim/libgrpcforkshim.so" in open("/proc/self/maps").read())
print("path", [place for place in sys.path if "grpcforkshim" in place.replace(sys.prefix, "")])'
    assert_success
    assert_line 'ours []'
    assert_line 'loaded True'
    assert_line 'path []'
}

@test "It works where pip puts it otherwise: --target, --prefix, --user" {
    local place
    install_wheel python --target "$BATS_TEST_TMPDIR/target"
    install_wheel python --prefix "$BATS_TEST_TMPDIR/prefix" --ignore-installed
    PYTHONUSERBASE=$BATS_TEST_TMPDIR/user install_wheel python --user --ignore-installed
    for place in target prefix user; do
        place=$BATS_TEST_TMPDIR/$place
        run bare 60 "$place/bin/grpcforkshim" run sh -c 'echo "$LD_PRELOAD"'
        assert_output "$(realpath "$place")/libexec/grpcforkshim/libgrpcforkshim.so"
    done
    run bare 60 env PYTHONPATH="$BATS_TEST_TMPDIR/target" "$DEBIAN_PYTHON" -m grpcforkshim run sh -c 'echo "$LD_PRELOAD"'
    assert_output "$(realpath "$BATS_TEST_TMPDIR/target")/libexec/grpcforkshim/libgrpcforkshim.so"
    run bare 60 env PYTHONUSERBASE="$BATS_TEST_TMPDIR/user" "$DEBIAN_PYTHON" -m grpcforkshim run sh -c 'echo "$LD_PRELOAD"'
    assert_output "$(realpath "$BATS_TEST_TMPDIR/user")/libexec/grpcforkshim/libgrpcforkshim.so"
}

@test "The source distribution has all that git has, and builds" {
    git -C "$ROOT" rev-parse HEAD >/dev/null 2>&1 || skip 'this is no git repository'
    # The wheel was built from it.
    run comm -13 <(tar -tzf "$SOURCES" | sed 's/^[^/]*\///' | sort) <(git -C "$ROOT" ls-files | sort)
    assert_output ''
}

@test "Nothing is left when pip has removed it" {
    run python -m pip uninstall --quiet --disable-pip-version-check --yes grpcforkshim
    assert_success
    # Of directories that others use too, pip leaves empty ones.
    run bash -c 'comm -13 "$1" <(find "$2" -not -type d -o -name "*grpcforkshim*" | sort)' compare \
        "$VENV.before" "$VENV"
    assert_output ''
    install_wheel "$VENV/bin/python"
}
