#!/usr/bin/env bats
#
# What a program in C can hold of gRPC besides channels, queues and calls.

load ../lib/harness
load ../samples/c/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

objects() { # SUBJECT [TLS]
    address=$SERVER_ADDRESS
    arguments=("$1")
    if [[ $# -gt 1 ]]; then
        address=localhost:${TLS_ADDRESS##*:}
        arguments+=("$CERTIFICATES")
    fi
    HARNESS_BACKTRACES=0 run bare 4 "$(sample objects)" "$address" "${arguments[@]}"
    [[ $status -ne 3 ]] || skip "this gRPC has no $1"
    assert_failure
    run preloaded 60 "$(sample objects)" "$address" "${arguments[@]}"
    assert_success
    assert_stderr_empty
    refute_line --partial FAILED
    refute test "$(value 'child peer')" = "$(value 'parent peer')"
}

@test "An inherited channel connects when asked to, and watches that were pending come back failed" {
    objects connectivity
    assert_line 'child inherited ok'
    assert_line 'child ready ok'
    assert_line 'parent late type 2 tag 1 success 0'
}

@test "Channelz tells in the child of what is in use there" {
    objects channelz
    assert_line 'child told_nothing ok'
    assert_line 'child told ok'
}

@test "A call's census context is there in the child" {
    objects census
    assert_line 'child inherited ok'
}

@test "An argument that points to something of the program's is copied for the child's channel" {
    objects pointer
    assert_line 'child copied ok'
}

@test "A cache of TLS sessions serves inherited and new channels in the child" {
    objects session-cache tls
}

@test "XDS credentials fall back in the child as in the parent" {
    objects xds tls
}

# --- two threads ------------------------------------------------------------------------------

@test "A thread of a child may give back what it inherited while another one makes the first call" {
    fails_bare "$(sample giving_back)" "$SERVER_ADDRESS" 1
    works_preloaded "$(sample giving_back)" "$SERVER_ADDRESS" 100
    assert_line 'children 100 failed 0'
}

@test "It may be in the middle of making a table of records smaller" {
    not_sanitized 'has an allocator of its own, which the sample takes the place of'
    # What is used after it was freed is not what it was.
    MALLOC_PERTURB_=165 works_preloaded "$(sample giving_back_stopped)" "$SERVER_ADDRESS" 10 2000
    assert_line 'children 10 failed 0'
    refute_line 'child was never stopped'
}
