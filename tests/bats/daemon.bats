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
