#!/usr/bin/env bats
# Servers of C++ whose process forks while they serve: the parent alone goes on serving.

load ../lib/harness

need_callbacks() {
    sample callback >/dev/null 2>&1 || skip 'the callback API of this gRPC is experimental'
}

fails_bare() { # KIND WHAT
    HARNESS_BACKTRACES=0 run bare 4 "$(sample serving)" --server "$1" --child "$2"
    # The listening socket is shared, and connections that the child gets are served by nobody.
    assert_fails_after '^child listening sockets 1$'
}

# The child has no listening socket, ends in order, and the parent's calls are all served.
works_preloaded() { # KIND WHAT...
    local kind=$1 what
    shift
    for what in "$@"; do
        run preloaded 60 "$(sample serving)" --server "$kind" --child "$what"
        assert_success
        assert_stderr_empty
        assert_line 'child listening sockets 0'
        assert_line 'child exit 0'
        assert_line 'parent call that was being served ok'
        assert_line 'parent failed calls 0'
    done
}

@test "without the shim a child's exit breaks its parent's sync server" {
    fails_bare sync exit
}

@test "without the shim a child's exit breaks its parent's async server" {
    fails_bare async exit
}

@test "without the shim a child's exit breaks its parent's callback server" {
    need_callbacks
    fails_bare callback exit
}

@test "under the shim a child ends with its parent's sync server, by each of its ways to end" {
    works_preloaded sync exit shutdown deadline wait destroy
}

@test "under the shim a child ends with its parent's async server, by each of its ways to end" {
    works_preloaded async exit shutdown deadline wait destroy
}

@test "under the shim a child ends with its parent's callback server, by each of its ways to end" {
    need_callbacks
    works_preloaded callback exit shutdown deadline wait destroy
}

@test "under the shim a child of a sync server starts its own, on another port and on the same" {
    works_preloaded sync own same-port
}

@test "under the shim a child of an async server starts its own, on another port and on the same" {
    works_preloaded async own same-port
}

@test "under the shim a child of a callback server starts its own, on another port and on the same" {
    need_callbacks
    works_preloaded callback own same-port
}

@test "under the shim a child calls the server of its parent" {
    works_preloaded sync client
    works_preloaded async client
}

@test "under the shim a child calls the callback server of its parent" {
    need_callbacks
    works_preloaded callback client
}

@test "without the shim a handler that forks waits for ever, or its child breaks a connection" {
    start_server
    HARNESS_BACKTRACES=0 run bare 6 "$(sample in_handler)" "$SERVER_ADDRESS" --deadline-after-fork 2
    stop_servers
    assert_failure
}

@test "under the shim the handler of a server may fork, and its child calls and leaves" {
    not_emulated "$EMULATOR_HANGS"
    local kinds=(sync)
    ! sample callback >/dev/null 2>&1 || kinds+=(callback)
    start_server
    for kind in "${kinds[@]}"; do
        for leave in exit _exit; do
            run preloaded 60 "$(sample in_handler)" "$SERVER_ADDRESS" --server "$kind" \
                --leave "$leave"
            assert_success
            assert_stderr_empty
            assert_equal "$(grep -c '^child status 0$' <<<"$output")" 5
            assert_equal "$(grep -c '^handler status 0$' <<<"$output")" 5
            assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
        done
    done
    stop_servers
}

# Gone wrong at the latest when a worker is to be replaced, with gRPC 1.30.
@test "without the shim a pool of forked servers does not work after its master has called" {
    start_server
    HARNESS_BACKTRACES=0 run bare 5 "$(sample prefork)" "$SERVER_ADDRESS" 3 --deadline-after-fork 2
    stop_servers
    assert_fails_after '^parent status 0$'
}

@test "under the shim a pool of forked servers serves on one port, and a worker is replaced" {
    start_server
    run preloaded 60 "$(sample prefork)" "$SERVER_ADDRESS" 3
    stop_servers
    assert_success
    assert_stderr_empty
    assert_line 'pool complete 1'
    assert_line 'pool complete again 1'
    assert_equal "$(grep -c '^worker exit 0$' <<<"$output")" 4
    assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
}
