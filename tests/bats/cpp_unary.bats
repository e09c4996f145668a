#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_servers
    local socket=$HARNESS_RUN_DIRECTORY/cpp_unary.sock
    start_server --listen 127.0.0.1:0 --listen '[::1]:0' --listen "unix:$socket"
    export SERVER_ADDRESS
}

teardown_file() {
    stop_servers
}

# --- what a child inherits -------------------------------------------------------------------

@test "without the shim a stub on the heap brings the child to the parent's connection" {
    run bare_briefly "$(sample unary)" "$INSECURE" --channel heap
    assert_shared_connection
}

@test "under the shim a stub on the heap has a connection of its own in the child" {
    run preloaded 60 "$(sample unary)" "$INSECURE" --channel heap
    assert_own_connection
}

@test "without the shim a child with a static stub never exits" {
    run bare_briefly "$(sample unary)" "$INSECURE" --channel static
    assert_child_hangs
}

@test "under the shim a static stub has a connection of its own in the child, which exits" {
    run preloaded 60 "$(sample unary)" "$INSECURE" --channel static
    assert_own_connection
}

@test "without the shim even the child's new channel uses the parent's connection" {
    run bare_briefly "$(sample unary)" "$INSECURE" --channel new
    assert_shared_connection
}

@test "under the shim the child's new channel has a connection of its own" {
    run preloaded 60 "$(sample unary)" "$INSECURE" --channel new
    assert_own_connection
}

@test "without the shim a child hangs on a stub that its parent never used" {
    for channel in heap static new; do
        run bare_briefly "$(sample unary)" "$INSECURE" --before nothing --channel "$channel"
        assert_child_hangs
    done
}

@test "under the shim a child calls through a stub that its parent never used" {
    for channel in heap static new; do
        run preloaded 60 "$(sample unary)" "$INSECURE" --before nothing --channel "$channel"
        assert_success
        assert_stderr_empty
        assert_line 'child status 0'
        assert_line 'child exit 0'
        assert_line 'parent after status 0'
    done
}

# --- TLS -------------------------------------------------------------------------------------

@test "without the shim a child that calls over TLS breaks the parent's connection" {
    run bare_briefly "$(sample unary)" "$TLS" --tls "$CERTIFICATES"
    assert_shared_connection
}

@test "under the shim a child calls over TLS through the inherited stub" {
    for channel in heap static; do
        run preloaded 60 "$(sample unary)" "$TLS" --tls "$CERTIFICATES" --channel "$channel"
        assert_own_connection
    done
}

@test "without the shim a child hangs on a new TLS channel" {
    run bare_briefly "$(sample unary)" "$TLS" --tls "$CERTIFICATES" --channel new
    assert_child_hangs
}

@test "under the shim a child calls over a new TLS channel" {
    run preloaded 60 "$(sample unary)" "$TLS" --tls "$CERTIFICATES" --channel new
    assert_own_connection
}

@test "without the shim a child that calls over mutual TLS breaks the parent's connection" {
    run bare_briefly "$(sample unary)" "$MUTUAL_TLS" --mutual-tls "$CERTIFICATES"
    assert_shared_connection
}

@test "under the shim a child shows the inherited client certificate" {
    for channel in heap static new; do
        run preloaded 60 "$(sample unary)" "$MUTUAL_TLS" --mutual-tls "$CERTIFICATES" \
            --channel "$channel"
        assert_own_connection
    done
}

@test "the mutual TLS server refuses a client that has no certificate" {
    run bare_briefly "$(sample unary)" "$MUTUAL_TLS" --tls "$CERTIFICATES"
    assert_failure 1
    assert_line 'parent status 14'
}

# --- targets ---------------------------------------------------------------------------------

# Every form of target that leads to the server with three addresses.
targets() {
    # shellcheck disable=SC2153
    local port=${SERVER_ADDRESSES[0]##*:}
    printf '%s\n' "ipv4:${SERVER_ADDRESSES[0]}" "ipv6:${SERVER_ADDRESSES[1]}" \
        "dns:localhost:$port" "dns:///localhost:$port" "${SERVER_ADDRESSES[2]}"
}

@test "without the shim a child uses the parent's connection to every form of target" {
    while read -r target; do
        run bare_briefly "$(sample unary)" "$target"
        assert_shared_connection
    done < <(targets)
}

@test "under the shim a child has a connection of its own to every form of target" {
    while read -r target; do
        for channel in heap new; do
            run preloaded 60 "$(sample unary)" "$target" --channel "$channel"
            assert_own_connection
        done
    done < <(targets)
}

# --- libgrpc++_unsecure ----------------------------------------------------------------------

@test "without the shim a child of a program on libgrpc++_unsecure uses the parent's connection" {
    run bare_briefly "$(sample unary_unsecure)" "$INSECURE"
    assert_shared_connection
}

@test "under the shim a child of a program on libgrpc++_unsecure has a connection of its own" {
    for channel in heap static new; do
        run preloaded 60 "$(sample unary_unsecure)" "$INSECURE" --channel "$channel"
        assert_own_connection
    done
}
