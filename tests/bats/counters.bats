#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# What a process tells of itself: reports at its end and on a signal, and probes.

load ../lib/harness

setup_file() {
    start_server
}

teardown_file() {
    stop_servers
}

setup() {
    log=$BATS_TEST_TMPDIR/log
    unset GRPCFORKSHIM_LOG_LEVEL GRPCFORKSHIM_DISABLE GRPCFORKSHIM_REPORT_SIGNAL
    export GRPCFORKSHIM_REPORT=1 GRPCFORKSHIM_LOG_FILE=$log
}

# The reports in the log, without pids; sorted, since parent and child end in any order.
reports() {
    sed -n 's/^grpcforkshim\[[0-9]*\]: report: form=1 //p' "$log" | sort
}

handles() { # PID SIGNAL
    local caught
    caught=$(sed -n 's/^SigCgt:\s*//p' "/proc/$1/status") && (((0x$caught >> ($2 - 1)) & 1))
}

form() { # FORM
    run preloaded 60 "$(sample process_forms)" "$SERVER_ADDRESS" "$1"
    assert_success
    assert_stderr_empty
    [[ $output != *'parent _Fork absent'* ]] || skip 'this libc has no _Fork()'
    run reports
}

@test "Parent and child count what they did, each for itself" {
    run preloaded 60 "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_stderr_empty
    run reports
    assert_equal "${#lines[@]}" 2
    assert_line --index 0 'grpc=protected generation=0 forks=1 children_using_grpc=1 descriptors_closed=0 channels_rebuilt=0 calls_cancelled=0'
    # How many descriptors gRPC has open is its own affair, but not none.
    assert_line --index 1 --regexp '^grpc=protected generation=1 forks=0 children_using_grpc=0 descriptors_closed=[1-9][0-9]* channels_rebuilt=1 calls_cancelled=0$'
}

@test "A call that was open at fork is counted as cancelled in the child alone" {
    run preloaded 60 "$(sample open_stream)" "$SERVER_ADDRESS"
    assert_success
    run reports
    assert_line --index 0 --regexp 'generation=0 .* calls_cancelled=0$'
    assert_line --index 1 --regexp 'generation=1 .* calls_cancelled=1$'
}

@test "A child that forks and never uses gRPC is not counted as one that did" {
    form double-fork
    assert_equal "${#lines[@]}" 3
    assert_line --regexp '^grpc=protected generation=0 forks=1 children_using_grpc=0 '
    assert_line --regexp '^grpc=inherited generation=1 forks=1 .* channels_rebuilt=0 '
    assert_line --regexp '^grpc=protected generation=2 forks=0 children_using_grpc=0 .* channels_rebuilt=1 '
}

@test "A child that execs closes gRPC's descriptors, uses no gRPC and reports nothing" {
    form fork-exec
    assert_equal "${#lines[@]}" 1
    assert_line --regexp '^grpc=protected generation=0 forks=1 children_using_grpc=0 '
}

@test "The child of vfork() is in its parent's memory and neither reports nor counts" {
    form vfork-exec
    assert_equal "${#lines[@]}" 1
    assert_line --regexp '^grpc=protected generation=0 forks=0 '
}

@test "A child made by _Fork() is counted, and counts itself in its parent" {
    form underscore-fork
    assert_line --regexp '^grpc=protected generation=0 forks=1 children_using_grpc=1 '
    assert_line --regexp '^grpc=protected generation=1 .* channels_rebuilt=1 '
}

@test "Every way to end a process reports, once" {
    local way
    for way in return exit _exit _Exit quick_exit exit_in_handler; do
        : >"$log"
        GRPCFORKSHIM_REPORT=all run preloaded 60 "$(sample ends)" "$way"
        assert_failure 3
        run reports
        assert_equal "$way ${#lines[@]}" "$way 2"
        assert_line --regexp '^grpc=none generation=0 forks=1 '
        assert_line --regexp '^grpc=none generation=0 forks=0 '
    done
}

@test "A child of vfork() that ends by _exit() does not report for its parent" {
    GRPCFORKSHIM_REPORT=all run preloaded 60 "$(sample ends)" vfork
    assert_failure 3
    run reports
    assert_equal "${#lines[@]}" 1
}

@test "A program without gRPC reports only where all are asked for" {
    run preloaded 60 true
    assert_success
    [[ ! -s $log ]]
    GRPCFORKSHIM_REPORT=all run preloaded 60 true
    assert_success
    run reports
    assert_output 'grpc=none generation=0 forks=0 children_using_grpc=0 descriptors_closed=0 channels_rebuilt=0 calls_cancelled=0'
}

@test "Without being asked nothing reports" {
    GRPCFORKSHIM_REPORT=0 run preloaded 60 "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    [[ ! -s $log ]]
}

@test "A disabled shim reports that it is" {
    # A program that does not fork: one that does may hang without the shim.
    GRPCFORKSHIM_DISABLE=1 run preloaded 60 "$(sample first_call)"
    assert_success
    run reports
    assert_line --index 0 --regexp '^grpc=disabled '
}

# Calls and forks all the while; signals come at whatever instant.
@test "A process that is sent the signal writes its counters, whole lines, and goes on" {
    local program watch lines_before forks
    program=$(sample fork_loop)
    unset GRPCFORKSHIM_REPORT
    export GRPCFORKSHIM_REPORT_SIGNAL=39
    # On a busy machine the program may be over before enough of them have come.
    for forks in 100 400 1600; do
        : >"$log"
        rm -f "$BATS_TEST_TMPDIR/over"
        (
            # The program itself forks: only the oldest of these processes gets signals, and not before
            # it handles them.
            until pid=$(pgrep --oldest --full "^$program $SERVER_ADDRESS") && handles "$pid" 39; do
                [[ ! -e $BATS_TEST_TMPDIR/over ]] || exit 0
                sleep 0.01
            done
            while kill -s 39 "$pid" 2>/dev/null; do sleep 0.01; done
        ) 3>&- &
        watch=$!
        run preloaded 300 "$program" "$SERVER_ADDRESS" "$forks" 4 --channel both
        : >"$BATS_TEST_TMPDIR/over"
        wait "$watch" || true
        assert_success
        assert_stderr_empty
        lines_before=$(wc -l <"$log")
        [[ $lines_before -lt 5 ]] || break
    done
    run grep -cE '^grpcforkshim\[[0-9]+\]: report: form=1 grpc=(none|protected) generation=0 forks=[0-9]+ children_using_grpc=[0-9]+ descriptors_closed=0 channels_rebuilt=0 calls_cancelled=0$' "$log"
    assert_output "$lines_before"
    [[ $lines_before -ge 5 ]] || fail "only $lines_before reports"
    # They grow.
    run bash -c "sed 's/.*forks=\([0-9]*\).*/\1/' '$log' | sort -nc"
    assert_success
}

@test "A signal that the program handles itself stays the program's" {
    GRPCFORKSHIM_REPORT=0 GRPCFORKSHIM_REPORT_SIGNAL=USR1 run preloaded 60 \
        bash -c 'trap "echo mine" USR1; kill -USR1 $$; echo done'
    assert_success
    assert_output $'mine\ndone'
    [[ ! -s $log ]]
}

@test "A signal that does not exist is named in one line and the program works" {
    unset GRPCFORKSHIM_LOG_FILE
    local value
    for value in HUGE 0x10 65 -1 KILL 9 RTMIN+ RTMIN+99; do
        GRPCFORKSHIM_REPORT_SIGNAL=$value run preloaded 60 true
        assert_success
        run cat "$BATS_TEST_TMPDIR/stderr"
        assert_equal "${#lines[@]}" 1
        assert_line --regexp "^grpcforkshim\[[0-9]+\]: GRPCFORKSHIM_REPORT_SIGNAL: .*\"${value/+/\\+}\""
    done
}

@test "The probes are hit in parent and child, with their arguments" {
    local script=$BATS_TEST_TMPDIR/script probe
    {
        echo 'set breakpoint pending on'
        # The parent is left at the fork, after its own probe.
        echo 'set follow-fork-mode child'
        echo "set exec-wrapper env LD_PRELOAD=$(shim)"
        echo 'handle SIGPIPE nostop noprint'
        for probe in fork descriptors_closed child_uses_grpc channel_rebuilt calls_cancelled; do
            echo "break -probe-stap grpcforkshim:$probe"
            echo 'commands'
            echo 'silent'
            if [[ $probe == channel_rebuilt ]]; then
                printf '%s\n' "printf \"probe $probe %s\\n\", \$_probe_arg2"
            else
                printf '%s\n' "printf \"probe $probe %d\\n\", \$_probe_arg0"
            fi
            echo 'continue'
            echo 'end'
        done
        echo "run $SERVER_ADDRESS"
        # After a stop in a process that it has just followed, gdb 17 runs the stop's commands behind the
        # next command of ours.
        echo 'info program'
    } >"$script"
    unset GRPCFORKSHIM_REPORT
    DEBUGINFOD_URLS='' run bare 180 gdb --batch -nx -x "$script" "$(sample unary)"
    assert_line --partial 'probe fork 0'
    assert_line --regexp 'probe descriptors_closed [1-9]'
    assert_line --partial 'probe calls_cancelled 0'
    assert_line --partial 'probe child_uses_grpc 1'
    assert_line --partial "probe channel_rebuilt $SERVER_ADDRESS"
}
