#!/usr/bin/env bats

load ../lib/harness

bare_alarm() { # WHAT
    HARNESS_BACKTRACES=0 run bare 5 "$(sample alarm)" "$1"
}

preloaded_alarm() { # WHAT
    run preloaded 60 "$(sample alarm)" "$1"
    assert_success
    assert_stderr_empty
    assert_line 'child exit 0'
}

assert_alarms_of_queue() {
    for event in '1 failed' '2 failed' '3 fired' '5 failed' 'shutdown'; do
        assert_line "child alarm $event"
    done
    assert_line 'parent alarm 1 fired'
    assert_line 'parent alarm 2 fired'
}

@test "without the shim alarms that a child inherits never come back" {
    bare_alarm queue
    assert_failure
    refute_line 'child alarm 3 fired'
    bare_alarm function
    assert_failure
    refute_line --regexp '^child function f'
}

@test "under the shim alarms that run at fork come back failed in the child, and new ones fire" {
    preloaded_alarm queue
    assert_alarms_of_queue
}

@test "under the shim a child can set inherited alarms again" {
    preloaded_alarm again
    assert_alarms_of_queue
    assert_line 'child alarm 4 fired'
}

@test "under the shim a child can cancel and destroy inherited alarms before anything else" {
    preloaded_alarm cancel
    assert_alarms_of_queue
}

@test "under the shim an alarm that nobody has taken from its queue comes back once in each process" {
    preloaded_alarm fired
    assert_line 'child alarm 1 failed'
    assert_line 'parent alarm 1 fired'
}

@test "under the shim the functions of inherited alarms are called as failed" {
    for what in function destroy; do
        preloaded_alarm "$what"
        assert_line 'child function fired'
        assert_equal "$(grep -c '^child function failed$' <<<"$output")" 2
        assert_equal "$(grep -c '^parent function fired$' <<<"$output")" 2
    done
}

@test "under the shim forks while threads set and cancel alarms harm neither process" {
    not_emulated "$EMULATOR_HANGS"
    run preloaded 60 "$(sample alarm)" threads
    assert_success
    assert_stderr_empty
    assert_line 'children worked 100'
    assert_line 'parent failed 0'
}

@test "under the shim forks while gRPC calls functions of alarms harm neither process" {
    not_emulated "$EMULATOR_HANGS"
    run preloaded 60 "$(sample alarm)" function-threads
    assert_success
    assert_stderr_empty
    assert_line 'children worked 100'
    assert_line 'parent failed 0'
}

@test "under the shim alarms that don't run at fork can be set in a child and in its child" {
    preloaded_alarm generations
    for who in child grandchild parent; do
        assert_line "$who alarm 2 fired"
        assert_line "$who alarm 3 fired"
        assert_line "$who function fired"
    done
    assert_line 'grandchild alarm 4 failed'
    assert_line 'child alarm 4 failed'
}

@test "under the shim a child that only destroys its alarms does not start gRPC" {
    GRPCFORKSHIM_LOG_LEVEL=debug run preloaded 60 "$(sample alarm)" unused
    assert_success
    assert_line 'child exit 0'
    refute_line --partial 'gRPC started anew'
}
