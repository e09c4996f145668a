#!/usr/bin/env bats

load ../lib/harness
load ../lib/web
load ../samples/ruby/expectations

setup_file() {
    start_ruby_servers
}

teardown_file() {
    stop_servers
}

teardown() {
    show_web_log
}

@test "without the shim every request to a preloaded application fails" {
    for server in unicorn puma; do
        HARNESS_BACKTRACES=0 WEB_SECONDS=60 run_web bare "$server" 20 stop=TERM
        # Workers may hang when they are to stop.
        [[ $status -eq 124 ]] || assert_equal "$(value failed)" "$(value requests)"
        run cat "$BATS_TEST_TMPDIR/web.log"
        assert_refused
    done
}

@test "unicorn serves $WEB_REQUESTS requests while workers are killed and reloaded, and stops on QUIT" {
    run_web preloaded unicorn "$WEB_REQUESTS" worker=QUIT worker=KILL worker=KILL master=HUP \
        worker=TERM worker=KILL stop=QUIT
    assert_line 'stopped 0'
    assert_web_works "$WEB_REQUESTS" 8 13
}

@test "unicorn stops on TERM" {
    run_web preloaded unicorn 500 worker=KILL stop=TERM
    assert_line 'stopped 0'
    assert_web_works 500 2 5
}

@test "puma serves $WEB_REQUESTS requests while workers are killed, and stops on INT" {
    run_web preloaded puma "$WEB_REQUESTS" worker=TERM worker=KILL worker=KILL worker=TERM stop=INT
    assert_line 'stopped 0'
    assert_web_works "$WEB_REQUESTS" 6 8
}

@test "puma, asked for a phased restart with preload_app!, executes itself anew under load, and stops on TERM" {
    run_web preloaded puma 2000 master=USR1 log='2,Puma starting' log='8,phase: 0' \
        worker=KILL log='9,phase: 0' stop=TERM
    # Puma ends by the signal itself.
    assert_line 'stopped 15'
    assert_web_works 2000 5 9
}

# The line that announces the phase, and one for each worker. A worker that is killed before all are there may be
# one that was to end anyway, and then there is none to take its place.
@test "puma restarts workers in phases under load, each forked by one that serves" {
    run ruby -e 'require "puma"; require "puma/configuration"; puts Puma::DSL.method_defined?(:fork_worker)'
    [[ $output != false ]] || skip 'this puma has no fork_worker'
    run_web preloaded puma_fork_worker 2000 master=USR1 log='5,phase: 1' \
        worker=KILL log='9,booted in' worker=TERM log='10,booted in' stop=TERM
    assert_line 'stopped 15'
    assert_web_works 2000 5 10
}
