#!/usr/bin/env bats
#
# What a program changes in its environment between its first use of gRPC and a fork is read by its
# children. gRPC itself reads its environment once.

load ../lib/harness

setup_file() {
    make_certificates
    start_server --tls "$CERTIFICATES"
    export TLS_ADDRESS=localhost:${SERVER_ADDRESS##*:}
    start_server
}

teardown_file() {
    stop_servers
}

changed() { # NAME=VALUE...
    run preloaded 60 "$(sample environment_change)" "localhost:${SERVER_ADDRESS##*:}" "$@"
    assert_success
    assert_line 'child status 0'
}

# A process that has this environment from the start says so in its log; not every gRPC does.
needs_line() { # LINE NAME=VALUE...
    local line=$1
    shift
    run bare 60 env "$@" "$(sample environment_change)" "localhost:${SERVER_ADDRESS##*:}"
    [[ $output == *"$line"* ]] || skip "this gRPC does not log '$line'"
}

@test "A child's gRPC logs and traces as the changed environment says" {
    changed UNRELATED=1
    assert_stderr_empty
    changed GRPC_VERBOSITY=debug GRPC_TRACE=api
    assert_line --partial 'grpc_call_start_batch('
}

@test "A child's gRPC takes the resolver that the changed environment names" {
    needs_line 'sing native dns resolver' GRPC_VERBOSITY=debug GRPC_TRACE=cares_resolver \
        GRPC_DNS_RESOLVER=native
    changed GRPC_VERBOSITY=debug GRPC_TRACE=cares_resolver GRPC_DNS_RESOLVER=native
    assert_line --regexp 'sing native dns resolver'
    changed GRPC_VERBOSITY=debug GRPC_TRACE=cares_resolver GRPC_DNS_RESOLVER=ares
    refute_line --regexp 'sing native dns resolver'
}

@test "A child's gRPC takes the polling engine that the changed environment names" {
    needs_line 'Using polling engine: poll' GRPC_VERBOSITY=debug GRPC_POLL_STRATEGY=poll
    changed GRPC_VERBOSITY=debug GRPC_POLL_STRATEGY=poll
    assert_line --partial 'Using polling engine: poll'
    changed GRPC_VERBOSITY=debug GRPC_POLL_STRATEGY=epoll1
    assert_line --partial 'Using polling engine: epoll1'
}

@test "A child's gRPC takes its default roots from where the changed environment says" {
    SAMPLE_DEFAULT_ROOTS=1 GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=/dev/null run preloaded 60 \
        "$(sample environment_change)" "$TLS_ADDRESS" \
        GRPC_DEFAULT_SSL_ROOTS_FILE_PATH="$CERTIFICATES/ca.pem"
    assert_success
    assert_line 'parent status 14'
    assert_line 'child status 0'
}
