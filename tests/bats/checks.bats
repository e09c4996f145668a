#!/usr/bin/env bats
# Programs under a library that checks itself, as debug builds do: no lock is taken out of order, and
# none in an at-fork handler (shim/base/lock.h).  It aborts where one is.

load ../lib/harness

setup_file() {
    start_server --listen 127.0.0.1:0
    export HARNESS_SHIM=$GRPCFORKSHIM_BUILD/shim/libgrpcforkshim_checked.so
}

teardown_file() {
    stop_servers
}

works() { # SAMPLE [ARGUMENT...]
    local program=$1
    shift
    run preloaded 120 "$(sample "$program")" "$SERVER_ADDRESS" "$@"
    assert_success
    assert_stderr_empty
}

@test "Locks are taken in order where eight threads call and the process forks" {
    works fork_loop 100 8
}

@test "Locks are taken in order in grandchildren" {
    works grandchildren 3
}

@test "Locks are taken in order where calls come back by callbacks" {
    sample callback >/dev/null 2>&1 || skip 'this gRPC has no callback API'
    works callback --child inherited
    works callback --child in-callback
}

@test "Locks are taken in order by streams, and by calls of several threads" {
    works streams
    works threads 2 10
}
