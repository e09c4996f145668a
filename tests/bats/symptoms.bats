#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# The marks in tables are no commands of the shell.
# shellcheck disable=SC2030,SC2031,SC2016
#
# What people see who fork with gRPC (README.md, docs/symptoms.md): each of these lines comes without the
# shim, word for word, and does not come with it.

load ../lib/harness
load ../lib/python

setup_file() {
    # shellcheck source=scripts/lib.bash
    source "$HARNESS_DIRECTORY/../../scripts/lib.bash"
    export ROOT
    # shellcheck disable=SC2119
    start_server
}

teardown_file() {
    stop_servers
}

# Without the shim it is chance what becomes of a child: these come in most runs, if not in each, and not in one that
# ends well.
comes() { # WORDS SECONDS PROGRAM [ARGUMENT...]
    local attempt words=$1
    shift
    for attempt in 1 2 3 4 5 6; do
        echo "# $attempt"
        HARNESS_BACKTRACES=0 run bare "$@"
        if [[ $output == *"$words"* ]] && ! ended_well "$status" <(echo "$output"); then
            return 0
        fi
    done
    fail "not once: $words"
}

does_not_come() { # WORDS SECONDS PROGRAM [ARGUMENT...]
    local words=$1
    shift
    run preloaded "$@"
    assert ended_well "$status" <(echo "$output")
    refute_output --partial "$words"
    assert_stderr_empty
}

# What is quoted is quoted right.
in_document() { # WORDS
    grep -Fq -- "$1" "$ROOT/docs/symptoms.md" || fail "docs/symptoms.md does not have: $1"
}

@test "Socket operation on non-socket: the channel of a multiprocessing.Process" {
    local words='Socket operation on non-socket'
    [[ $("$DEBIAN_PYTHON" --version) == 'Python 3.11.'* ]] || skip 'this grpcio fails in other ways than reported'
    in_document "$words"
    comes "details = \"$words\"" 15 "$DEBIAN_PYTHON" "$(python_sample cross_process)" "$SERVER_ADDRESS"
    does_not_come "$words" 120 "$DEBIAN_PYTHON" "$(python_sample cross_process)" "$SERVER_ADDRESS"
}

@test "Bad file descriptor: a stub that was made before the fork" {
    local words='Bad file descriptor'
    [[ $("$DEBIAN_PYTHON" --version) == 'Python 3.11.'* ]] || skip 'this grpcio fails in other ways than reported'
    in_document "$words"
    comes "StatusCode.UNAVAILABLE $words" 15 "$DEBIAN_PYTHON" "$(python_sample global_channel)" "$SERVER_ADDRESS"
    does_not_come "$words" 120 "$DEBIAN_PYTHON" "$(python_sample global_channel)" "$SERVER_ADDRESS"
}

@test "Channel closed due to fork: a stub that was made before the fork, with gRPC's own support" {
    local words='Channel closed due to fork' wheel=grpcio-1.66.2
    python_fits "$wheel" || skip "the wheel is not made for this Python"
    in_document "$words"
    export GRPC_ENABLE_FORK_SUPPORT=1
    comes "ValueError: Cannot invoke RPC: $words" 15 "$(python_with "$wheel")" "$(python_sample call_timeout)" \
        "$SERVER_ADDRESS" --seconds 2
    does_not_come "$words" 120 "$(python_with "$wheel")" "$(python_sample call_timeout)" "$SERVER_ADDRESS"
}

@test "A call timeout in the child, and DEADLINE_EXCEEDED in its parent after the fork" {
    local wheel=grpcio-1.85.1 words
    python_fits "$wheel" || skip "the wheel is not made for this Python"
    export GRPC_ENABLE_FORK_SUPPORT=0
    for words in 'child call timeout' 'parent after StatusCode.DEADLINE_EXCEEDED Deadline Exceeded'; do
        in_document "$words"
        comes "$words" 30 "$(python_with "$wheel")" "$(python_sample call_timeout)" "$SERVER_ADDRESS" --seconds 2
        does_not_come "$words" 120 "$(python_with "$wheel")" "$(python_sample call_timeout)" "$SERVER_ADDRESS"
    done
}

@test "Deadline Exceeded in a parent in C++, whose child got its answer" {
    local words='parent after message Deadline Exceeded'
    in_document "$words"
    comes "$words" 15 "$(sample unary)" "$SERVER_ADDRESS" --deadline-after-fork 2
    # The status of that name.
    assert_line 'parent after status 4'
    does_not_come "$words" 60 "$(sample unary)" "$SERVER_ADDRESS"
}

@test "Other threads are currently calling into gRPC: gRPC's own handlers give up, and its children hang" {
    local words='Other threads are currently calling into gRPC, skipping fork() handlers' wheel=grpcio-1.85.1
    python_fits "$wheel" || skip "the wheel is not made for this Python"
    in_document "$words"
    # A thread that waits for an answer is in gRPC whenever the process forks: with those alone that call all the time
    # there were runs with no such moment. Each child has even odds to be served.
    comes "$words" 60 "$(python_with "$wheel")" "$(python_sample threads)" "$SERVER_ADDRESS" --waiting --forks 12 --seconds 2
    does_not_come "$words" 120 "$(python_with "$wheel")" "$(python_sample threads)" "$SERVER_ADDRESS" --waiting --forks 20
}

@test "grpc cannot be used before and after forking: Ruby" {
    local words='grpc cannot be used before and after forking'
    local program=(ruby -W0 -I "$GRPCFORKSHIM_BUILD/tests/samples/ruby" "$ROOT/tests/samples/ruby/forms.rb")
    ruby -e 'require "grpc"' 2>/dev/null || skip 'there is no gRPC for Ruby that goes with this one'
    in_document "$words"
    comes "child: $words" 20 "${program[@]}" "$SERVER_ADDRESS" fork
    does_not_come "$words" 120 "${program[@]}" "$SERVER_ADDRESS" fork
}
