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

assert_down_and_up_again() {
    assert_success
    assert_stderr_empty
    assert_line 'child initialized 0'
    assert_line 'child again status 0'
    assert_line 'child again initialized 0'
    assert_line 'parent after status 0'
    assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
    assert_line 'parent initialized 0'
}

@test "without the shim a child hangs when it destroys what it inherited" {
    for child in calls idle; do
        run bare_briefly "$(sample restart)" "$SERVER_ADDRESS" --child "$child"
        assert_child_hangs
        refute_line 'child initialized 0'
    done
}

@test "under the shim gRPC is down after a child has destroyed what it called with, and starts again" {
    run preloaded 60 "$(sample restart)" "$SERVER_ADDRESS" --child calls
    assert_down_and_up_again
    assert_line 'child status 0'
}

@test "under the shim gRPC is down after a child has destroyed what it never used, and starts again" {
    run preloaded 60 "$(sample restart)" "$SERVER_ADDRESS" --child idle
    assert_down_and_up_again
}
