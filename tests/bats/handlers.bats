#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# What happens inside of fork(), between the first prepare handler and the end: where others' handlers hold
# locks, on whatever stack, in whatever a signal has interrupted.

load ../lib/harness
load ../lib/preload
load ../lib/python
load ../samples/ruby/expectations

setup_file() {
    start_server
}

teardown_file() {
    stop_servers
}

setup() {
    not_emulated 'has none of these libraries'
    not_sanitized 'stands in front of the same functions'
}

# --- the watch over the handlers ----------------------------------------------------------------

careless() { # KIND
    run env CARELESS="$1" HANDLER_GUARD_COUNTS="$BATS_TEST_TMPDIR/handlers" \
        LD_PRELOAD="$(beside_shim careless_handlers):$(beside_shim handler_guard)" sh -c '(:)'
}

@test "A handler that allocates, asks the loader, prints, locks, waits or needs much stack is found" {
    local kind
    careless nothing
    assert_success
    refute_output
    assert_guarded 1
    for kind in prepare child through-libc loader dlopen stdio lock wait; do
        careless "$kind"
        assert_line --index 0 --regexp "^handler_guard: .* in the shim's handler (prepare|child)$"
    done
    careless stack
    assert_output --regexp "^handler_guard: [0-9]+ bytes of stack are needed by the shim's handler prepare"
}

# --- what the handlers do -----------------------------------------------------------------------

# Runs it, which has to work, with so many forks at least.
handlers() { # FORKS PROGRAM [ARG...]
    local forks=$1
    shift
    echo "# $*"
    run guarded 120 "$@"
    assert_guarded "$forks"
    assert_success
}

@test "The handlers of a program in C do nothing of the kind, whether it has used gRPC or not" {
    handlers 4 "$(sample fork_phases)" "$SERVER_ADDRESS" before during during-used after
    handlers 1 "$(sample fork_phases)" "$SERVER_ADDRESS" after
    handlers 21 "$(sample fork_eagain)" "$SERVER_ADDRESS"
    assert_stderr_empty
}

@test "Nor do they in a child whose own children are the first to use gRPC" {
    local form
    for form in double-fork double-fork-used daemon; do
        handlers 2 "$(sample process_forms)" "$SERVER_ADDRESS" "$form"
        assert_stderr_empty
    done
}

@test "Nor do they while descriptors come and go and threads call" {
    handlers 50 "$(sample descriptors)" "$SERVER_ADDRESS" busy
    handlers 50 "$(sample fork_loop)" "$SERVER_ADDRESS" 50 8
    assert_stderr_empty
}

@test "Nor do they where gRPC comes in late, or can't be protected" {
    handlers 1 "$(sample late_loader)" "$SERVER_ADDRESS" "$(sample client_plugin.so)"
    handlers 1 "$(sample loading_forks)" "$SERVER_ADDRESS" "$(sample client_plugin.so)" used
    handlers 2 "$(sample unknown_client)" "$(sample librpc_plain.so)"
    assert_stderr_empty
    # These are told of in the first fork.
    handlers 2 "$(sample unknown_client)" "$(sample librpc_lacking.so)"
    if sample static_client >/dev/null 2>&1; then
        run guarded 120 "$(sample static_client)" "$SERVER_ADDRESS"
        assert_guarded 1
    fi
}

@test "Nor do they where all is logged" {
    GRPCFORKSHIM_LOG_LEVEL=debug handlers 4 "$(sample fork_phases)" "$SERVER_ADDRESS" before during during-used after
    GRPCFORKSHIM_LOG_LEVEL=debug GRPCFORKSHIM_LOG_FILE=$BATS_TEST_TMPDIR/log \
        handlers 2 "$(sample process_forms)" "$SERVER_ADDRESS" double-fork-used
}

@test "Nor do they in C++" {
    handlers 3 "$(sample first_use)" "$SERVER_ADDRESS"
    handlers 1 "$(sample streams)" "$SERVER_ADDRESS"
    handlers 1 "$(sample serving)" --server callback --child new
    if sample callback >/dev/null 2>&1; then
        handlers 1 "$(sample callback)" "$SERVER_ADDRESS" --child in-callback
    fi
    assert_stderr_empty
}

@test "Nor do they in Python" {
    local grpcio python
    for grpcio in debian "$(python_newest_wheel)"; do
        python=$(python_with "$grpcio")
        handlers 3 "$python" "$(python_sample fork_phases)" "$SERVER_ADDRESS" before during after
        handlers 2 "$python" "$(python_sample kinds)" "$SERVER_ADDRESS" --used
        handlers 5 "$python" "$(python_sample pools)" "$SERVER_ADDRESS"
    done
}

@test "Nor do they in Ruby" {
    needs_ruby
    handlers 3 "${RUBY[@]}" "$(ruby_sample fork_phases)" "$SERVER_ADDRESS" before during after
    handlers 2 "${RUBY[@]}" "$(ruby_sample forms)" "$SERVER_ADDRESS" grandchildren
    assert_stderr_empty
}

# --- in a signal's handler ----------------------------------------------------------------------

interrupted() { # load|call
    HARNESS_PRELOAD_LAST=$(beside_shim interrupter) preloaded 60 "$(sample signal_forks)" "$SERVER_ADDRESS" \
        "$(sample client_plugin.so)" "$1"
}

assert_interrupted() {
    assert_success
    assert_stderr_empty
    assert_line 'parent failed 0'
}

# The signal comes at the first, the second, ... of the calls by which the shim allocates, asks the loader or
# calls the kernel, until there are no more of them.
at_each_call() { # load|call STEP
    local number
    for ((number = 1; ; number += $2)); do
        INTERRUPTER_CALL=$number run interrupted "$1"
        assert_interrupted
        [[ $output == *'parent forks 1'* ]] || break
    done
    assert_line 'parent forks 0'
    echo "# calls: $number"
    [[ $number -gt 10 ]] || fail 'it was hardly interrupted'
}

@test "A signal's handler may fork wherever it interrupts the shim in the process's first call" {
    at_each_call call 1
}

@test "A signal's handler may fork wherever it interrupts the shim while gRPC is loaded" {
    at_each_call load 3
}

# The same at moments of chance, which without the shim are as good.
at_each_moment() { # load|call STEP COUNT
    local i interrupter
    interrupter=$(beside_shim interrupter)
    for ((i = 1; i <= $3; i++)); do
        export INTERRUPTER_MICROSECONDS=$((i * $2))
        if ((i % 5 == 1)); then
            run harness_run "$interrupter" 60 "$(sample signal_forks)" "$SERVER_ADDRESS" \
                "$(sample client_plugin.so)" "$1"
            assert_interrupted
        fi
        run interrupted "$1"
        assert_interrupted
    done
}

@test "A signal's handler may fork some microseconds after the first call began" {
    at_each_moment call 100 40
}

@test "A signal's handler may fork some microseconds after the loading of gRPC began" {
    at_each_moment load 400 40
}

# --- on little stack ----------------------------------------------------------------------------

on_stack() { # STACK
    local use
    for use in unused used; do
        run bare 60 "$(sample small_stack)" "$SERVER_ADDRESS" "$use" "$1"
        # Where the processor has many registers, a signal alone takes more.
        [[ $status -eq 0 ]] || skip "without the shim a fork does not fit either"
        assert_line 'child forked ok'
        run preloaded 60 "$(sample small_stack)" "$SERVER_ADDRESS" "$use" "$1"
        assert_success
        assert_stderr_empty
        assert_line 'child forked ok'
    done
}

@test "A signal's handler forks on an alternate stack of 8 KiB" {
    on_stack alternate:8192
}

@test "A signal's handler forks on an alternate stack with one KiB more than it needs without the shim" {
    local size use
    for ((size = 2048; size <= 65536; size += 512)); do
        run bare 60 "$(sample small_stack)" "$SERVER_ADDRESS" unused "alternate:$size"
        [[ $status -ne 0 ]] || break
    done
    assert_success
    for use in unused used; do
        run preloaded 60 "$(sample small_stack)" "$SERVER_ADDRESS" "$use" "alternate:$((size + 1024))"
        assert_success
        assert_line 'child forked ok'
    done
}

@test "A signal's handler forks on the stack of what it has interrupted" {
    on_stack signal
}

@test "A thread forks that has the smallest stack that there may be" {
    on_stack thread
}
