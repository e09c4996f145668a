#!/usr/bin/env bats

load ../lib/harness
load ../lib/web

setup_file() {
    start_server
    export INSECURE=$SERVER_ADDRESS
}

teardown_file() {
    stop_servers
}

teardown() {
    show_web_log
}

# Their connections are the master's, too.
@test "without the shim requests to a preloaded application under gunicorn fail or are not answered" {
    HARNESS_BACKTRACES=0 WEB_SECONDS=8 run_web bare gunicorn 300 stop=TERM
    [[ $status -ne 0 || $(value failed) -gt 0 ]]
}

# (A worker of gunicorn's that gets QUIT or INT leaves its request by an exception.)
@test "gunicorn serves $WEB_REQUESTS requests while workers are killed and reloaded, and stops on TERM" {
    run_web preloaded gunicorn "$WEB_REQUESTS" worker=TERM worker=KILL master=HUP worker=KILL worker=TERM stop=TERM
    assert_line 'stopped 0'
    assert_web_works "$WEB_REQUESTS" 8 12
}

@test "gunicorn stops on QUIT" {
    run_web preloaded gunicorn 500 worker=KILL stop=QUIT
    assert_line 'stopped 0'
    assert_web_works 500 2 5
}
