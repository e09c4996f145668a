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

@test "A child's gRPC logs and traces as the changed environment says" {
    changed UNRELATED=1
    assert_stderr_empty
    changed GRPC_VERBOSITY=debug GRPC_TRACE=api
    assert_line --partial 'grpc_call_start_batch('
}

# From its EventEngine on gRPC has other words for it.
NATIVE_RESOLVER='sing native dns resolver|creating NativePosixDNSResolver'

@test "A child's gRPC takes the resolver that the changed environment names" {
    local -a logged=(GRPC_VERBOSITY=debug 'GRPC_TRACE=cares_resolver,event_engine_dns')
    changed "${logged[@]}" GRPC_DNS_RESOLVER=native
    assert_line --regexp "$NATIVE_RESOLVER"
    changed "${logged[@]}" GRPC_DNS_RESOLVER=ares
    refute_line --regexp "$NATIVE_RESOLVER"
}

# What polls names itself by the file that the line is from.
@test "A child's gRPC takes the polling engine that the changed environment names" {
    local -a logged=(GRPC_VERBOSITY=debug GRPC_TRACE=polling)
    changed "${logged[@]}" GRPC_POLL_STRATEGY=poll
    refute_line --partial 'ev_epoll1_linux.cc'
    changed "${logged[@]}" GRPC_POLL_STRATEGY=epoll1
    assert_line --partial 'ev_epoll1_linux.cc'
}

@test "A child's gRPC takes its default roots from where the changed environment says" {
    SAMPLE_DEFAULT_ROOTS=1 GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=/dev/null run preloaded 60 \
        "$(sample environment_change)" "$TLS_ADDRESS" \
        GRPC_DEFAULT_SSL_ROOTS_FILE_PATH="$CERTIFICATES/ca.pem"
    assert_success
    assert_line 'parent status 14'
    assert_line 'child status 0'
}
