#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

setup() {
    [[ -x $GRPCFORKSHIM_BUILD/tests/samples/cpp/tls_credentials ]] ||
        skip 'this gRPC has no such certificate providers'
    roots=$CERTIFICATES/ca.pem
    identity=(--key "$CERTIFICATES/client.key" --certificates "$CERTIFICATES/client.pem")
}

tls_client() { # ARGUMENT...
    run preloaded 60 "$(sample tls_credentials)" "$@"
}

@test "without the shim a child with TLS credentials of a provider breaks the parent's connection" {
    run bare_briefly "$(sample tls_credentials)" "$TLS" --roots "$roots"
    assert_shared_connection
}

@test "under the shim TLS credentials of a provider work in the child" {
    for provider in fixed files; do
        for use in channel credentials options; do
            tls_client "$TLS" --roots "$roots" --provider "$provider" --use "$use"
            assert_own_connection
        done
    done
}

@test "under the shim the certificate of a provider is shown to the server in the child" {
    for provider in fixed files; do
        tls_client "$MUTUAL_TLS" --roots "$roots" "${identity[@]}" --provider "$provider"
        assert_own_connection
        tls_client "$MUTUAL_TLS" --roots "$roots" "${identity[@]}" --provider "$provider" \
            --use credentials
        assert_own_connection
    done
}

@test "under the shim a program's own verifier is asked in the child" {
    for use in channel credentials options; do
        tls_client "$TLS" --roots "$roots" --verifier own --use "$use"
        assert_own_connection
        assert_line 'child verified 1'
    done
}

@test "under the shim files that the parent watches are watched in the child too" {
    cp "$roots" "$BATS_TEST_TMPDIR/roots.pem"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
        -subj '/CN=another authority' -keyout "$BATS_TEST_TMPDIR/other.key" \
        -out "$BATS_TEST_TMPDIR/roots.pem.other" 2>"$BATS_TEST_TMPDIR/openssl.log"
    tls_client "$TLS" --roots "$BATS_TEST_TMPDIR/roots.pem" --provider files --watch yes
    # gRPC reports on stderr what it does not connect to.
    assert_success
    assert_line 'child status 0'
    assert_line 'child roots noticed'
    assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
}
