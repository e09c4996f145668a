#!/usr/bin/env bats
# shellcheck disable=SC2030,SC2031
#
# What a process holds besides channels: servers, settings, a gRPC that can't be reached, and the
# loader's locks.

load ../lib/harness

setup_file() {
    start_server
}

teardown_file() {
    stop_servers
}

@test "A server of the parent is stopped in the child and goes on in the parent" {
    HARNESS_BACKTRACES=0 run bare 10 "$(sample server)"
    assert_failure
    run preloaded 60 "$(sample server)"
    assert_success
    assert_stderr_empty
    assert_line 'child request_fails ok'
    assert_line 'child new_request_fails ok'
    assert_line 'child shutdown ok'
    assert_line 'child queue_ends ok'
    assert_line 'child exit 0'
    assert_line 'parent request_arrives ok'
    assert_line 'parent shutdown ok'
}

@test "A child traces what its parent had switched on by the API" {
    HARNESS_BACKTRACES=0 GRPC_VERBOSITY=debug run bare 10 "$(sample tracing)" "$SERVER_ADDRESS"
    assert_fails_after '^parent status 0$'
    GRPC_VERBOSITY=debug run preloaded 60 "$(sample tracing)" "$SERVER_ADDRESS"
    assert_success
    assert_line 'child tracer ok'
}

@test "A child logs into the function that its parent had set by the API" {
    [[ -x $(sample settings) ]] || skip 'this gRPC has no function to log into'
    HARNESS_BACKTRACES=0 run bare 10 "$(sample settings)" "$SERVER_ADDRESS"
    assert_failure
    run preloaded 60 "$(sample settings)" "$SERVER_ADDRESS"
    assert_success
    assert_line 'child own_log ok'
    assert_line 'child tracer ok'
    assert_stderr_empty
}

@test "A program with gRPC linked in statically runs as without the shim, which says so once" {
    [[ -x $(sample static_client) ]] || skip 'there is no static gRPC to link'
    run bare 60 "$(sample static_client)"
    assert_success
    local alone=$output
    run preloaded 60 "$(sample static_client)"
    assert_success
    assert_equal "$(grep -v '^grpcforkshim' <<<"$output")" "$alone"
    assert_equal "$(wc -l <"$BATS_TEST_TMPDIR/stderr")" 1
    assert_regex "$(<"$BATS_TEST_TMPDIR/stderr")" \
        '^grpcforkshim\[[0-9]+\]: gRPC in the program is not protected, it is linked in statically, '
}

@test "Eight threads can make the first call into gRPC together" {
    for _ in {1..20}; do
        run preloaded 60 "$(sample first_call)"
        assert_success
        assert_output 'threads 8'
        assert_stderr_empty
    done
}

@test "Nothing changes for a plugin whose constructor waits for a thread that closes descriptors" {
    for way in bare preloaded; do
        run "$way" 60 "$(sample loader)" plugin "$(sample constructor_plugin.so)"
        assert_success
        assert_output loaded
    done
    assert_stderr_empty
}

@test "Nothing changes for children of children while threads go through the loaded libraries" {
    for way in bare preloaded; do
        run "$way" 60 "$(sample loader)" forks
        assert_success
        assert_output 'forks 50 failed 0'
    done
    assert_stderr_empty
}

@test "A child uses the credentials that took the place of others" {
    make_certificates
    start_server --tls "$CERTIFICATES"
    HARNESS_BACKTRACES=0 run bare 10 "$(sample renewed_credentials)" "$SERVER_ADDRESS" --tls "$CERTIFICATES"
    assert_failure
    run preloaded 60 "$(sample renewed_credentials)" "$SERVER_ADDRESS" --tls "$CERTIFICATES"
    assert_success
    assert_stderr_empty
    assert_line 'child status 0'
}
