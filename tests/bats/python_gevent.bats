#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# Programs that use gRPC in greenlets, by grpc.experimental.gevent: what waits for gRPC does so in native
# threads, and a child has no such thread, but all greenlets.

load ../lib/harness
load ../lib/python

setup_file() {
    make_certificates
    start_server
    export INSECURE=$SERVER_ADDRESS SAMPLE_ADDRESS=$SERVER_ADDRESS
    start_server --tls "$CERTIFICATES"
    export TLS=localhost:${SERVER_ADDRESS##*:}
    SAMPLES=$(dirname "$(python_sample echo)")
    export SAMPLES
}

teardown_file() {
    stop_servers
}

setup() {
    # Of the stopped servers' clients. (See python_api.bats.)
    export GRPC_VERBOSITY=ERROR
}

# The newest grpcio and gevent, and one of each of another year, as far as this Python can have them.
gevents() {
    local name found=0 status
    for name in programs gevent; do
        status=0
        python_fits "$name" || status=$?
        [[ $status -le 1 ]] || return 1
        if [[ $status -eq 0 ]]; then
            echo "$name"
            found=1
        fi
    done
    [[ $found -eq 1 ]] || harness_die 'no gevent is tested with this Python'
}

with_each_gevent() { # ASSERTIONS SAMPLE [ARG...]
    local gevent gevents assertions=$1 sample
    sample=$(python_sample "$2")
    shift 2
    gevents=$(gevents)
    for gevent in $gevents; do
        echo "# $gevent"
        run preloaded 120 "$(python_with "$gevent")" "$sample" "$@"
        assert_success
        assert_stderr_empty
        "$assertions"
    done
}

assert_used() { # WHO
    assert_line "$1 unary slow others True"
    assert_line "$1 future slow others True"
    assert_line "$1 stream 5"
    assert_line "$1 talk abc"
    assert_line "$1 at once True"
    assert_line "$1 plugin signed"
}

assert_children_use_greenlets() {
    local who
    for who in 'child 1 inherited' 'child 1 new' 'child 2 inherited' 'child 2 new'; do
        assert_used "$who"
    done
    assert_line 'child 2 exit 0'
    assert_line 'child 1 exit 0'
}

assert_greenlets_used() {
    assert_used parent
    assert_children_use_greenlets
    assert_used 'parent after'
}

@test "in children greenlets take turns while others wait for gRPC, whatever they wait for" {
    with_each_gevent assert_greenlets_used greenlets "$INSECURE" "$TLS" "$CERTIFICATES"
}

@test "a child may be the first to use gevent, after its parent used grpc without it" {
    with_each_gevent assert_children_use_greenlets greenlets "$INSECURE" "$TLS" "$CERTIFICATES" --late
}

@test "a program may fork while more of its greenlets call than gevent has threads" {
    with_each_gevent assert_greenlets_used greenlets "$INSECURE" "$TLS" "$CERTIFICATES" --busy
}

assert_all_children_left() {
    assert_line 'children 10 failed 0'
    assert_line --regexp '^parent calls [1-9]'
}

# What Python frees too early is overwritten, so that whoever still uses it crashes.
@test "children that end, or end their parent's greenlets, start no thread for these and do so at any moment" {
    local ending
    export MALLOC_PERTURB_=165
    for ending in exit kill idle; do
        with_each_gevent assert_all_children_left greenlet_forks "$INSECURE" "$ending" 10
    done
}

assert_work_is_parents() {
    assert_line 'parent is at work'
    assert_line 'child has done nothing of it True'
    assert_line 'child exit 0'
    assert_line 'parent unary future first second second signed'
}

@test "what greenlets were at when the process forked is done by the parent, and by no child" {
    local what
    for what in idle use kill; do
        with_each_gevent assert_work_is_parents greenlets_at_work "$TLS" "$CERTIFICATES" "$what"
    done
    assert_line 'child has killed True'
}

assert_servers() {
    assert_equal "$(grep -cx "child asks its parent's its parent" <<<"$output")" 2
    assert_equal "$(grep -cx "child stops its parent's True" <<<"$output")" 2
    assert_equal "$(grep -cx 'child asks its own itself' <<<"$output")" 2
    assert_line "parent's handlers itself"
    assert_line 'parent asks workers True'
    assert_line 'workers exit 0 0'
    assert_line 'parent after itself'
}

@test "servers in greenlets: children serve on ports of their own and on a common one, the parent serves on" {
    with_each_gevent assert_servers greenlet_servers
}

# --- gunicorn -----------------------------------------------------------------------------------

gunicorn() { # WHO [OPTION...]
    local programs who=$1
    shift
    programs=$(python_with programs)
    cd "$SAMPLES" || return
    HOME=$BATS_TEST_TMPDIR SAMPLE_GEVENT=$who run preloaded 120 "$programs" web_client.py "$(dirname "$programs")/gunicorn" \
        --worker-class gevent --config python:web_hooks --bind 'fd://{descriptor}' --workers 2 "$@" \
        web_greenlets:application
    assert_success
    assert_line 'workers 2'
    assert_line 'exit 0'
    refute_line --partial grpcforkshim
}

@test "gunicorn's gevent workers serve an application that was loaded, and called, before they were forked" {
    needs_programs
    local who
    for who in application worker; do
        SAMPLE_PRELOAD=1 gunicorn "$who" --preload
    done
}

@test "gunicorn's gevent workers serve an application that each of them loads" {
    needs_programs
    gunicorn application
}

# --- without the shim ---------------------------------------------------------------------------

# What works without it has a test in python_bare.bats.
@test "without the shim children of programs that fork while greenlets are at work crash, hang or fail" {
    needs_programs
    local name programs
    programs=$(python_with programs)
    bare_start busy 12 "$programs" "$(python_sample greenlets)" "$INSECURE" "$TLS" "$CERTIFICATES" --busy
    bare_start work-use 12 "$programs" "$(python_sample greenlets_at_work)" "$TLS" "$CERTIFICATES" use
    bare_start servers 12 "$programs" "$(python_sample greenlet_servers)"
    wait
    for name in busy work-use servers; do
        run bare_result "$name"
        assert_failure
        assert_line --regexp '^parent '
    done
}
