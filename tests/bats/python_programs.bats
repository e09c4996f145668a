#!/usr/bin/env bats
#
# Python programs that fork in other ways than by os.fork(), and real programs and packages.

load ../lib/harness
load ../lib/python

# web_client.py's arguments.
GUNICORN=(--bind 'fd://{descriptor}' --workers 2 --preload web_application:application)
UWSGI=(uwsgi --plugin python3 --master --die-on-term --http-socket 'fd://{descriptor}' --processes 2
    --wsgi-file web_application.py)

setup_file() {
    start_server
    export SERVER_ADDRESS SAMPLE_ADDRESS=$SERVER_ADDRESS
    SAMPLES=$(dirname "$(python_sample echo)")
    export SAMPLES
}

teardown_file() {
    stop_servers
}

# Runs a sample under the shim with Debian's grpcio and the newest one.
preloaded_sample() { # NAME [ARG...]
    local sample
    sample=$(python_sample "$1")
    shift
    run preloaded 120 "$(python_with "$grpcio")" "$sample" "$@"
    assert_success
    assert_stderr_empty
}

python_library() {
    "$DEBIAN_PYTHON" -c 'import sysconfig; print(sysconfig.get_config_var("INSTSONAME"))'
}

# As python_grpcios, but of the wheels the newest alone.
oldest_and_newest() {
    echo debian
    python_newest_wheel
}

# Nothing of the shim's in the output; the programs print what they like.
assert_shim_is_silent() {
    refute_line --partial grpcforkshim
    run grep grpcforkshim "$BATS_TEST_TMPDIR/stderr"
    assert_failure 1
}

@test "workers of multiprocessing and concurrent.futures work, while a thread calls in the parent" {
    local grpcio grpcios
    grpcios=$(oldest_and_newest)
    for grpcio in $grpcios; do
        preloaded_sample pools "$SERVER_ADDRESS"
        assert_line 'use_process 4'
        assert_line 'use_pool 12'
        assert_line 'use_manager 3'
        assert_line 'use_executor 12'
        assert_line 'use_nested 4'
        assert_line 'parent same'
    done
}

@test "subprocess, posix_spawn, system and popen are as ever, and start no gRPC" {
    local grpcio grpcios
    grpcios=$(oldest_and_newest)
    for grpcio in $grpcios; do
        preloaded_sample spawning "$SERVER_ADDRESS"
        assert_line 'started 150'
        assert_line 'calls some'
    done
    GRPCFORKSHIM_LOG_LEVEL=debug run preloaded 120 "$(python_with debian)" "$(python_sample spawning)" "$SERVER_ADDRESS"
    assert_success
    refute_line --partial 'imported anew'
}

@test "forks made from C work, which run no hooks of Python's, with _Fork not even libc's" {
    local grpcio grpcios
    grpcios=$(oldest_and_newest)
    for grpcio in $grpcios; do
        preloaded_sample c_forks "$SERVER_ADDRESS"
        assert_line 'fork child works'
        assert_line 'fork exit 0'
        if ! grep -qx '_Fork absent' <<<"$output"; then
            assert_line '_Fork child works'
            assert_line '_Fork exit 0'
        fi
        assert_line 'parent same'
    done
}

@test "grpc may be imported after the fork, by importlib, by a thread, or never used before it" {
    local grpcio grpcios who
    grpcios=$(oldest_and_newest)
    for grpcio in $grpcios; do
        for who in child importlib thread unused; do
            preloaded_sample late_import "$SERVER_ADDRESS" "$who"
            assert_line 'child works'
            refute_line --regexp '^child exit [^0]'
        done
    done
}

@test "a program with an embedded interpreter that it loads late is served, too" {
    run preloaded 120 "$(sample embedded_python)" "$(python_library)" "$(python_sample global_channel)" \
        "$SERVER_ADDRESS"
    assert_success
    assert_line 'child text child'
    assert_stderr_empty
}

@test "a second interpreter in the process is not in the way" {
    local grpcio grpcios
    grpcios=$(oldest_and_newest)
    for grpcio in $grpcios; do
        preloaded_sample two_interpreters "$SERVER_ADDRESS"
        assert_line 'parent other works'
        assert_line 'child other works'
        assert_line 'child exit 0'
    done
}

@test "gunicorn with preload_app: each worker has a connection of its own" {
    needs_programs
    cd "$SAMPLES"
    HOME=$BATS_TEST_TMPDIR run preloaded 120 "$(python_with programs)" web_client.py \
        "$(dirname "$(python_with programs)")/gunicorn" "${GUNICORN[@]}"
    assert_success
    assert_line 'workers 2'
    assert_line 'exit 0'
    assert_shim_is_silent
}

@test "uWSGI, which forks from C: each worker has a connection of its own" {
    command -v uwsgi >/dev/null || skip 'this release has no uWSGI'
    cd "$SAMPLES"
    run preloaded 120 "$DEBIAN_PYTHON" web_client.py "${UWSGI[@]}"
    assert_success
    assert_line 'workers 2'
    assert_line 'exit 0'
    assert_shim_is_silent
}

@test "uWSGI with threads in its workers" {
    command -v uwsgi >/dev/null || skip 'this release has no uWSGI'
    cd "$SAMPLES"
    run preloaded 120 "$DEBIAN_PYTHON" web_client.py "${UWSGI[@]}" --enable-threads --threads 4
    assert_success
    assert_line 'workers 2'
    assert_line 'exit 0'
    assert_shim_is_silent
}

@test "celery's prefork pool: each worker has a connection of its own" {
    needs_programs
    export SAMPLE_DIRECTORY=$BATS_TEST_TMPDIR/celery
    mkdir "$SAMPLE_DIRECTORY"
    run preloaded 180 "$(python_with programs)" "$(python_sample celery_tasks)"
    assert_success
    assert_line 'tasks 20'
    assert_line 'exit 0'
    assert_shim_is_silent
}

@test "grpcio-status, grpcio-health-checking, google-api-core and OpenTelemetry's exporter work in a child" {
    local who
    needs_programs
    run preloaded 120 "$(python_with programs)" "$(python_sample packages)"
    assert_success
    for who in parent child child-new parent-after; do
        assert_line "$who health SERVING"
        assert_line "$who status nothing asked for $who"
        assert_line "$who api-core nothing NOT_FOUND"
        assert_line "$who wrap_errors NotFound"
        assert_line "$who otlp True"
    done
    assert_shim_is_silent
}

preloaded_two_grpcs() { # KIND LIBRARY
    local wheel
    wheel=$(python_newest_wheel)
    run preloaded 120 "$(python_with "$wheel")" "$(python_sample two_grpcs)" "$SERVER_ADDRESS" "$@"
    assert_success
}

@test "grpcio is protected beside a gRPC that is not, and its parent takes itself for no child" {
    preloaded_two_grpcs unprotected "$(sample librpc_other_code.so)"
    assert_line "parent's sockets kept"
    assert_line 'parent peer kept'
    assert_line 'child works True'
    assert_line 'child exit 0'
}

@test "a child of _Fork() that loads another gRPC is one all the same" {
    local library
    library=$(ldd "$(sample unary)" | awk '$1 ~ /^libgrpc\.so/ { print $3 }')
    preloaded_two_grpcs later "$library"
    [[ $output != *'_Fork absent'* ]] || skip 'this libc has no _Fork()'
    assert_line 'grandchild exit 0'
    assert_line "child's of its parent's sockets 0"
    assert_line 'child exit 0'
    assert_line 'parent peer kept'
    assert_equal "$(grep -cx 'child works True' <<<"$output")" 2
}

# Their workers' own checks fail: no answer, or one by the connection of the process that forked them.
# Without controls: the programs that subprocess starts have no gRPC, and what has not used grpc before
# the fork may use it after.
@test "without the shim these programs' children fail, hang or share their parent's connection" {
    local programs
    cd "$SAMPLES"
    bare_start pools 12 "$DEBIAN_PYTHON" pools.py "$SERVER_ADDRESS"
    bare_start c_forks 12 "$DEBIAN_PYTHON" c_forks.py "$SERVER_ADDRESS"
    bare_start two_interpreters 12 "$DEBIAN_PYTHON" two_interpreters.py "$SERVER_ADDRESS"
    bare_start idle_child 12 "$DEBIAN_PYTHON" idle_child.py "$SERVER_ADDRESS"
    bare_start embedded 12 "$(sample embedded_python)" "$(python_library)" global_channel.py "$SERVER_ADDRESS"
    if command -v uwsgi >/dev/null; then
        bare_start uwsgi 12 "$DEBIAN_PYTHON" web_client.py "${UWSGI[@]}"
        bare_start uwsgi-threads 12 "$DEBIAN_PYTHON" web_client.py "${UWSGI[@]}" --enable-threads --threads 4
    fi
    if python_fits programs; then
        programs=$(python_with programs)
        HOME=$BATS_TEST_TMPDIR bare_start gunicorn 12 "$programs" web_client.py \
            "$(dirname "$programs")/gunicorn" "${GUNICORN[@]}"
        mkdir "$BATS_TEST_TMPDIR/celery"
        SAMPLE_DIRECTORY=$BATS_TEST_TMPDIR/celery bare_start celery 12 "$programs" celery_tasks.py
        bare_start packages 12 "$programs" packages.py
    fi
    wait

    run bare_result pools
    assert_failure
    refute_line 'use_process 4'
    run bare_result c_forks
    refute_line 'fork exit 0'
    refute_line '_Fork exit 0'
    run bare_result idle_child
    assert_line "parent's sockets some"
    # Or it is not forked at all: with Python 3.13 grpcio's handlers may wait in the parent.
    refute_line --regexp "^child's of them 0 "
    run bare_result two_interpreters
    assert_line 'parent other works'
    refute_line 'child exit 0'
    run bare_result embedded
    assert_failure
    assert_line --regexp '^parent peer ipv4:'
    refute_own_connection child parent
    if command -v uwsgi >/dev/null; then
        assert_no_workers uwsgi
        assert_no_workers uwsgi-threads
    fi
    if python_fits programs; then
        assert_no_workers gunicorn
        run bare_result celery
        assert_failure
        refute_line 'tasks 20'
        # The child may be answered by its parent's connection, which the parent then can't use.
        run bare_result packages
        assert_failure
        assert_line 'parent health SERVING'
        refute_line 'parent-after health SERVING'
    fi
}

assert_no_workers() { # NAME
    run bare_result "$1"
    assert_failure
    refute_line 'workers 2'
}

# --- programs that have nothing to gain --------------------------------------------------------

@test "a child that doesn't use grpc has the parent's descriptors closed, and nothing else happens" {
    local grpcio grpcios
    grpcios=$(oldest_and_newest)
    for grpcio in $grpcios; do
        preloaded_sample idle_child "$SERVER_ADDRESS"
        assert_line "parent's sockets some"
        assert_line "child's of them 0 threads 1 mapped 0 own file open"
        assert_line 'child exit 0'
    done
}

@test "a Python program that never imports grpc is left alone: nothing is brought in" {
    local program='
import json, os, sqlite3
child = os.fork()
if child == 0:
    os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
'
    GRPCFORKSHIM_LOG_LEVEL=debug run preloaded 120 "$DEBIAN_PYTHON" -c "$program"
    assert_success
    assert_output 3
    assert_stderr_empty
    # The line that must not be there is there where grpc is imported.
    GRPCFORKSHIM_LOG_LEVEL=debug run preloaded 120 "$DEBIAN_PYTHON" -c 'import grpc'
    assert_success
    assert_line --partial "Python's gRPC is in"
}

@test "with GRPCFORKSHIM_DISABLE=1 nothing is brought in" {
    GRPCFORKSHIM_DISABLE=1 GRPCFORKSHIM_LOG_LEVEL=debug run preloaded 120 "$DEBIAN_PYTHON" -c '
import grpc
print(type(grpc._cython.cygrpc.Channel.__new__).__name__)'
    assert_success
    assert_output builtin_function_or_method
    assert_stderr_empty
}
