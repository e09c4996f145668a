#!/usr/bin/env bats

load ../lib/harness
load ../samples/ruby/expectations

# How many children the tests under the shim make.
: "${RUBY_THREADS_FORKS:=180}"
: "${RUBY_DEADLINE_FORKS:=40}"

setup_file() {
    start_ruby_servers
}

teardown_file() {
    stop_servers
}

debugger='env -u LD_PRELOAD gdb --batch -nx -ex "thread apply all backtrace 40" -p'

@test "without the shim the children of a busy Ruby process fail" {
    HARNESS_BACKTRACES=0 run_ruby bare 60 threads "$INSECURE" "$TLS" "$CERTIFICATES" 4 4
    assert_failure
    refute_line 'forks 4 failed 0'
}

@test "under the shim $RUBY_THREADS_FORKS children of a busy Ruby process call, sign, watch and collect" {
    run_ruby preloaded 1200 threads "$INSECURE" "$TLS" "$CERTIFICATES" 8 "$RUBY_THREADS_FORKS" "$debugger"
    assert_success
    assert_stderr_empty
    assert_line "forks $RUBY_THREADS_FORKS failed 0"
    assert_line --regexp '^parent calls [1-9][0-9]* failed 0$'
}

# gRPC's own fault, which children need not have: where gRPC is first used in a child, 12 of 40 end so
# without the shim, and 23 of 40 processes that never fork.
@test "under the shim $RUBY_DEADLINE_FORKS children end well whose timer thread still works when exit() has destroyed gRPC's objects" {
    HARNESS_PRELOAD_LAST=${HARNESS_PRELOAD_LAST:+$HARNESS_PRELOAD_LAST:}$(sample late_timer.so) \
        GRPC_ENABLE_FORK_SUPPORT=1 run_ruby preloaded 300 deadline "$INSECURE" "$RUBY_DEADLINE_FORKS"
    assert_success
    assert_stderr_empty
    assert_line "children that ended well $RUBY_DEADLINE_FORKS"
    assert_line 'parent after unary OK'
    grep -qx 'timer thread was late' <<<"$output" || skip 'no timer thread of this gRPC was held'
}
