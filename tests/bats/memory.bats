#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# Where the shim gets no memory the parent notices nothing, and a child works, or is told at once that it
# can't and why.

load ../lib/harness
load ../samples/c/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

setup() {
    not_sanitized 'has an allocator of its own, in front of which no other can be put'
    not_emulated 'is not known to the script that runs the samples again and again'
}

# Each of the shim's requests is refused in turn: some seventy runs.
refuse_each() { # PROGRAM [ARG...]
    run python3 "$HARNESS_DIRECTORY/../programs/each_refusal.py" "$(shim)" "$(sample refusing.so)" "$BATS_TEST_TMPDIR" "$@"
    echo "$output" >&2
    assert_success
    assert_line --regexp '^requests [1-9][0-9]+ worked [1-9][0-9]* told [1-9][0-9]* wrong 0$'
}

@test "Any one request may be refused in a client in C with TLS, arguments and a registered call" {
    refuse_each "$(sample pluck_client)" "localhost:${TLS_ADDRESS##*:}" --tls "$CERTIFICATES" --registered --long-argument
}

@test "Any one request may be refused in a client in C with operations that are pending at fork" {
    refuse_each "$(sample next_client)" "$SERVER_ADDRESS" pending
}

@test "Any one request may be refused in a client in C++" {
    refuse_each "$(sample unary)" "$SERVER_ADDRESS"
}

@test "Any one request may be refused in a client in C++ with reactions" {
    sample callback >/dev/null 2>&1 || skip 'this gRPC has no callback API'
    refuse_each "$(sample callback)" "$SERVER_ADDRESS" --child inherited
}

# These take minutes.
@test "Any one request may be refused in programs with alarms and with a queue of several calls" {
    [[ -n ${HARNESS_REFUSE_MORE-} ]] || skip 'HARNESS_REFUSE_MORE is not set'
    refuse_each "$(sample alarm)" queue
    refuse_each "$(sample alarm)" function
    refuse_each "$(sample async)" "$SERVER_ADDRESS"
}

@test "Where each request is refused a line says that gRPC is not protected, and the parent calls" {
    # The parent's call after the fork fails as without the shim: its child has used its connection.
    HARNESS_PRELOAD_LAST=$(sample refusing.so) HARNESS_BACKTRACES=0 REFUSE_FROM=1 \
        run preloaded 10 "$(sample pluck_client)" "$SERVER_ADDRESS"
    assert_line 'parent status 0'
    assert_equal "$(grep -c 'is not protected, out of memory, forked children get it as without the shim' "$HARNESS_STDERR")" 1
}
