#!/usr/bin/env bats

load ../lib/harness
load ../samples/ruby/expectations

setup_file() {
    start_ruby_servers
}

teardown_file() {
    stop_servers
}

collect() { # use|leave
    run_ruby preloaded 120 collect "$INSECURE" "$TLS" "$CERTIFICATES" "$1"
}

assert_parent_unharmed() {
    assert_success
    assert_stderr_empty
    assert_line 'child freed true'
    assert_line 'child finalizer ran'
    assert_line 'child exit 0'
    assert_line 'parent after unary OK'
    assert_line 'parent at last unary OK'
    assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
    assert_equal "$(value 'parent at last peer')" "$(value 'parent peer')"
}

# What the child frees ends its parent's connection, unless a thread that the child does not have
# would have done that part.
@test "without the shim a child's garbage collector hangs, or takes its parent's connection down" {
    local attempt
    ruby -W0 -e 'require "grpc"; exit GRPC.respond_to?(:prefork)' &&
        skip 'this gRPC leaves in a child alone what it frees'
    export HARNESS_BACKTRACES=0
    for attempt in {1..5}; do
        run_ruby bare 10 collect "$INSECURE" "$TLS" "$CERTIFICATES" leave
        assert_line 'parent unary OK'
        if [[ $status -ne 0 || $(value 'child exit') != 0 ||
            $(value 'parent after peer') != "$(value 'parent peer')" ]]; then
            return 0
        fi
    done
    fail "unharmed in $attempt attempts"
}

@test "under the shim a child's garbage collector frees what it inherited, and starts no gRPC for it" {
    collect leave
    assert_parent_unharmed
    # Ruby's own: one, or two with a timer thread.
    assert_line --regexp '^child threads [12]$'
    assert_line 'child at_exit ran'
}

@test "under the shim such a child starts no gRPC at its end either" {
    local log=$BATS_TEST_TMPDIR/log
    run preloaded 120 env GRPCFORKSHIM_LOG_LEVEL=debug GRPCFORKSHIM_LOG_FILE="$log" \
        ruby -W0 -I "$GRPCFORKSHIM_BUILD/tests/samples/ruby" "$RUBY_SAMPLES/collect.rb" \
        "$INSECURE" "$TLS" "$CERTIFICATES" leave
    assert_success
    run cat "$log"
    assert_line --partial 'protecting gRPC'
    refute_line --partial 'gRPC started anew'
    refute_line --partial 'background threads run'
}

@test "under the shim a child frees what it inherited, a server too, and uses gRPC, also in at_exit" {
    collect use
    assert_parent_unharmed
    assert_line 'child unary OK'
    assert_line --regexp '^child stream 1 .*inherited through fork'
    assert_line 'child again unary OK'
    assert_line 'child at_exit hello'
    assert_own_peer child parent
}
