#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# Scripts for other shells expand their own variables.
# shellcheck disable=SC2030,SC2031,SC2016
#
# The tarball: a tree that can be unpacked anywhere, with nothing but libc to be needed.

load ../lib/harness
# shellcheck source=tests/lib/packages.bash
source "$HARNESS_DIRECTORY/packages.bash"

# The loader ends a name in LD_PRELOAD at a space, and a shell gets other things wrong.
ODD='an odd  place (of mine)'

setup_file() {
    # shellcheck disable=SC2119
    start_server
    MISSING=$(portable_missing tarball)
    export MISSING
    [[ -z $MISSING ]] || return 0
    TREE=$HARNESS_RUN_DIRECTORY/$ODD
    mkdir -p "$TREE"
    tar -C "$TREE" --strip-components=1 -xzf "$(built_packages tarball)"
    export TREE
}

teardown_file() {
    stop_servers
}

setup() {
    [[ -z $MISSING ]] || skip "$MISSING"
    grpcforkshim=$TREE/bin/grpcforkshim
}

@test "A sample works from a tarball that was unpacked where the name has spaces" {
    run bare 60 "$(sample unary)" "$SERVER_ADDRESS"
    assert_failure
    run bare 60 "$grpcforkshim" run "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_stderr_empty
    assert_line 'child exit 0'
}

@test "So do programs that such a program executes, and a second command in front" {
    local library_path='LD_LIBRARY_PATH=/one:/two'
    run bare 60 env "$library_path" "$grpcforkshim" run "$grpcforkshim" run sh -c \
        'echo "$LD_LIBRARY_PATH"; exec grep -c "/libgrpcforkshim.so$" /proc/self/maps'
    assert_success
    assert_line "$TREE/lib:/one:/two"
    refute_line 0
    assert_stderr_empty
    # Somewhere else the environment gets no more than it needs.
    cp -r "$TREE" "$BATS_TEST_TMPDIR/plain"
    run bare 60 "$BATS_TEST_TMPDIR/plain/bin/grpcforkshim" run sh -c 'echo "$LD_PRELOAD ${LD_LIBRARY_PATH-}"'
    assert_output "$BATS_TEST_TMPDIR/plain/lib/libgrpcforkshim.so "
}

@test "The tarball's command checks programs and processes" {
    run bare 60 "$grpcforkshim" check "$(sample unary)"
    assert_success
    assert_line --index 0 --partial ': covered: '
    run bare 60 "$grpcforkshim" run sh -c '"$0" check --json $$' "$grpcforkshim"
    assert_line --partial '"state": "none"'
}

@test "A directory that the loader can't be told of is refused, with its name" {
    local place
    for place in 'a:b' 'a; b'; do
        cp -r "$TREE" "$BATS_TEST_TMPDIR/$place"
        run bare 60 "$BATS_TEST_TMPDIR/$place/bin/grpcforkshim" run true
        [[ $status -eq 125 ]]
        assert_output "grpcforkshim: $BATS_TEST_TMPDIR/$place/lib/libgrpcforkshim.so: the loader takes a colon or a semicolon for the end of a directory"
    done
    # A unit has one line for it.
    run bare 60 "$grpcforkshim" systemd --dry-run no-such-unit
    assert_failure
}

@test "Without its library the tarball's command takes no other" {
    mkdir -p "$BATS_TEST_TMPDIR/alone/bin"
    cp "$grpcforkshim" "$BATS_TEST_TMPDIR/alone/bin/"
    run bare 60 "$BATS_TEST_TMPDIR/alone/bin/grpcforkshim" run true
    [[ $status -eq 125 ]]
    assert_output 'grpcforkshim: libgrpcforkshim.so: No such file or directory'
    run grep -acF /usr/lib/libgrpcforkshim.so "$grpcforkshim"
    assert_output 0
}

@test "The tarball's README leads to the documents that are in it" {
    run /usr/bin/python3 "$HARNESS_DIRECTORY/links.py" "$TREE/share/doc/grpcforkshim/README.md" \
        "$TREE"/share/doc/grpcforkshim/docs/*.md
    assert_success
    assert_output ''
}

@test "What is in the tarball needs libc of 2.17 alone, and names the licences of what is linked in" {
    local file word
    for file in bin/grpcforkshim lib/libgrpcforkshim.so; do
        run needed_libraries "$TREE/$file"
        assert_output libc.so.6
        run newer_than_old_glibc "$TREE/$file"
        assert_success
        assert_output ''
    done
    for word in libelf.a libjansson.a libz.a 'GNU LESSER GENERAL PUBLIC LICENSE' 'Petri Lehtinen'; do
        grep -q -- "$word" "$TREE/share/doc/grpcforkshim/licences-of-what-is-linked-in"
    done
    [[ -e $TREE/share/man/man1/grpcforkshim.1 && -e $TREE/share/man/man7/libgrpcforkshim.7 ]]
    [[ -e $TREE/share/bash-completion/completions/grpcforkshim && -e $TREE/share/doc/grpcforkshim/LICENSE ]]
}
