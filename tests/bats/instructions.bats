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

# Of a process that makes so many calls, from its start to its end: all of them, and those of the shim's
# own code.
instructions() { # bare|preloaded PROGRAM CALLS
    local log=$BATS_TEST_TMPDIR/log profile=$BATS_TEST_TMPDIR/profile
    "$1" 300 valgrind --tool=callgrind --callgrind-out-file="$profile" "$2" "$SERVER_ADDRESS" "$3" >"$log" 2>&1 || {
        cat "$log" >&2
        return 1
    }
    sed -n 's/.*Collected : //p' "$log"
    callgrind_annotate --threshold=100 "$profile" | awk '
        /libgrpcforkshim\.so/ { gsub(",", "", $1); sum += $1 }
        END { print sum + 0 }'
}

assert_at_most() { # MAXIMUM INSTRUCTIONS WHAT
    echo "$2 instructions for $3, at most $1"
    [[ $2 -le $1 ]]
}

# A call is measured by the shim's own code alone: how long gRPC's threads spin for each other's locks differs by
# more than that from run to run.
measure() { # PROGRAM START CALL
    local program calls=1000
    local -a bare_one one many
    program=$GRPCFORKSHIM_BUILD/tests/bench/$1
    mapfile -t bare_one < <(instructions bare "$program" 1)
    mapfile -t one < <(instructions preloaded "$program" 1)
    mapfile -t many < <(instructions preloaded "$program" $((calls + 1)))
    assert_at_most "$2" $((one[0] - bare_one[0])) 'the start, one call and the end'
    assert_at_most "$3" $(((many[1] - one[1]) / calls)) "a call in the shim's code"
    # It was there, and was counted.
    [[ $((many[1] - one[1])) -gt $((calls * 100)) ]]
}

@test "A C program starts with at most 6,500,000 instructions more, and each call takes at most 1,500 of the shim's" {
    measure calls 6500000 1500
}

@test "A C++ program starts with at most 8,000,000 instructions more, and each call takes at most 2,600 of the shim's" {
    measure calls_cpp 8000000 2600
}
