#!/usr/bin/env bats

load ../lib/harness

@test "without the shim a child hangs in a channel inside the process" {
    HARNESS_BACKTRACES=0 run bare 4 "$(sample in_process)" none --deadline-after-fork 1
    assert_fails_after '^parent status 0$'
}

@test "under the shim the calls of a channel inside the process fail in the child and say why" {
    run preloaded 60 "$(sample in_process)" none
    assert_success
    assert_stderr_empty
    # Lame channels of gRPC 1.30 ignore what they are to say.
    if [[ $(value 'child message') != 'lame client channel' ]]; then
        assert_line 'child status 14'
        assert_line --regexp '^child message .*fork'
        assert_line 'child new status 14'
    fi
    refute_line 'child status 0'
    refute_line 'child new status 0'
    assert_line 'child own status 0'
    assert_line 'parent after status 0'
}
