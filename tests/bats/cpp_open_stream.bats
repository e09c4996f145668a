#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

# The child's stream is over, at once and with a reason; the parent's has all of its messages.
assert_ended_in_child_only() {
    assert_own_connection
    assert_line 'child stream messages 0'
    assert_line 'child stream status 1'
    assert_line --regexp '^child stream message .*fork'
    assert_line 'child stream soon 1'
    assert_line 'parent stream messages 35'
    assert_line 'parent stream status 0'
}

@test "without the shim two processes read one stream, and neither is told" {
    for kind in server bidi; do
        run bare_briefly "$(sample open_stream)" "$INSECURE" --kind "$kind"
        assert_failure
        refute_output --partial fork
    done
}

@test "under the shim an open server stream ends in the child, and the parent reads it all" {
    run preloaded 60 "$(sample open_stream)" "$INSECURE" --kind server
    assert_ended_in_child_only
}

@test "under the shim an open bidirectional stream ends in the child, and goes on in the parent" {
    run preloaded 60 "$(sample open_stream)" "$INSECURE" --kind bidi
    assert_ended_in_child_only
}

@test "without the shim a child that cancels its stream hangs or breaks the parent's connection" {
    for kind in server bidi; do
        run bare_briefly "$(sample open_stream)" "$INSECURE" --kind "$kind" --child cancels
        assert_fails_after '^parent status 0$'
        refute_output --partial fork
    done
}

@test "under the shim a child that cancels its stream leaves the parent's alone" {
    for kind in server bidi; do
        run preloaded 60 "$(sample open_stream)" "$INSECURE" --kind "$kind" --child cancels
        assert_ended_in_child_only
    done
}

@test "without the shim a child that reads on over TLS hangs or breaks the parent's connection" {
    run bare_briefly "$(sample open_stream)" "$TLS" --tls "$CERTIFICATES"
    assert_fails_after '^parent status 0$'
    refute_output --partial fork
}

@test "under the shim open streams over TLS end in the child only" {
    for kind in server bidi; do
        run preloaded 60 "$(sample open_stream)" "$TLS" --tls "$CERTIFICATES" --kind "$kind"
        assert_ended_in_child_only
    done
}
