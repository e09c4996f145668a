#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_server
    export SERVER_ADDRESS
}

teardown_file() {
    stop_servers
}

assert_arguments_apply() {
    assert_own_connection
    assert_line 'child large status 8'
    assert_line --partial 'child user-agent legacy/1.0 '
}

@test "without the shim a child of a channel with arguments uses the parent's connection" {
    for channel in inherited new; do
        run bare_briefly "$(sample arguments)" "$SERVER_ADDRESS" --channel "$channel"
        assert_shared_connection
    done
}

@test "under the shim the arguments of an inherited channel still apply in the child" {
    run preloaded 60 "$(sample arguments)" "$SERVER_ADDRESS" --channel inherited
    assert_arguments_apply
}

@test "under the shim inherited arguments and their quota serve a new channel in the child" {
    run preloaded 60 "$(sample arguments)" "$SERVER_ADDRESS" --channel new
    assert_arguments_apply
}
