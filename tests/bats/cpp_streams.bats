#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

assert_stream_apart() { # KIND
    assert_success
    assert_stderr_empty
    assert_line "child $1-stream status 0"
    refute test "$(value "child $1-stream peer")" = "$(value 'parent peer')"
    assert_line "parent after $1-stream status 0"
    assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
}

@test "without the shim every kind of stream in the child goes over the parent's connection" {
    for kind in client server bidi; do
        run bare_briefly "$(sample streams)" "$INSECURE" --kind "$kind"
        assert_shared_connection "child $kind-stream"
    done
}

@test "under the shim a child streams to the server through the inherited stub" {
    run preloaded 60 "$(sample streams)" "$INSECURE" --kind client
    assert_stream_apart client
}

@test "under the shim a child streams from the server through the inherited stub" {
    run preloaded 60 "$(sample streams)" "$INSECURE" --kind server
    assert_stream_apart server
}

@test "under the shim a child streams both ways through the inherited stub" {
    run preloaded 60 "$(sample streams)" "$INSECURE" --kind bidi
    assert_stream_apart bidi
}

@test "under the shim a child uses every kind of stream over mutual TLS" {
    for kind in client server bidi; do
        run preloaded 60 "$(sample streams)" "$MUTUAL_TLS" --mutual-tls "$CERTIFICATES" \
            --kind "$kind"
        assert_stream_apart "$kind"
    done
}
