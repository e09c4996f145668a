#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# Nothing that works without the shim fails under it. What becomes of a program without it changes from one
# gRPC to the next: so that is not known here but tried, with the newest grpcio and the installed gRPC.

load ../lib/harness
load ../lib/python
load ../lib/pairs
load ../samples/cpp/expectations

setup_file() {
    start_servers
    # By the name that the certificate is for.
    TLS=localhost:${TLS##*:} MUTUAL_TLS=localhost:${MUTUAL_TLS##*:}
    export TLS MUTUAL_TLS
    export SAMPLE_ADDRESS=$INSECURE
}

teardown_file() {
    stop_servers
}

setup() {
    not_emulated 'is too slow for what hangs, and has no Python'
}

@test "a program that fails under the shim alone is found" {
    # What hangs is compared to nothing.
    pair hangs sh -c 'exec sleep 1000'
    PAIRS_ALL=0 PAIRS_SECONDS=2 run assert_no_worse 3>/dev/null
    assert_failure
    assert_line --partial 'nothing was compared'
    # shellcheck disable=SC2016
    pair worse sh -c '[ -z "${LD_PRELOAD-}" ] || { echo what it says; exit 3; }'
    # shellcheck disable=SC2016
    pair leaves sh -c '[ -z "${LD_PRELOAD-}" ] || sleep 1000 >/dev/null 2>&1 &'
    # shellcheck disable=SC2016
    pair tells sh -c 'echo "child exit ${LD_PRELOAD:+1}0"'
    pair same true
    PAIRS_ALL=0 PAIRS_SECONDS=2 PAIRS_LEFT_SECONDS=1 run assert_no_worse 3>/dev/null
    assert_failure
    assert_line --partial 'not under it: worse leaves tells'
    assert_line '# worse ended with status 3 under the shim'
    assert_line 'what it says'
    assert_line '# leaves ended with status 0 with a process left behind under the shim'
    assert_line --regexp '^left behind: [0-9]+ sleep 1000'
}

# --- Python -----------------------------------------------------------------------------------------

python_pair() { # NAME INTERPRETER SAMPLE [ARG...]
    local name=$1 interpreter=$2 sample
    sample=$(python_sample "$3")
    shift 3
    pair "$name" "${ENVIRONMENT[@]}" "$interpreter" "$sample" "$@"
}

# Clients, servers and forks of each kind.
python_pairs() { # INTERPRETER
    local what
    for what in aio c_forks cross_process dropping first_use global_channel idle_child kinds leaving open_calls pools \
        spawning subscriptions two_interpreters; do
        python_pair "$what" "$1" "$what" "$INSECURE"
    done
    python_pair pools-alone "$1" pools "$INSECURE" --alone
    python_pair kinds-used "$1" kinds "$INSECURE" --used
    python_pair kinds-single-threaded "$1" kinds "$INSECURE" --used --single-threaded
    python_pair call-timeout "$1" call_timeout "$INSECURE"
    python_pair callbacks "$1" callbacks "$INSECURE" "$TLS" "$CERTIFICATES"
    python_pair credentials "$1" credentials "$TLS" "$MUTUAL_TLS" "$CERTIFICATES"
    python_pair returning "$1" returning "$TLS" "$CERTIFICATES"
    python_pair set-functions "$1" set_functions "$TLS" "$CERTIFICATES"
    python_pair late-environment "$1" late_environment
    python_pair threads "$1" threads "$INSECURE" --forks 20
    python_pair two-grpcs "$1" two_grpcs "$INSECURE" unprotected "$(sample librpc_other_code.so)"
    python_pair beside-library "$1" beside_library "$INSECURE" extension "$(sample core_plugin.so)"
    for what in before during after; do
        python_pair "phase-$what" "$1" fork_phases "$INSECURE" "$what"
    done
    for what in attribute dictionary environment used child used-child; do
        python_pair "handlers-$what" "$1" late_handlers "$INSECURE" "$what"
    done
    for what in child importlib thread unused; do
        python_pair "import-$what" "$1" late_import "$INSECURE" "$what"
    done
    for what in unary stream handler; do
        python_pair "under-way-$what" "$1" never_blocks "$what" --forks 5
    done
    for what in '' --aio; do
        python_pair "servers$what" "$1" servers $what
        python_pair "servers$what-tls" "$1" servers $what --certificates "$CERTIFICATES"
    done
    python_pair servers-local "$1" servers --local
    for what in $("$1" "$(python_sample fork_scenarios)" --list) $("$1" "$(python_sample fork_scenarios)" --list-others); do
        python_pair "$what" "$1" fork_scenarios "$INSECURE" "$what"
    done
}

# What needs more than grpcio.
program_pairs() { # INTERPRETER
    local what gunicorn
    gunicorn=$(dirname "$1")/gunicorn
    # Celery's queue is to be empty each time.
    # shellcheck disable=SC2016
    ENVIRONMENT+=(HOME="$BATS_TEST_TMPDIR" sh -c 'SAMPLE_DIRECTORY=$(mktemp -d -p "$HOME") exec env "$@"' sh)
    python_pair celery "$1" celery_tasks
    python_pair packages "$1" packages
    python_pair greenlet-servers "$1" greenlet_servers
    for what in '' --late --busy; do
        python_pair "greenlets$what" "$1" greenlets "$INSECURE" "$TLS" "$CERTIFICATES" $what
    done
    for what in exit kill idle; do
        python_pair "greenlet-forks-$what" "$1" greenlet_forks "$INSECURE" "$what" 10
    done
    for what in idle use kill; do
        python_pair "greenlets-at-work-$what" "$1" greenlets_at_work "$TLS" "$CERTIFICATES" "$what"
    done
    python_pair gunicorn "$1" web_client "$gunicorn" --chdir "$(dirname "$(python_sample echo)")" \
        --bind 'fd://{descriptor}' --workers 2 --preload web_application:application
    for what in application worker; do
        ENVIRONMENT+=(SAMPLE_GEVENT="$what")
        python_pair "gunicorn-gevent-$what" "$1" web_client "$gunicorn" --chdir "$(dirname "$(python_sample echo)")" \
            --worker-class gevent --config "$(python_sample web_hooks)" --bind 'fd://{descriptor}' --workers 2 \
            web_greenlets:application
        ENVIRONMENT+=(SAMPLE_PRELOAD=1)
        python_pair "gunicorn-gevent-$what-preload" "$1" web_client "$gunicorn" \
            --chdir "$(dirname "$(python_sample echo)")" --worker-class gevent --config "$(python_sample web_hooks)" \
            --bind 'fd://{descriptor}' --workers 2 --preload web_greenlets:application
        unset 'ENVIRONMENT[-1]'
    done
}

# On a busy machine they have longer: what is late is taken for hung, and not compared.
by_pace() { # INTERPRETER
    local begin
    # The first reads the files.
    "$1" -c 'import grpc'
    begin=$SECONDS
    "$1" -c 'import grpc'
    PAIRS_SECONDS=$((PAIRS_SECONDS + 15 * (SECONDS - begin)))
}

# With gRPC's own fork support as it is by default, and as a program has it switched on.
python_no_worse() { # SETTING
    local wheel
    ENVIRONMENT=(env "$@" GRPC_VERBOSITY=ERROR)
    wheel=$(python_newest_wheel)
    by_pace "$(python_with "$wheel")"
    python_pairs "$(python_with "$wheel")"
    if python_fits programs; then
        program_pairs "$(python_with programs)"
        # Modules, and what a server loads; what is about the shim's own inside; what changes its package.
        pairs_of "$(dirname "$(python_sample echo)")" .py echo family web_application web_greenlets \
            functions loader_unknown replaced_file
    fi
    assert_no_worse
}

@test "no Python program that works with the newest grpcio fails under the shim" {
    python_no_worse -u GRPC_ENABLE_FORK_SUPPORT
}

@test "no Python program that works with GRPC_ENABLE_FORK_SUPPORT=1 and the newest grpcio fails under the shim" {
    python_no_worse GRPC_ENABLE_FORK_SUPPORT=1
}

@test "the script that compares Python's programs says how often each ended well" {
    local script=$HARNESS_DIRECTORY/../../scripts/compare-python
    python_newest_wheel >/dev/null
    run "$script" --no-install --runs 2 --output "$BATS_TEST_TMPDIR/runs" 'does not use'
    assert_success
    assert_line '| a child that does not use gRPC and exits | 2 | 2 | 2 | 2 |'
    run cat "$BATS_TEST_TMPDIR"/runs/*.shim.2
    assert_line 'child exit 0'
    run "$script" --no-install --output "$BATS_TEST_TMPDIR/runs" 'no such line'
    assert_failure 1
}

# --- C++ ----------------------------------------------------------------------------------------------

# Each as its tests run it without the shim.
cpp_pair() { # NAME SAMPLE [ARG...]
    local name=$1 program
    program=$(sample "$2" 2>/dev/null) || return 0 # this gRPC has not what it is about
    shift 2
    pair "$name" "$program" "$@"
}

# Clients of an address.
cpp_client_pairs() {
    local what channel
    for what in arguments async async_unsecure callback_begins connectivity features first_use grandchildren lame_stub \
        leaving open_stream orders prefork prepared restart streams unary unary_unsecure upstream_handlers; do
        case $what in
        grandchildren | prefork) cpp_pair "$what" "$what" "$INSECURE" 3 ;;
        orders | upstream_handlers) cpp_pair "$what" "$what" "$INSECURE" 4 3 ;;
        *) cpp_pair "$what" "$what" "$INSECURE" ;;
        esac
    done
    for what in before-nothing channel-static channel-new; do
        cpp_pair "unary-$what" unary "$INSECURE" "--${what%-*}" "${what#*-}"
    done
    for what in new inherited in-callback in-interceptor pending leaving leaving-soon leaving-timer idle; do
        cpp_pair "callback-$what" callback "$INSECURE" --child "$what"
    done
    cpp_pair callback-loop callback_loop "$INSECURE" 20
    for what in interceptors compression retries unretried; do
        cpp_pair "features-$what" features "$INSECURE" --feature "$what"
    done
    for what in exit quick_exit return exception pthread_exit; do
        for channel in no yes; do
            cpp_pair "leaving-$what-$channel" leaving "$INSECURE" --way "$what" --use "$channel"
        done
    done
    for what in server client bidi; do
        cpp_pair "streams-$what" streams "$INSECURE" --kind "$what"
        [[ $what != client ]] || continue
        cpp_pair "open-stream-$what" open_stream "$INSECURE" --kind "$what"
        cpp_pair "open-stream-$what-cancels" open_stream "$INSECURE" --kind "$what" --child cancels
    done
    for what in calls idle; do
        cpp_pair "restart-$what" restart "$INSECURE" --child "$what"
    done
    for channel in inherited new; do
        cpp_pair "threads-$channel" threads "$INSECURE" 4 10 --channel "$channel"
    done
}

cpp_secure_pairs() {
    local what channel
    for channel in heap static new; do
        cpp_pair "tls-$channel" unary "$TLS" --tls "$CERTIFICATES" --channel "$channel"
        cpp_pair "mutual-tls-$channel" unary "$MUTUAL_TLS" --mutual-tls "$CERTIFICATES" --channel "$channel"
    done
    for what in access plugin blocking-plugin none; do
        for channel in inherited new; do
            cpp_pair "token-$what-$channel" credentials "$TLS" --tls "$CERTIFICATES" --token "$what" --channel "$channel"
        done
    done
    cpp_pair renewed-credentials renewed_credentials "$TLS" --tls "$CERTIFICATES"
    for what in iam composite; do
        cpp_pair "default-$what" default_credentials "$TLS" --tls "$CERTIFICATES" --kind "$what"
    done
    cpp_pair provider tls_credentials "$TLS" --roots "$CERTIFICATES/ca.pem"
    cpp_pair verifier tls_credentials "$TLS" --roots "$CERTIFICATES/ca.pem" --verifier own
}

cpp_server_pairs() {
    local kind what
    for kind in sync async callback; do
        for what in exit shutdown deadline wait destroy own same-port client; do
            cpp_pair "serving-$kind-$what" serving --server "$kind" --child "$what"
        done
        [[ $kind == async ]] || cpp_pair "in-handler-$kind" in_handler "$INSECURE" --server "$kind"
    done
    cpp_pair server-credentials server_credentials "$CERTIFICATES"
    cpp_pair server-credentials-ssl-processor server_credentials "$CERTIFICATES" --credentials ssl-processor
    cpp_pair in-process in_process none
    cpp_pair late-worker late_worker "$INSECURE" "$(sample client_plugin.so)"
    cpp_pair late-environment late_environment_cpp
    for what in queue again cancel fired function destroy threads function-threads generations unused; do
        cpp_pair "alarm-$what" alarm "$what"
    done
}

@test "no C++ program that works without the shim fails under it" {
    cpp_client_pairs
    cpp_secure_pairs
    cpp_server_pairs
    # What goes into the background; libraries; what has another name.
    pairs_of "$HARNESS_DIRECTORY/../samples/cpp" .cc daemonised server_daemon server_plugin cpp_core_plugin late_environment
    # They begin sooner than Python does, and most hang.
    PAIRS_SECONDS=6
    by_pace "$DEBIAN_PYTHON"
    assert_no_worse
}
