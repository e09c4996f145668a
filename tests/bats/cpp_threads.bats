#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

# How many children each of the tests under the shim makes.
: "${CPP_THREADS_FORKS:=1000}"

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

# The shell's own words: a hung child is shown before it is killed.
debugger='gdb --batch -nx -ex "thread apply all backtrace 40" -p'

assert_children_fail() { # FORKS
    assert_failure
    refute_line --partial "forks $1 children_failed 0 "
}

run_threads() { # ADDRESS [OPTION...]
    local address=$1
    shift
    run preloaded 600 "$(sample threads)" "$address" 8 "$CPP_THREADS_FORKS" \
        --on-hang "$debugger" "$@"
}

assert_all_worked() {
    assert_success
    assert_stderr_empty
    assert_line --regexp \
        "^forks $CPP_THREADS_FORKS children_failed 0 parent_calls [1-9][0-9]* parent_failed 0$"
}

run_bare() { # CHANNEL
    run bare_briefly "$(sample threads)" "$INSECURE" 8 20 --channel "$1"
}

@test "without the shim the children of a busy parent fail through its stub" {
    run_bare inherited
    assert_children_fail 20
    run bare_briefly "$(sample threads)" "$TLS" 8 20 --tls "$CERTIFICATES" --channel inherited
    assert_children_fail 20
}

@test "without the shim the children of a busy parent fail through new channels" {
    run_bare new
    # gRPC 1.30 needs none of its threads for that.
    [[ $status -ne 0 ]] || skip 'this gRPC gets through it without the shim'
    assert_children_fail 20
}

@test "under the shim the children of a busy parent call through its stub" {
    run_threads "$INSECURE" --channel inherited
    assert_all_worked
}

@test "under the shim the children of a busy parent call through new channels" {
    run_threads "$INSECURE" --channel new
    assert_all_worked
}

@test "under the shim the children of a busy parent call through its stub over TLS" {
    run_threads "$TLS" --tls "$CERTIFICATES" --channel inherited
    assert_all_worked
}

@test "under the shim the children of a busy parent call through new TLS channels" {
    run_threads "$TLS" --tls "$CERTIFICATES" --channel new
    assert_all_worked
}

@test "under the shim the main thread may fork as well" {
    run_threads "$INSECURE" --forks-from main
    assert_all_worked
}
