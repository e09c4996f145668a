#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# grpcio's interface in children. Each test runs with Debian's grpcio and the wheel of each year.

load ../lib/harness
load ../lib/python

setup_file() {
    make_certificates
    start_server
    export INSECURE=$SERVER_ADDRESS
    start_server --tls "$CERTIFICATES"
    export TLS=localhost:${SERVER_ADDRESS##*:}
    start_server --mutual-tls "$CERTIFICATES"
    export MUTUAL_TLS=localhost:${SERVER_ADDRESS##*:}
}

teardown_file() {
    stop_servers
}

# Since about 1.80 gRPC logs as information that a server ends before its client's connection has.
quiet_about_goaway() {
    export GRPC_VERBOSITY=ERROR
}

# Runs a sample under the shim with each grpcio, then a function with assertions.
with_each_grpcio() { # ASSERTIONS SAMPLE [ARG...]
    local grpcio grpcios assertions=$1 sample
    sample=$(python_sample "$2")
    shift 2
    grpcios=$(python_grpcios)
    for grpcio in $grpcios; do
        echo "# $grpcio"
        run preloaded 120 "$(python_with "$grpcio")" "$sample" "$@"
        assert_success
        assert_nothing_said
        "$assertions"
    done
}

# At the end of a Python 3.14 that has a channel of grpc.aio's left, grpcio 1.51.1 says this in a traceback, also
# without the shim.
assert_nothing_said() {
    grep -q '^PythonFinalizationError: cannot join thread at interpreter shutdown' "$BATS_TEST_TMPDIR/stderr" ||
        assert_stderr_empty
    refute grep -E '^grpcforkshim|^[A-Za-z]*(Error|Exception):' \
        <(grep -v '^PythonFinalizationError:' "$BATS_TEST_TMPDIR/stderr")
}

assert_all_kinds() {
    assert_line 'child inherited 13'
    assert_line 'child intercepted 13 intercepted'
    assert_line 'child new 13'
    assert_line 'grandchild inherited 13'
    assert_line 'grandchild exit 0'
    assert_line 'parent after 13'
}

@test "every kind of call works in a child and a grandchild, by inherited and by new stubs" {
    with_each_grpcio assert_all_kinds kinds "$INSECURE" --used
}

@test "stubs that the parent never used work in a child" {
    with_each_grpcio assert_all_kinds kinds "$INSECURE"
}

@test "unary-stream calls on a single thread work in a child" {
    with_each_grpcio assert_all_kinds kinds "$INSECURE" --single-threaded --used
}

# The same lines for the parent, an inherited channel, a new channel with inherited credentials, and
# one with new credentials.
assert_all_credentials() {
    local who
    for who in parent child-inherited child-inherited-credentials child-new parent-after; do
        assert_line "$who tls -"
        assert_line "$who mutual -"
        assert_line "$who xds -"
        assert_line "$who token Bearer secret"
        assert_line "$who plugin signed here"
        assert_line "$who both Bearer secret signed here"
        assert_line "$who per-call-token Bearer secret"
        assert_line "$who per-call-plugin signed here"
    done
    assert_line 'child mixed Bearer newer'
}

@test "credentials of each kind work in a child, inherited and new" {
    with_each_grpcio assert_all_credentials credentials "$TLS" "$MUTUAL_TLS" "$CERTIFICATES"
}

assert_calls_ended() {
    local fork='The call was open when the process forked: it belongs to the parent (grpcforkshim)'
    assert_line 'child done True False False CANCELLED'
    assert_line "child unary CANCELLED True $fork"
    assert_line 'child exception CANCELLED'
    assert_line "child stream CANCELLED True $fork"
    assert_line "child stream again CANCELLED True $fork"
    assert_line "child talk CANCELLED True $fork"
    assert_line "child details $fork"
    assert_line "child late callback ['CANCELLED']"
    assert_line 'child early callbacks []'
    assert_line 'child finished finished OK'
    assert_line 'child new new'
    assert_line 'child exit 0'
    assert_line 'silent child exit 0'
    assert_line 'idle child exit 0'
    assert_line 'parent unary unary'
    assert_line 'parent stream [1, 2, 3]'
    assert_line "parent callbacks ['OK']"
}

@test "calls that were open at fork are over in the child, and go on in the parent" {
    with_each_grpcio assert_calls_ended open_calls "$INSECURE"
}

assert_subscriptions() {
    assert_line 'child inherited future None'
    assert_line 'child nobody is still waited for'
    assert_line 'child inherited subscription READY'
    assert_line 'child new subscription READY'
    assert_line 'child new future ready'
    assert_line 'child call x'
}

@test "subscriptions to a channel's connectivity go on in a child" {
    with_each_grpcio assert_subscriptions subscriptions "$INSECURE"
}

assert_servers() {
    assert_line "child asks parent's its parent"
    assert_line --regexp '^child waits (False|True)$'
    assert_line --regexp '^child stops (True|None)$'
    assert_line 'child asks its own itself'
    assert_line "child asks parent's again its parent"
    assert_line 'child exit 0'
    assert_line 'idle child exit 0'
    assert_line 'parent after itself'
    assert_line 'parent stops True'
}

@test "a server is stopped in a child, which can start its own; the parent serves on" {
    quiet_about_goaway
    with_each_grpcio assert_servers servers
    with_each_grpcio assert_servers servers --certificates "$CERTIFICATES"
    with_each_grpcio assert_servers servers --local
}

@test "a server of grpc.aio is stopped in a child, which can start its own" {
    needs_aio
    quiet_about_goaway
    with_each_grpcio assert_servers servers --aio
    with_each_grpcio assert_servers servers --aio --certificates "$CERTIFICATES"
}

assert_aio() {
    local call
    assert_line 'child inherited all'
    assert_line 'child intercepted intercepted'
    assert_line 'child new all'
    for call in 'unary True' tagged stream talk read; do
        assert_line --partial "child $call CANCELLED The call was open when the process forked"
    done
    assert_line 'child finished OK finished'
    assert_line 'grandchild new all'
    assert_line 'grandchild exit 0'
    assert_line 'child exit 0'
    assert_line 'parent unary s'
    assert_line 'parent after all'
}

@test "grpc.aio works in a child with a new event loop, by inherited and by new channels" {
    needs_aio
    with_each_grpcio assert_aio aio "$INSECURE"
}

assert_first_uses() {
    local use
    local -a uses=('ready future' server 'simple stub')
    ! python_has_aio || uses+=('aio server' init_grpc_aio)
    for use in "${uses[@]}"; do
        assert_line "$use exit 0"
        assert_line "$use after a call exit 0"
    done
}

@test "whatever a child uses first of grpc works" {
    quiet_about_goaway
    with_each_grpcio assert_first_uses first_use "$INSECURE"
}

assert_dropped() {
    assert_line 'dropping child exit 0'
    assert_line 'child new x'
    assert_line 'dropping, then using child exit 0'
    assert_line 'child inherited x'
    assert_line 'child again y'
    assert_line 'using, then dropping child exit 0'
    assert_line 'parent x'
}

@test "a child that lets go of what it inherited runs no code of the parent's core" {
    with_each_grpcio assert_dropped dropping "$INSECURE"
}

assert_forked_everywhere() {
    local where
    for where in callback subscription plugin requests serialiser interceptor handler; do
        assert_line "$where exit 0"
    done
    assert_line 'parent x'
}

@test "the program may fork wherever grpcio calls it" {
    quiet_about_goaway
    with_each_grpcio assert_forked_everywhere callbacks "$INSECURE" "$TLS" "$CERTIFICATES"
}

assert_went_on() {
    local how
    for how in idle use; do
        assert_line "handler $how"
    done
    assert_equal "$(grep -cx 'stream first second' <<<"$output")" 2
    assert_equal "$(grep -cx 'plugin signed' <<<"$output")" 2
    assert_equal "$(grep -cx 'idle child exit 0' <<<"$output")" 3
    assert_equal "$(grep -cx 'child that uses gRPC exit 0' <<<"$output")" 3
}

@test "a child that returns from a handler or answers a plugin's callback does nothing of its parent's" {
    quiet_about_goaway
    with_each_grpcio assert_went_on returning "$TLS" "$CERTIFICATES"
}

assert_set_functions() {
    assert_line "parent plugin signed parent's"
    # Before about 1.64 what traces a server's calls was one for all servers.
    if [[ $output == *'tracer tracer'* ]]; then
        assert_line "child plugin signed parent's tracer"
        assert_line "grandchild plugin signed child's tracer"
    else
        assert_line "child plugin signed parent's"
        assert_line "grandchild plugin signed child's"
    fi
    assert_line "child again plugin signed child's"
    assert_line 'new child plugin signed new'
    assert_line 'new child exit 0'
    assert_line 'child exit 0'
    assert_line "parent after plugin signed parent's"
}

@test "what a program sets for all of gRPC is set in its children" {
    with_each_grpcio assert_set_functions set_functions "$TLS" "$CERTIFICATES"
}

assert_functions_known() {
    refute_line --regexp '^unknown '
    assert_line --regexp '^adapted [1-9]'
}

@test "every function of grpcio's extension is repeated in children, or known to keep nothing" {
    with_each_grpcio assert_functions_known functions
}

assert_left() {
    assert_line 'children 40 failed 0'
}

@test "children exit at once, whatever becomes of credentials in the parent's threads meanwhile" {
    with_each_grpcio assert_left leaving "$INSECURE"
}

assert_handlers_away() {
    local number
    for number in 1 2; do
        assert_line "child $number new new"
        assert_line "child $number again again"
        assert_line "child $number exit 0"
    done
    assert_line 'parent stream second'
    assert_line 'parent stream left 0'
    assert_line 'parent after after'
}

@test "gRPC's own fork support stays out of the way, however and whenever a program switches it on" {
    local way
    for way in attribute dictionary environment used child used-child; do
        with_each_grpcio assert_handlers_away late_handlers "$INSECURE" "$way"
    done
}

# --- without the shim ---------------------------------------------------------------------------

bare_sample() { # NAME SAMPLE [ARG...]
    local name=$1 sample
    sample=$(python_sample "$2")
    shift 2
    bare_start "$name" 10 "$DEBIAN_PYTHON" "$sample" "$@"
}

# (loader_unknown.py asks for the shim itself; what is about a grpcio that is left alone has none to lose.)
@test "without the shim the children of each of these programs fail, hang or share their parent's connection" {
    local name
    bare_sample kinds kinds "$INSECURE"
    bare_sample kinds-used kinds "$INSECURE" --used
    bare_sample kinds-single-threaded kinds "$INSECURE" --used --single-threaded
    bare_sample credentials credentials "$TLS" "$MUTUAL_TLS" "$CERTIFICATES"
    bare_sample open_calls open_calls "$INSECURE"
    bare_sample subscriptions subscriptions "$INSECURE"
    bare_sample servers servers
    bare_sample servers-tls servers --certificates "$CERTIFICATES"
    bare_sample servers-local servers --local
    if python_has_aio; then
        bare_sample servers-aio servers --aio
        bare_sample servers-aio-tls servers --aio --certificates "$CERTIFICATES"
        bare_sample aio aio "$INSECURE"
    fi
    bare_sample first_use first_use "$INSECURE"
    bare_sample dropping dropping "$INSECURE"
    bare_sample callbacks callbacks "$INSECURE" "$TLS" "$CERTIFICATES"
    bare_sample returning returning "$TLS" "$CERTIFICATES"
    for name in used child used-child; do
        bare_sample "handlers-$name" late_handlers "$INSECURE" "$name"
    done
    wait

    # The threads that connect stayed in the parent. (gRPC 1.30 can do without, and hangs later.)
    run bare_result kinds
    assert_failure
    assert_line 'parent has not called'
    for name in kinds-used kinds-single-threaded; do
        run bare_result "$name"
        assert_line --regexp '^parent peer ipv4:'
        refute_own_connection child parent
    done
    # One connection's ciphers can't be used by two: where the child is answered, its parent is not.
    run bare_result credentials
    assert_line 'parent tls -'
    if [[ $output == *'child-inherited tls -'* ]]; then
        refute_line 'parent-after tls -'
    fi
    # The thread that would end them is not there.
    run bare_result open_calls
    assert_failure
    assert_line 'parent has open calls'
    refute_line --partial 'child exception'
    # Nor are the one that tells of the states, and the server's, which its end is awaited from.
    run bare_result subscriptions
    assert_failure
    assert_line 'parent READY'
    refute_line 'child inherited subscription READY'
    for name in servers servers-tls servers-local; do
        run bare_result "$name"
        assert_failure
        assert_line 'parent itself'
        refute_line --regexp '^child stops (True|None)$'
    done
    # All of grpc.aio's events come by one thread.
    for name in $(! python_has_aio || echo servers-aio servers-aio-tls); do
        run bare_result "$name"
        assert_failure
        assert_line 'parent itself'
        refute_line "child asks parent's its parent"
    done
    if python_has_aio; then
        run bare_result aio
        assert_failure
        assert_line 'parent all'
        refute_line 'child inherited all'
    fi
    run bare_result first_use
    assert_line 'parent has made channels'
    refute_line 'simple stub exit 0'
    run bare_result dropping
    # One that lets go hangs in the parent's core; with gRPC 1.30 one that calls does.
    assert_failure
    assert_line 'parent has everything'
    # It runs in the thread that its own call's end would come by.
    run bare_result callbacks
    assert_line 'parent calls back'
    refute_line 'callback exit 0'
    # What it goes on with waits for the threads that the child does not have.
    run bare_result returning
    assert_failure
    assert_line 'handler idle'
    refute_line 'plugin signed'
    # Switched on before there is a channel they get through this one, without the channel; later they don't.
    for name in used child used-child; do
        run bare_result "handlers-$name"
        assert_failure
        assert_line 'parent stream first'
        refute_line 'child 1 exit 0'
    done
}

# --- a grpcio that can't be protected ----------------------------------------------------------

# A copy of Debian's package that a test may change.
copy_of_grpc() {
    PYTHONPATH=$BATS_TEST_TMPDIR/packages
    export PYTHONPATH
    mkdir "$PYTHONPATH"
    cp -r /usr/lib/python3/dist-packages/grpc "$PYTHONPATH/"
    rm -rf "$PYTHONPATH/grpc/__pycache__"
}

assert_one_line_about_grpcio() { # PART...
    local part
    # gRPC 1.30 has something to say of its own, with its own handlers.
    run grep -v '^E[0-9]' "$BATS_TEST_TMPDIR/stderr"
    assert_equal "${#lines[@]}" 1
    assert_output --regexp '^grpcforkshim\[[0-9]+\]: '
    for part in "$@"; do
        assert_output --partial "$part"
    done
}

# Debian's 1.51.1 for Python 3.14 waits for its idle thread pool to be idle.
skip_where_grpcio_cannot_fork() {
    HARNESS_BACKTRACES=0 run bare 10 "$DEBIAN_PYTHON" "$(python_sample idle_child)" "$INSECURE"
    [[ $status -ne 124 ]] || skip "this grpcio's own fork handlers hang in the parent"
}

@test "a grpcio whose inside is not known is left alone, with one line, and its descriptors closed" {
    skip_where_grpcio_cannot_fork
    copy_of_grpc
    sed -i 's/\b_abort\b/_abandon/g' "$PYTHONPATH/grpc/_channel.py"
    run preloaded 120 "$DEBIAN_PYTHON" "$(python_sample idle_child)" "$INSECURE"
    assert_success
    assert_line --regexp "^child's of them 0 .* own file open$"
    assert_line 'child exit 0'
    assert_one_line_about_grpcio 'grpcio 1.' 'is left alone' 'no _abort' 'own fork support'
}

@test "a grpcio whose extension is not known is left alone, with one line" {
    skip_where_grpcio_cannot_fork
    copy_of_grpc
    # As if a later version had no way to ask.
    printf '%s\n' 'from grpc._cython import cygrpc' 'del cygrpc.is_fork_support_enabled' \
        >>"$PYTHONPATH/grpc/_cython/__init__.py"
    run preloaded 120 "$DEBIAN_PYTHON" "$(python_sample idle_child)" "$INSECURE"
    assert_success
    assert_line 'child exit 0'
    assert_one_line_about_grpcio 'is left alone' 'no is_fork_support_enabled'
}

@test "a package that was upgraded while the program runs: a clear error, or the old file where it can be had" {
    copy_of_grpc
    # 40 is CAP_CHECKPOINT_RESTORE, which older versions of setpriv know by no other name.
    run preloaded 120 setpriv --bounding-set -cap_40,-sys_admin "$DEBIAN_PYTHON" \
        "$(python_sample replaced_file)" "$INSECURE"
    assert_success
    assert_line --partial "child RuntimeError gRPC can't be used in this forked child"
    assert_line 'child exit 0'
    assert_line 'parent x'
    if [[ $EUID -eq 0 ]]; then
        run preloaded 120 "$DEBIAN_PYTHON" "$(python_sample replaced_file)" "$INSECURE"
        assert_success
        assert_line 'child x'
    fi
}

@test "where the loader can't be told, a copy of the extension is loaded" {
    run preloaded 120 "$DEBIAN_PYTHON" "$(python_sample loader_unknown)" "$INSECURE"
    assert_success
    assert_line 'child text x'
    assert_line 'grandchild text x'
    assert_line 'grandchild exit 0'
    assert_line 'child exit 0'
    assert_stderr_empty
}
