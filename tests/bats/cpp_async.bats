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

@test "without the shim the read that was pending never comes back in the child" {
    run bare_briefly "$(sample async)" "$INSECURE"
    assert_failure
    refute_line 'child pending-read ok 0'
    refute_output --partial fork
}

@test "under the shim pending tags come back once in the child, and the queue serves new calls" {
    run preloaded 20 "$(sample async)" "$INSECURE"
    assert_state_machine_goes_on
}

@test "under the shim the same holds over TLS" {
    run preloaded 20 "$(sample async)" "$TLS" --tls "$CERTIFICATES"
    assert_state_machine_goes_on
}

@test "without the shim it is no better with libgrpc++_unsecure" {
    run bare_briefly "$(sample async_unsecure)" "$INSECURE"
    assert_failure
    refute_line 'child pending-read ok 0'
    refute_output --partial fork
}

@test "under the shim the same holds with libgrpc++_unsecure" {
    run preloaded 20 "$(sample async_unsecure)" "$INSECURE"
    assert_state_machine_goes_on
}
