#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_server
    first=$SERVER_ADDRESS
    start_server
    BOTH=ipv4:$first,$SERVER_ADDRESS
    export SERVER_ADDRESS BOTH
}

teardown_file() {
    stop_servers
}

preloaded_feature() { # ADDRESS NAME
    run preloaded 60 "$(sample features)" "$1" --feature "$2"
    assert_success
    assert_stderr_empty
    assert_line 'child exit 0'
}

assert_same_parent() {
    assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
    refute test "$(value 'child peer')" = "$(value 'parent peer')"
}

@test "without the shim a child breaks its parent's connection, whatever the channel can do" {
    for feature in interceptors balancing; do
        address=$SERVER_ADDRESS
        [[ $feature != balancing ]] || address=$BOTH
        run bare_briefly "$(sample features)" "$address" --feature "$feature"
        assert_fails_after '^parent (status 0|servers 2)$'
    done
}

@test "under the shim the interceptors of an inherited channel run in the child" {
    preloaded_feature "$SERVER_ADDRESS" interceptors
    assert_line 'child marked intercepted'
    assert_line 'child ended 1'
    assert_line 'child new marked intercepted'
    assert_same_parent
}

@test "under the shim calls on an inherited channel are compressed" {
    not_emulated 'does not tell how much was sent'
    preloaded_feature "$SERVER_ADDRESS" compression
    assert_line 'child sent less'
    assert_same_parent
}

@test "under the shim an inherited channel retries by its service config" {
    preloaded_feature "$SERVER_ADDRESS" retries
    assert_line 'child status 0'
    assert_same_parent
    # The server does fail what is not retried.
    preloaded_feature "$SERVER_ADDRESS" unretried
    assert_line 'child status 14'
}

@test "under the shim an inherited channel goes on balancing over several addresses" {
    preloaded_feature "$BOTH" balancing
    assert_line 'child servers 2'
    assert_line 'child new servers 2'
    assert_line 'parent after servers 2'
}
