#!/usr/bin/env bats

load ../lib/harness
load ../samples/ruby/expectations

setup_file() {
    start_ruby_servers
}

teardown_file() {
    stop_servers
}

assert_background_work() { # WHO
    assert_line "$1 watch 2"
    assert_line "$1 signed true"
    assert_line "$1 new signed true"
    assert_line "$1 served true"
}

@test "without the shim a child can neither watch, nor sign, nor serve" {
    # From 1.57 on the child hangs at its end besides.
    HARNESS_BACKTRACES=0 run_ruby bare 15 background "$INSECURE" "$TLS" "$CERTIFICATES"
    assert_refused
    refute_line 'child exit 0'
    refute_line --regexp '^child (first )?(watch|signed|served)'
}

@test "under the shim a child watches connections, signs calls with a block, and serves" {
    run_ruby preloaded 120 background "$INSECURE" "$TLS" "$CERTIFICATES"
    assert_success
    assert_stderr_empty
    assert_background_work parent
    assert_line 'child first watch 2'
    assert_background_work child
    assert_line 'child was served by its parent true'
    assert_line 'child exit 0'
    assert_background_work 'parent after'
    assert_line 'parent serves on true'
}

@test "under the shim an inherited channel of an idle child notices that its server has gone" {
    HARNESS_BACKTRACES=0 run_ruby bare 15 idle "$(sample echo_server)"
    assert_refused
    refute_line 'child noticed true'
    run_ruby preloaded 120 idle "$(sample echo_server)"
    assert_success
    assert_stderr_empty
    assert_line 'parent noticed true'
    assert_line 'parent again unary OK'
    assert_line 'child noticed true'
    assert_line 'child again unary OK'
    assert_own_peer child parent
}

@test "under the shim a child signs calls that was forked in the block that signs a call" {
    HARNESS_BACKTRACES=0 run_ruby bare 15 in_block "$TLS" "$CERTIFICATES"
    assert_refused
    refute_line 'child signed true'
    run_ruby preloaded 120 in_block "$TLS" "$CERTIFICATES"
    assert_success
    assert_stderr_empty
    assert_line 'parent forking signed true'
    assert_line 'child signed true'
    assert_line 'child exit 0'
    assert_line 'parent after signed true'
}

@test "under the shim a child signs calls also where the whole application runs in at_exit" {
    run_ruby preloaded 120 in_at_exit "$TLS" "$CERTIFICATES"
    assert_success
    assert_stderr_empty
    assert_line 'parent signed true'
    assert_line 'child signed true'
    assert_line 'child exit 0'
}

@test "under the shim signals do not disturb a child that first uses gRPC" {
    HARNESS_BACKTRACES=0 run_ruby bare 15 signals "$INSECURE" 2
    refute_line --regexp '^children that worked [1-9]'
    run_ruby preloaded 300 signals "$INSECURE" 100
    assert_success
    assert_stderr_empty
    assert_line 'children that worked 100'
    assert_line 'parent after unary OK'
}
