#!/usr/bin/env bats

load ../lib/harness
load ../samples/cpp/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

# Daemons that root starts become another user.
expected_user() {
    if [[ $EUID -eq 0 ]]; then
        echo 65534
    else
        echo "$EUID"
    fi
}

assert_daemon_fails() { # PROGRAM [ARGUMENT...]
    HARNESS_BACKTRACES=0 run bare 10 "$@"
    assert_failure
    refute_line 'done 0'
}

assert_daemon_works() { # PROGRAM [ARGUMENT...]
    run preloaded 60 "$@"
    assert_success
    assert_stderr_empty
    assert_line "daemon user $(expected_user)"
    assert_line 'daemon status 0'
    assert_line 'daemon again status 0'
    assert_line 'done 0'
    assert_equal "$(value 'daemon again peer')" "$(value 'daemon peer')"
    refute test "$(value 'daemon peer')" = "$(value 'parent peer')"
    assert_line 'parent after status 0'
    assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
}

# The shim's own lines that have something to do with servers.
server_lines() {
    grep -c '^grpcforkshim\[[0-9]*\]: this process waits for a server that was started before the fork, ' \
        "$BATS_TEST_TMPDIR/stderr" || true
}

@test "a server that is started before daemon() serves nobody; without the shim it hangs, under it it ends and says so" {
    HARNESS_BACKTRACES=0 run bare 4 "$(sample server_daemon)"
    assert_line 'started'
    refute_line 'waited once'
    run preloaded 60 "$(sample server_daemon)"
    assert_success
    assert_line 'waited twice'
    assert_stderr_empty
    GRPCFORKSHIM_LOG_LEVEL=info run preloaded 60 "$(sample server_daemon)"
    assert_line 'waited twice'
    assert_equal "$(server_lines)" 1
}

@test "a child that asks its parent's server for calls, or takes what it had asked for, says so once" {
    GRPCFORKSHIM_LOG_LEVEL=info run preloaded 60 "$(sample server)"
    assert_success
    assert_equal "$(server_lines)" 1
    GRPCFORKSHIM_LOG_LEVEL=info run preloaded 60 "$(sample serving)" --server async --child shutdown
    assert_success
    assert_equal "$(server_lines)" 1
    # Not one that leaves it alone.
    GRPCFORKSHIM_LOG_LEVEL=info run preloaded 60 "$(sample serving)" --server sync --child exit
    assert_success
    assert_equal "$(server_lines)" 0
}

@test "without the shim a daemon can't use the channels that it opened before it went into the background" {
    assert_daemon_fails "$(sample plain_daemon)" "$INSECURE"
    assert_daemon_fails "$(sample daemonised)" "$INSECURE" --deadline-after-fork 2
}

@test "under the shim a C daemon uses its channels after the double fork, as another user" {
    assert_daemon_works "$(sample plain_daemon)" "$INSECURE"
    assert_daemon_works "$(sample plain_daemon)" "$TLS" "$CERTIFICATES"
}

@test "under the shim a C++ daemon uses its stubs after the double fork, as another user" {
    assert_daemon_works "$(sample daemonised)" "$INSECURE"
    assert_daemon_works "$(sample daemonised)" "$TLS" --tls "$CERTIFICATES"
    assert_daemon_works "$(sample daemonised)" "$MUTUAL_TLS" --mutual-tls "$CERTIFICATES"
}
