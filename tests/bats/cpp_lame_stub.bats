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

assert_lame_in_both() {
    assert_line 'parent lame soon 1'
    assert_line 'child lame soon 1'
    refute_line --regexp '^parent lame status 0'
    assert_equal "$(value 'child lame status')" "$(value 'parent lame status')"
    assert_equal "$(value 'child lame message')" "$(value 'parent lame message')"
}

# A lame channel needs neither threads nor descriptors: it is the sound one beside it that breaks.
@test "without the shim the child of a program with a lame channel hangs or uses the parent's connection" {
    for lacks in target credentials; do
        run bare_briefly "$(sample lame_stub)" "$SERVER_ADDRESS" --lacks "$lacks"
        assert_shared_connection
    done
}

@test "under the shim a channel without credentials fails at once in the child, as in the parent" {
    run preloaded 60 "$(sample lame_stub)" "$SERVER_ADDRESS" --lacks credentials
    assert_lame_in_both
    assert_own_connection
}

@test "under the shim a channel to a bad target fails at once in the child, as in the parent" {
    run preloaded 60 "$(sample lame_stub)" "$SERVER_ADDRESS" --lacks target
    assert_lame_in_both
    # gRPC itself complains of the target, in each version in other words.
    grep '^grpcforkshim\[' "$BATS_TEST_TMPDIR/stderr" >"$BATS_TEST_TMPDIR/complaints" || true
    mv "$BATS_TEST_TMPDIR/complaints" "$BATS_TEST_TMPDIR/stderr"
    assert_own_connection
}
