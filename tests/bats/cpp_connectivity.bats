#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

@test "without the shim a child that watches its channel breaks the parent's connection" {
    run bare_briefly "$(sample connectivity)" "$INSECURE"
    assert_fails_after '^parent status 0$'
}

@test "under the shim an inherited channel is watched, connects and is waited for in the child" {
    run preloaded 60 "$(sample connectivity)" "$INSECURE"
    assert_own_connection
    assert_line 'child watch 1 over'
    assert_line 'child watch 2 changed'
    assert_line 'child state then 2'
    assert_line 'parent watch 1 over'
    run preloaded 60 "$(sample connectivity)" "$TLS" --tls "$CERTIFICATES"
    assert_own_connection
}
