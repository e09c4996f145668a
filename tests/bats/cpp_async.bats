#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

assert_state_machine_goes_on() {
    assert_own_connection
    assert_line 'child pending-unary tags 1'
    assert_line 'child pending-unary ok 1'
    assert_line 'child pending-unary status 1'
    assert_line --regexp '^child pending-unary message .*fork'
    assert_line 'child pending-read tags 1'
    assert_line 'child pending-read ok 0'
    assert_line 'child pending-stream ok 1'
    assert_line 'child pending-stream status 1'
    assert_line --regexp '^child pending-stream message .*fork'
    # New calls on the same queue.
    assert_line 'child stream status 0'
    assert_line 'child empty-queue-times-out 1'
    assert_line 'child queue-ends 1'
    # The parent's own state machine has not noticed.
    assert_line 'parent pending-unary status 0'
    assert_line 'parent pending-stream status 0'
    assert_line 'parent queue-ends 1'
}

@test "without the shim a child does not get through what was pending to the end of its queue" {
    run bare_briefly "$(sample async)" "$INSECURE"
    assert_failure
    refute_line 'child queue-ends 1'
    refute_output --partial fork
}

@test "without the shim calls that were prepared before the fork break their parent's connection" {
    run bare_briefly "$(sample prepared)" "$INSECURE"
    assert_failure
}

@test "under the shim calls that were prepared before the fork end as cancelled in the child" {
    run preloaded 60 "$(sample prepared)" "$INSECURE"
    assert_own_connection
    for call in unary generic stream; do
        assert_line "child $call status 1"
        assert_line "child new $call status 0"
        assert_line "parent $call status 0"
    done
}

@test "under the shim pending tags come back once in the child, and the queue serves new calls" {
    run preloaded 60 "$(sample async)" "$INSECURE"
    assert_state_machine_goes_on
}

@test "under the shim the same holds over TLS" {
    run preloaded 60 "$(sample async)" "$TLS" --tls "$CERTIFICATES"
    assert_state_machine_goes_on
}

@test "without the shim it is no better with libgrpc++_unsecure" {
    run bare_briefly "$(sample async_unsecure)" "$INSECURE"
    assert_failure
    refute_line 'child queue-ends 1'
    refute_output --partial fork
}

@test "under the shim the same holds with libgrpc++_unsecure" {
    run preloaded 60 "$(sample async_unsecure)" "$INSECURE"
    assert_state_machine_goes_on
}
