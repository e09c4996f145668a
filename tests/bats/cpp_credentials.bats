#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

assert_token_shown() { # TOKEN
    assert_own_connection
    assert_line "child authorization $1"
}

@test "without the shim a child with a token breaks the parent's connection" {
    for token in access plugin none; do
        for of in channel call; do
            run bare_briefly "$(sample credentials)" "$TLS" --tls "$CERTIFICATES" \
                --token "$token" --of "$of"
            assert_shared_connection
        done
    done
}

@test "under the shim composite credentials of an inherited channel show the token in the child" {
    run preloaded 60 "$(sample credentials)" "$TLS" --tls "$CERTIFICATES" \
        --token access --of channel
    assert_token_shown 'Bearer token'
}

@test "under the shim inherited call credentials show the token in the child" {
    run preloaded 60 "$(sample credentials)" "$TLS" --tls "$CERTIFICATES" --token access --of call
    assert_token_shown 'Bearer token'
}

@test "under the shim an inherited metadata plugin is asked in the child" {
    for of in channel call; do
        run preloaded 60 "$(sample credentials)" "$TLS" --tls "$CERTIFICATES" \
            --token plugin --of "$of"
        assert_token_shown 'Bearer plugin'
    done
}

@test "without the shim a child hangs on a metadata plugin that has threads" {
    for of in channel call; do
        run bare_briefly "$(sample credentials)" "$TLS" --tls "$CERTIFICATES" \
            --token blocking-plugin --of "$of"
        assert_child_hangs
    done
}

@test "under the shim an inherited metadata plugin that has threads is asked in the child" {
    for of in channel call; do
        run preloaded 60 "$(sample credentials)" "$TLS" --tls "$CERTIFICATES" \
            --token blocking-plugin --of "$of"
        assert_token_shown 'Bearer plugin'
    done
}

@test "without the shim a new channel with inherited credentials uses the parent's connection" {
    for token in access plugin none; do
        run bare_briefly "$(sample credentials)" "$TLS" --tls "$CERTIFICATES" \
            --token "$token" --channel new
        assert_shared_connection
    done
}

@test "under the shim inherited TLS credentials serve a new channel in the child" {
    run preloaded 60 "$(sample credentials)" "$TLS" --tls "$CERTIFICATES" \
        --token none --channel new
    assert_token_shown none
    run preloaded 60 "$(sample credentials)" "$MUTUAL_TLS" --mutual-tls "$CERTIFICATES" \
        --token none --channel new
    assert_token_shown none
}

@test "under the shim inherited composite credentials serve a new channel in the child" {
    run preloaded 60 "$(sample credentials)" "$TLS" --tls "$CERTIFICATES" \
        --token access --channel new
    assert_token_shown 'Bearer token'
}

@test "under the shim an inherited metadata plugin serves a new channel in the child" {
    for token in plugin blocking-plugin; do
        run preloaded 60 "$(sample credentials)" "$TLS" --tls "$CERTIFICATES" \
            --token "$token" --channel new
        assert_token_shown 'Bearer plugin'
    done
}
