#!/usr/bin/env bats

load ../lib/harness
load ../lib/python

setup_file() {
    start_server
    export SERVER_ADDRESS
}

teardown_file() {
    stop_servers
}

# The child's answer came, by a connection of its own, and its parent's goes on as before.
assert_child_called() {
    assert_success
    assert_line 'child exit 0'
    assert_line --regexp '^child peer ipv4:'
    assert [ "$(value 'child peer')" != "$(value 'parent peer')" ]
    assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
    assert_stderr_empty
}

calls_with_each_wheel() { # SAMPLE
    local wheel wheels
    wheels=$(python_wheels)
    for wheel in $wheels; do
        echo "# $wheel"
        run preloaded 120 "$(python_with "$wheel")" "$(python_sample "$1")" "$SERVER_ADDRESS"
        assert_child_called
    done
}

# --- a channel and stub made at import, used by a forked child -------------------------------

# By setting and chance: as reported, no answer, ValueError or UNAVAILABLE; or an abort; or an answer
# by the parent's connection, whose next call gets none or the child's.
@test "without the shim a global channel fails, hangs or shares its parent's connection in a child" {
    local setting
    for setting in 0 1; do
        GRPC_ENABLE_FORK_SUPPORT=$setting HARNESS_BACKTRACES=0 run bare 5 "$(python_with debian)" \
            "$(python_sample global_channel)" "$SERVER_ADDRESS"
        assert_fails_after '^parent peer ipv4:'
        if [[ -n $(value 'child peer') ]]; then
            assert_equal "$(value 'child peer')" "$(value 'parent peer')"
        fi
    done
}

@test "under the shim a global channel and stub answer in a forked child" {
    run preloaded 120 "$(python_with debian)" "$(python_sample global_channel)" "$SERVER_ADDRESS"
    assert_child_called
    assert_line 'child text child'
}

@test "under the shim a global channel and stub answer in a forked child, with the wheel of each year" {
    calls_with_each_wheel global_channel
}

# --- a multiprocessing.Process with a channel of its own -------------------------------------

# Mostly it is the failure that was reported, else another one or a hang.
@test "without the shim the channel that a multiprocessing.Process makes fails: Socket operation on non-socket" {
    local attempt
    for attempt in 1 2 3 4 5; do
        echo "# $attempt"
        HARNESS_BACKTRACES=0 run bare 15 "$(python_with debian)" "$(python_sample cross_process)" "$SERVER_ADDRESS"
        assert_failure
        if grep -q 'StatusCode.UNAVAILABLE' "$HARNESS_STDERR" &&
            grep -q 'Socket operation on non-socket' "$HARNESS_STDERR"; then
            return
        fi
    done
    # It was reported of Debian 12's; others fail as well, in their own ways.
    [[ $("$DEBIAN_PYTHON" --version) == 'Python 3.11.'* ]] || skip 'this grpcio fails in other ways than reported'
    fail 'none failed as reported'
}

@test "under the shim a multiprocessing.Process calls by a channel of its own" {
    run preloaded 120 "$(python_with debian)" "$(python_sample cross_process)" "$SERVER_ADDRESS"
    assert_child_called
}

@test "under the shim a multiprocessing.Process calls by a channel of its own, with the wheel of each year" {
    calls_with_each_wheel cross_process
}

# The setting that programs had to have is not in the way.
@test "both reports are solved with GRPC_ENABLE_FORK_SUPPORT set, too" {
    local setting sample
    for setting in 0 1; do
        for sample in global_channel cross_process; do
            GRPC_ENABLE_FORK_SUPPORT=$setting run preloaded 120 "$(python_with debian)" \
                "$(python_sample "$sample")" "$SERVER_ADDRESS"
            assert_child_called
        done
    done
}

# --- threads -----------------------------------------------------------------------------------

@test "4 threads call while another forks 500 times: no child and no call of the parent fails" {
    run preloaded 600 "$(python_with debian)" "$(python_sample threads)" "$SERVER_ADDRESS"
    assert_success
    assert_line 'children 500'
    assert_line 'children failed 0'
    assert_line 'parent failed 0'
    assert_stderr_empty
}

@test "4 threads call while another forks, with the wheel of each year" {
    local wheel wheels
    wheels=$(python_wheels)
    for wheel in $wheels; do
        echo "# $wheel"
        run preloaded 300 "$(python_with "$wheel")" "$(python_sample threads)" "$SERVER_ADDRESS" --forks 40
        assert_success
        assert_line 'children failed 0'
        assert_line 'parent failed 0'
        assert_stderr_empty
    done
}

# The calls under way in other threads end by what the forking thread does after each fork() only.
@test "fork() does not wait for calls, streams and handlers that are under way in the parent" {
    local grpcio grpcios under_way
    grpcios=$(python_grpcios)
    for grpcio in $grpcios; do
        for under_way in unary stream handler; do
            echo "# $grpcio"
            run preloaded 60 "$(python_with "$grpcio")" "$(python_sample never_blocks)" "$under_way"
            assert_success
            assert_line "$under_way forks 20 children failed 0"
            assert_stderr_empty
        done
    done
}

# They skip what they do to gRPC while a thread is in it, as one that waits for an answer is but for some
# microseconds in each 200 ms; and then they close the channels in the child, which resets the calls that
# are under way on the connection that is the parent's, too.
@test "with upstream's fork handlers instead, calls and handlers that are under way never end in the parent" {
    local under_way
    for under_way in unary handler; do
        GRPC_ENABLE_FORK_SUPPORT=1 bare_start "$under_way" 7 "$DEBIAN_PYTHON" "$(python_sample never_blocks)" \
            "$under_way"
    done
    wait
    for under_way in unary handler; do
        run bare_result "$under_way"
        assert_failure 124
        assert_line "$under_way is under way"
        refute_line --partial "$under_way forks"
    done
}

@test "what happens in Python is counted, and reported at the end" {
    GRPCFORKSHIM_REPORT=1 run preloaded 120 "$(python_with debian)" "$(python_sample global_channel)" "$SERVER_ADDRESS"
    assert_success
    run cat "$BATS_TEST_TMPDIR/stderr"
    assert_line --partial 'report: form=1 grpc=protected generation=0 forks=1 children_using_grpc=1 '
    assert_line --regexp 'report: form=1 grpc=protected generation=1 forks=0 children_using_grpc=0 descriptors_closed=[1-9][0-9]* channels_rebuilt=1 calls_cancelled=0'
}
