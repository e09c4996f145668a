#!/usr/bin/env bats

load ../lib/harness
load ../samples/ruby/expectations

setup_file() {
    start_ruby_servers
}

teardown_file() {
    stop_servers
}

run_form() { # WAY SECONDS FORM insecure|tls
    if [[ $4 == tls ]]; then
        run_ruby "$1" "$2" forms "$TLS" "$3" "$CERTIFICATES"
    else
        run_ruby "$1" "$2" forms "$INSECURE" "$3"
    fi
}

assert_form_fails() { # FORM
    local kind
    for kind in insecure tls; do
        HARNESS_BACKTRACES=0 run_form bare 20 "$1" "$kind"
        assert_calls parent
        assert_refused
        refute_line --regexp 'child new unary OK$'
    done
}

# The parent goes on over the connection that it had, and each child has one of its own.
assert_form_works() { # FORM [CHILD [GRANDCHILD]]
    local kind who previous form=$1
    shift
    for kind in insecure tls; do
        run_form preloaded 120 "$form" "$kind"
        assert_success
        assert_stderr_empty
        assert_calls parent
        previous=parent
        for who in "$@"; do
            assert_calls "$who"
            assert_line "$who knows its number true"
            assert_calls "$who new"
            assert_own_peer "$who" "$previous"
            assert_own_peer "$who new" "$previous"
            previous=$who
        done
        if [[ $form != daemon ]]; then
            assert_line 'child exit 0'
            assert_calls 'parent after'
            assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
        fi
    done
}

@test "without the shim Ruby's gRPC refuses to work in a child, however it was made" {
    for form in fork thread popen grandchildren grandchild-only daemon; do
        assert_form_fails "$form"
    done
}

@test "under the shim inherited and new stubs work in the child of fork" {
    assert_form_works fork child
}

@test "under the shim they work in the child of a fork in a thread" {
    assert_form_works thread child
}

@test "under the shim they work in the child of IO.popen('-')" {
    assert_form_works popen child
}

@test "under the shim they work in a child and in its child" {
    assert_form_works grandchildren child grandchild
    assert_line 'grandchild exit 0'
}

@test "under the shim they work in a grandchild whose parent did not use gRPC" {
    assert_form_works grandchild-only grandchild
    assert_line 'grandchild exit 0'
}

@test "under the shim they work after Process.daemon" {
    assert_form_works daemon child
}

needs_hooks() {
    ruby -W0 -e 'require "grpc"; exit GRPC.respond_to?(:prefork)' || skip 'this gRPC has no GRPC.prefork'
}

@test "without the shim a program that calls GRPC.prefork and its kin needs a gRPC that was built for it" {
    needs_hooks
    GRPC_ENABLE_FORK_SUPPORT=1 HARNESS_BACKTRACES=0 run_ruby bare 15 own_hooks "$INSECURE"
    assert_failure
    assert_calls parent
    refute_line 'child unary OK'
}

@test "under the shim a program works that calls GRPC.prefork and its kin" {
    needs_hooks
    GRPC_ENABLE_FORK_SUPPORT=1 run_ruby preloaded 120 own_hooks "$INSECURE"
    assert_success
    assert_stderr_empty
    for who in parent child grandchild 'other child'; do
        assert_calls "$who"
        assert_calls "$who new"
    done
    for who in child grandchild 'other child'; do
        assert_line "$who exit 0"
    done
    assert_own_peer child parent
    assert_own_peer grandchild child
    assert_own_peer 'other child' parent
    assert_equal "$(value 'child after peer')" "$(value 'child peer')"
    assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
    assert_equal "$(value 'parent at last peer')" "$(value 'parent peer')"
}
