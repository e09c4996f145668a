#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# scripts/run: what a newcomer sees first.

load ../lib/harness

setup_file() {
    # shellcheck source=scripts/lib.bash
    source "$HARNESS_DIRECTORY/../../scripts/lib.bash"
    export ROOT
}

@test "The demonstration shows the client fail alone and work with the library, and does not wait for what hangs" {
    run "$ROOT/scripts/run"
    assert_success
    assert_output --partial '=> FAILED, status '
    assert_output --partial '=> worked'
    assert_output --partial 'parent after status 0'
    refute_output --partial 'time-out after 30 s'
}

@test "scripts/run -- becomes the program, with the library preloaded and its status and arguments as they are" {
    # shellcheck disable=SC2016
    run "$ROOT/scripts/run" -- sh -c 'echo "$LD_PRELOAD $1"; exit 3' sh --version
    assert_failure 3
    assert_line "$GRPCFORKSHIM_BUILD/shim/libgrpcforkshim.so --version"
}
