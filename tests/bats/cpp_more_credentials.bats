#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_servers
    key=$HARNESS_RUN_DIRECTORY/account.json
    openssl genrsa -out "$HARNESS_RUN_DIRECTORY/account.key" 2048 2>/dev/null
    python3 - "$HARNESS_RUN_DIRECTORY/account.key" >"$key" <<'END'
import json, sys
print(json.dumps({
    "type": "service_account", "project_id": "sample", "private_key_id": "1",
    "private_key": open(sys.argv[1]).read(), "client_email": "sample@example.com",
    "client_id": "2", "token_uri": "https://127.0.0.1:1/token",
}))
END
    echo '{"type": "authorized_user", "client_id": "1", "client_secret": "2", "refresh_token": "3"}' \
        >"$HARNESS_RUN_DIRECTORY/refresh.json"
}

teardown_file() {
    stop_servers
}

setup() {
    key=$HARNESS_RUN_DIRECTORY/account.json
}

assert_same_outcome() { # OUTCOME
    assert_success
    assert_line "child outcome $1"
    assert_line "parent after outcome $1"
    if [[ $1 == 0* ]]; then
        assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
        refute test "$(value 'child peer')" = "$(value 'parent peer')"
    fi
}

@test "without the shim a child with a JWT breaks the parent's connection" {
    run bare_briefly "$(sample default_credentials)" "$TLS" --tls "$CERTIFICATES" --kind jwt \
        --file "$key"
    assert_shared_connection
}

@test "under the shim credentials that calls were given before the fork are shown in the child" {
    for channel in inherited new; do
        run preloaded 60 "$(sample default_credentials)" "$TLS" --tls "$CERTIFICATES" \
            --kind jwt --file "$key" --channel "$channel"
        assert_same_outcome '0 Bearer ey'
        for kind in iam composite; do
            run preloaded 60 "$(sample default_credentials)" "$TLS" --tls "$CERTIFICATES" \
                --kind "$kind" --channel "$channel"
            assert_same_outcome "0 $([[ $kind == iam ]] && echo none || echo 'Bearer to')"
        done
    done
}

@test "under the shim Google's default credentials of a file work in the child" {
    for channel in inherited new; do
        GOOGLE_APPLICATION_CREDENTIALS=$key GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=$CERTIFICATES/ca.pem \
            run preloaded 60 "$(sample default_credentials)" "$TLS" --kind google-default --channel "$channel"
        assert_same_outcome '0 Bearer ey'
    done
}

@test "under the shim credentials that would ask a service that is away fail in the child, too" {
    local kind who
    local -A files=([refresh-token]=$HARNESS_RUN_DIRECTORY/refresh.json [sts]=$key)
    # Whether the name is not found, nobody is there, or time is up, is the network's affair.
    for kind in "${!files[@]}"; do
        run preloaded 60 "$(sample default_credentials)" "$TLS" --tls "$CERTIFICATES" \
            --kind "$kind" --file "${files[$kind]}" --deadline 2
        for who in parent child 'parent after'; do
            assert_line --regexp "^$who outcome [1-9]"
        done
        refute_line --partial signal
    done
}

@test "without the shim a child can't serve with credentials of its parent" {
    run bare_briefly "$(sample server_credentials)" "$CERTIFICATES"
    assert_child_hangs
}

assert_child_serves_with() { # CREDENTIALS...
    local kind
    for kind in "$@"; do
        run preloaded 60 "$(sample server_credentials)" "$CERTIFICATES" --credentials "$kind"
        assert_success
        assert_stderr_empty
        assert_line 'child status 0'
        assert_line 'parent after status 0'
    done
}

@test "under the shim a child serves with server credentials of its parent" {
    assert_child_serves_with insecure local ssl
}

@test "under the shim a child serves with certificates of a provider of its parent's" {
    HARNESS_BACKTRACES=0 run bare 5 "$(sample server_credentials)" "$CERTIFICATES" --credentials tls
    [[ $status -ne 2 ]] || skip 'this gRPC has no such server credentials'
    assert_child_serves_with tls tls-files
}

@test "under the shim inherited server credentials still ask the program's metadata processor" {
    run preloaded 60 "$(sample server_credentials)" "$CERTIFICATES" --credentials ssl-processor
    assert_success
    assert_line 'child status 0'
    assert_line 'child refused status 16'
}
