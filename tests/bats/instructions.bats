#!/usr/bin/env bats
# What the shim costs in instructions, which valgrind counts: unlike time, they hardly depend on the
# machine or on what else it does.  The bars are a third above what was measured (Debian 12, gRPC
# 1.51); docs/architecture.md says where the instructions go.

load ../lib/harness

setup_file() {
    start_server --listen 127.0.0.1:0
}

teardown_file() {
    stop_servers
}

setup() {
    not_emulated 'can not run valgrind'
    not_sanitized 'counts instructions of its own'
    command -v valgrind >/dev/null || skip 'there is no valgrind'
}

# Of a process that makes so many calls, from its start to its end.
instructions() { # bare|preloaded PROGRAM CALLS
    local log=$BATS_TEST_TMPDIR/log
    "$1" 300 valgrind --tool=callgrind --callgrind-out-file=/dev/null "$2" "$SERVER_ADDRESS" "$3" >"$log" 2>&1 || {
        cat "$log" >&2
        return 1
    }
    sed -n 's/.*Collected : //p' "$log"
}

assert_at_most() { # MAXIMUM INSTRUCTIONS WHAT
    echo "$2 instructions for $3, at most $1"
    [[ $2 -le $1 ]]
}

measure() { # PROGRAM START CALL
    local program one many bare_one bare_many calls=1000
    program=$GRPCFORKSHIM_BUILD/tests/bench/$1
    bare_one=$(instructions bare "$program" 1)
    one=$(instructions preloaded "$program" 1)
    bare_many=$(instructions bare "$program" $((calls + 1)))
    many=$(instructions preloaded "$program" $((calls + 1)))
    assert_at_most "$2" $((one - bare_one)) 'the start, one call and the end'
    assert_at_most "$3" $(((many - one - bare_many + bare_one) / calls)) 'a call'
}

@test "A C program starts with at most 6,500,000 instructions more, and each call takes at most 2,200" {
    measure calls 6500000 2200
}

@test "A C++ program starts with at most 8,000,000 instructions more, and each call takes at most 4,000" {
    measure calls_cpp 8000000 4000
}
