#!/usr/bin/env bats

load ../lib/harness
load ../samples/ruby/expectations

# How many children the test under the shim makes.
: "${RUBY_THREADS_FORKS:=180}"

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
