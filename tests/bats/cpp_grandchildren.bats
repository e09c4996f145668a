#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

# Every generation that calls has a connection of its own and keeps it.
assert_generations_apart() { # GENERATION...
    local generation peers=()
    assert_success
    assert_stderr_empty
    for generation in "$@"; do
        assert_line "generation $generation status 0"
        peers+=("$(value "generation $generation peer")")
    done
    assert_equal "$(printf '%s\n' "${peers[@]}" | sort -u | wc -l)" "$#"
    for generation in "${@:1:$#-1}"; do
        assert_equal "$(value "generation $generation after peer")" \
            "$(value "generation $generation peer")"
    done
}

@test "without the shim a child and its children use the first parent's connection" {
    run bare_briefly "$(sample grandchildren)" "$INSECURE" 3
    assert_shared_connection 'generation 1' 'generation 0'
}

@test "under the shim every generation calls through the first one's stub" {
    run preloaded 60 "$(sample grandchildren)" "$INSECURE" 5
    assert_generations_apart 0 1 2 3 4 5
}

@test "without the shim a grandchild of idle generations uses the first parent's connection" {
    run bare_briefly "$(sample grandchildren)" "$INSECURE" 3 --generations some
    assert_shared_connection 'generation 3' 'generation 0'
}

@test "under the shim generations that never use gRPC may come in between" {
    run preloaded 60 "$(sample grandchildren)" "$INSECURE" 6 --generations some
    assert_generations_apart 0 3 6
}

@test "under the shim the same holds over TLS" {
    run preloaded 60 "$(sample grandchildren)" "$TLS" 6 --tls "$CERTIFICATES" --generations some
    assert_generations_apart 0 3 6
    run preloaded 60 "$(sample grandchildren)" "$TLS" 3 --tls "$CERTIFICATES"
    assert_generations_apart 0 1 2 3
}
