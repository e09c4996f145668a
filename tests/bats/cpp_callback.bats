#!/usr/bin/env bats
# The callback API of C++: reactors, in the parent's queue and with the child's own stubs.

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

setup() {
    sample callback >/dev/null 2>&1 || skip 'the callback API of this gRPC is experimental'
}

# A child's stream works, and the parent's, open all the while, goes on where it was.
assert_reactors_work() {
    assert_own_connection
    assert_line 'parent echo before'
    assert_line 'parent echo after'
    assert_line 'parent stream 0'
}

@test "without the shim a child's callbacks never come, with a stub of its own" {
    run bare_briefly "$(sample callback)" "$INSECURE" --child new
    assert_child_hangs
}

@test "without the shim a child's callbacks never come, with the parent's stub" {
    run bare_briefly "$(sample callback)" "$INSECURE" --child inherited
    assert_child_hangs
}

# The sample counts the threads that poll by their name.
COUNTS_ITS_OWN='has a thread of its own in a child, with the name of the one that forked'

@test "without the shim a child that was forked by a reaction hangs in its first call" {
    run bare_briefly "$(sample callback)" "$INSECURE" --child in-callback
    assert_child_hangs
}

@test "under the shim a child's callbacks come, with a stub of its own" {
    run preloaded 60 "$(sample callback)" "$INSECURE" --child new
    assert_reactors_work
    assert_line 'child echo of the child'
    assert_line 'child stream 0'
}

@test "under the shim a child's callbacks come, with the parent's stub" {
    run preloaded 60 "$(sample callback)" "$INSECURE" --child inherited
    assert_reactors_work
    assert_line 'child echo of the child'
    assert_line 'child stream 0'
}

@test "under the shim a child's callbacks come over TLS" {
    run preloaded 60 "$(sample callback)" "$TLS" --child inherited --tls "$CERTIFICATES"
    assert_reactors_work
    assert_line 'child stream 0'
}

@test "under the shim a reactor that was active at fork is done in the child, as cancelled by the fork" {
    run preloaded 60 "$(sample callback)" "$INSECURE" --child pending
    assert_reactors_work
    assert_line 'child pending status 1'
    assert_line --regexp '^child pending message .*fork'
}

@test "under the shim no reaction of the parent's runs while a child's exit destroys its objects" {
    run preloaded 60 "$(sample callback)" "$INSECURE" --child leaving
    assert_own_connection
    refute_line --regexp 'late reaction'
    assert_line 'parent stream 0'
}

@test "under the shim a child's exit does not wait longer for signals that come all the while" {
    run preloaded 60 "$(sample callback)" "$INSECURE" --child leaving-timer
    assert_own_connection
    assert_line 'parent stream 0'
}

@test "under the shim a child's exit waits for the reaction of the parent's that is running" {
    run preloaded 60 "$(sample callback)" "$INSECURE" --child leaving-soon
    assert_own_connection
    refute_line --regexp '(late|running) reaction'
    assert_line 'parent stream 0'
}

@test "under the shim a child releases the channel whose callback threads had not begun at fork" {
    run preloaded 60 "$(sample callback_begins)" "$INSECURE"
    assert_own_connection
    assert_line 'child pending status 1'
    assert_line 'child channel released'
    assert_line 'parent pending status 0'
}

@test "under the shim a reaction may fork, call in the child, and return there to gRPC's thread" {
    not_emulated "$COUNTS_ITS_OWN"
    run preloaded 60 "$(sample callback)" "$INSECURE" --child in-callback
    assert_reactors_work
    assert_line 'child inner status 0'
}

@test "without the shim a child that was forked by an interceptor hangs in its first call" {
    run bare_briefly "$(sample callback)" "$INSECURE" --child in-interceptor
    assert_child_hangs
}

@test "under the shim an interceptor may fork, and the child goes on in its call" {
    not_emulated "$COUNTS_ITS_OWN"
    run preloaded 60 "$(sample callback)" "$INSECURE" --child in-interceptor
    assert_reactors_work
    assert_line 'child inner status 0'
}

@test "under the shim no callback is lost in 300 children and their parent" {
    run preloaded 120 "$(sample callback_loop)" "$INSECURE" 300
    assert_success
    assert_line 'parent failures 0'
    assert_line 'children failed 0'
}

@test "under the shim a child that does not use gRPC ends with all of it alive, and starts nothing" {
    GRPCFORKSHIM_LOG_LEVEL=debug GRPCFORKSHIM_LOG_FILE=$BATS_TEST_TMPDIR/log \
        run preloaded 60 "$(sample callback)" "$INSECURE" --child idle
    assert_success
    assert_stderr_empty
    assert_line 'child exit 0'
    assert_line 'parent echo after'
    assert_line 'parent stream 0'
    run grep -c 'gRPC started anew' "$BATS_TEST_TMPDIR/log"
    assert_output 0
}
