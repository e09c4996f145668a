#!/usr/bin/env bats
#
# A child leaves while objects of every kind are alive: channels, stubs, queues with pending
# operations, open streams, watches, alarms, credentials, quotas, a server.

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

leaves() { # WAY ADDRESS [ARGUMENT...]
    local use way=$1
    shift
    for use in no yes; do
        GRPCFORKSHIM_LOG_LEVEL=debug GRPCFORKSHIM_LOG_FILE=$BATS_TEST_TMPDIR/log.$use \
            run preloaded 60 "$(sample leaving)" "$@" --way "$way" --use "$use"
        assert_success
        assert_stderr_empty
        assert_line 'child exit 0'
        assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
        [[ $way != exception ]] || assert_line 'child caught unwound'
        if [[ $way == quick_exit ]]; then
            assert_equal "$(grep -c '^process quick' <<<"$output")" 1
        else
            # The child's and the parent's. That one has nothing left to destroy.
            assert_equal "$(grep -c '^process destroyed' <<<"$output")" 2
        fi
    done
    # A child that did not use gRPC does not start it to end its objects.
    refute grep -q 'gRPC started anew' "$BATS_TEST_TMPDIR/log.no"
    grep -q 'gRPC started anew' "$BATS_TEST_TMPDIR/log.yes"
}

@test "without the shim a child that leaves hangs, crashes or breaks the parent's connection" {
    for way in exit exception; do
        run bare_briefly "$(sample leaving)" "$INSECURE" --way "$way" --use yes
        assert_failure
    done
}

@test "under the shim a child with everything alive leaves by exit" {
    leaves exit "$INSECURE"
    leaves exit "$TLS" --tls "$CERTIFICATES"
}

@test "under the shim a child with everything alive leaves by quick_exit" {
    leaves quick_exit "$INSECURE"
}

@test "under the shim a child with everything alive leaves by returning from main" {
    leaves return "$INSECURE"
}

@test "under the shim an exception in a child unwinds through everything" {
    leaves exception "$INSECURE"
}

@test "without the shim children that destroy everything in some order hang or break the parent" {
    run bare_briefly "$(sample orders)" "$INSECURE" 1 2
    assert_failure
    refute_line 'children worked 2'
}

@test "under the shim children destroy everything in any order, call in between, and leave" {
    run preloaded 60 "$(sample orders)" "$INSECURE" 1 24
    assert_success
    assert_stderr_empty
    assert_line 'children worked 24'
    assert_equal "$(grep -c '^child order' <<<"$output")" 24
    run preloaded 60 "$(sample orders)" "$TLS" 25 8 --tls "$CERTIFICATES"
    assert_success
    assert_line 'children worked 8'
}

@test "under the shim a child with everything alive leaves by ending its main thread" {
    not_sanitized 'does not count threads that outlive the main one' thread
    leaves pthread_exit "$INSECURE"
}
