#!/usr/bin/env bats
#
# gRPC's own at-fork handlers, which upstream's builds register.

load ../lib/harness

setup_file() {
    start_server
}

teardown_file() {
    stop_servers
}

count() { # LINE
    grep -cx "$1" <<<"$output" || true
}

@test "without the shim the handlers that gRPC registers run at every fork" {
    run bare 60 "$(sample fake_grpc_client)"
    assert_success
    assert_equal "$(count 'gRPC prepare')" 2
    assert_equal "$(count 'gRPC parent')" 2
    assert_equal "$(count 'gRPC child')" 2
}

@test "under the shim the handlers that gRPC registers don't run, and the program's do" {
    run preloaded 60 "$(sample fake_grpc_client)"
    assert_success
    assert_stderr_empty
    refute_line --regexp '^gRPC (prepare|parent|child)'
    assert_equal "$(count 'program prepare')" 2
    assert_equal "$(count 'program parent')" 2
    assert_equal "$(count 'program child')" 2
}

@test "a shim that is switched off leaves gRPC its handlers" {
    GRPCFORKSHIM_DISABLE=1 run preloaded 60 "$(sample fake_grpc_client)"
    assert_success
    assert_equal "$(count 'gRPC prepare')" 2
}

@test "What gRPC does at exit is done in the process that asked for it, however its children were made" {
    not_emulated "$EMULATOR_WIPES_NOTHING"
    local form
    for form in exit exit-system-call; do
        run bare 10 "$(sample fake_grpc_client)" "$form"
        assert_success
        assert_equal "$(count 'gRPC end')" 3
        run preloaded 10 "$(sample fake_grpc_client)" "$form"
        assert_success
        assert_stderr_empty
        assert_equal "$(count 'gRPC end')" 1
    done
}

@test "without the shim gRPC's fork support does not keep a program with threads alive" {
    HARNESS_BACKTRACES=0 GRPC_ENABLE_FORK_SUPPORT=1 run bare 5 "$(sample upstream_handlers)" \
        "$SERVER_ADDRESS" 4 3 --deadline-after-fork 2
    assert_failure
}

@test "under the shim a program that calls gRPC's at-fork functions itself works" {
    for support in 0 1; do
        GRPC_ENABLE_FORK_SUPPORT=$support run preloaded 60 "$(sample upstream_handlers)" \
            "$SERVER_ADDRESS" 4 20
        assert_success
        assert_stderr_empty
        assert_line 'children worked 20'
        assert_line 'parent failed 0'
    done
}
