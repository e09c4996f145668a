#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# gRPC as a library in a process: when it is initialised, shut down, loaded, and which locks it
# needs at the moment of a fork.

load ../lib/harness
load ../samples/c/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

# --- grpc_init() and grpc_shutdown() ----------------------------------------------------------

@test "A child needs as many grpc_shutdown() as the program has made grpc_init()" {
    fails_bare "$(sample init_count)" "$SERVER_ADDRESS" nested
    works_preloaded "$(sample init_count)" "$SERVER_ADDRESS" nested
    assert_line --index 4 'child shutdowns 3'
    assert_line --index 5 'child shut_down ok'
    assert_line 'child initialized_again ok'
    assert_line 'parent shutdowns 3'
}

@test "A child's own grpc_init() counts on top of the inherited ones" {
    fails_bare "$(sample init_count)" "$SERVER_ADDRESS" child-init
    works_preloaded "$(sample init_count)" "$SERVER_ADDRESS" child-init
    assert_line --index 4 'child shutdowns 3'
    assert_line 'parent shutdowns 2'
}

@test "A child that only closes what it inherited and shuts down ends" {
    # In grpc_shutdown() or after it, it waits for the parent's threads, which it does not have.
    fails_bare "$(sample init_count)" "$SERVER_ADDRESS" shutdown-only
    refute_line 'child exit 0'
    works_preloaded "$(sample init_count)" "$SERVER_ADDRESS" shutdown-only
    assert_line 'child shutdowns 2'
    assert_line 'child shut_down ok'
    assert_line 'child exit 0'
}

without_ports() {
    sed -E 's/(127\.0\.0\.1:)[0-9]+/\1PORT/' <<<"$output"
}

nothing_changes() { # SUBJECT
    local expected
    run bare 60 "$(sample init_count)" "$SERVER_ADDRESS" "$1"
    assert_success
    expected=$(without_ports)
    works_preloaded "$(sample init_count)" "$SERVER_ADDRESS" "$1"
    assert_equal "$(without_ports)" "$expected"
    assert_line 'child exit 0'
}

@test "Nothing changes for a fork before the first grpc_init()" {
    nothing_changes before-init
}

@test "Nothing changes for a fork after the last grpc_shutdown()" {
    nothing_changes after-shutdown
}

# --- loaded late ------------------------------------------------------------------------------

@test "A plugin that brings gRPC with it, for itself alone, is covered" {
    fails_bare "$(sample late_loader)" "$SERVER_ADDRESS" "$(sample client_plugin.so)"
    works_preloaded "$(sample late_loader)" "$SERVER_ADDRESS" "$(sample client_plugin.so)"
    assert_line 'parent global_grpc absent'
    assert_line 'child exit 0'
}

@test "A plugin that is bound at once is covered, too" {
    fails_bare "$(sample late_loader)" "$SERVER_ADDRESS" "$(sample client_plugin.so)" now
    works_preloaded "$(sample late_loader)" "$SERVER_ADDRESS" "$(sample client_plugin.so)" now
    assert_line 'parent global_grpc absent'
}

@test "A worker that loads gRPC after it was forked leaves its children the program's descriptors" {
    run preloaded 60 "$(sample late_worker)" "$SERVER_ADDRESS" "$(sample client_plugin.so)"
    assert_success
    assert_stderr_empty
    assert_line 'child missing 0'
    assert_line 'worker exit 0'
}

@test "A server of a C++ library that came after gRPC's first use ends in the child" {
    HARNESS_BACKTRACES=0 run bare 5 "$(sample late_server)" "$(sample server_plugin.so)"
    assert_failure
    run preloaded 60 "$(sample late_server)" "$(sample server_plugin.so)"
    assert_success
    assert_stderr_empty
}

@test "A child makes channels while another of its threads loads and unloads libraries" {
    run preloaded 60 "$(sample loading)" "$(sample loaded.so)" 300
    assert_success
    assert_stderr_empty
}

@test "A thread of a child's may use gRPC when exit() has destroyed the objects of static storage" {
    # What was destroyed does not look sound by chance.
    GRPC_ENABLE_FORK_SUPPORT=1 MALLOC_PERTURB_=165 \
        works_preloaded "$(sample late_thread)" "$SERVER_ADDRESS" "$(sample client_plugin.so)"
    assert_line 'child thread ended'
    assert_line 'child exit 0'
}

@test "A child is forked after a plugin that used abseil's spinlocks was unloaded" {
    local plugin
    plugin=$(sample spinlock_plugin.so) || skip 'there is no abseil, so gRPC does not use it'
    run bare 60 "$(sample unloading)" "$SERVER_ADDRESS" "$(sample client_plugin.so)" "$plugin"
    assert_success
    works_preloaded "$(sample unloading)" "$SERVER_ADDRESS" "$(sample client_plugin.so)" "$plugin"
    assert_line 'child exit 0'
}

# --- linked at an address of its own ------------------------------------------------------------

# As prelink did it, and as some build systems do: the image's header is not where it is loaded to.
with_based() { # PROGRAM [ARG...]
    fails_bare "$@"
    works_preloaded "$@"
    assert_line 'child exit 0'
}

@test "A library and a program that were each linked at an address of their own are no hindrance" {
    with_based "$(sample based_client)" "$SERVER_ADDRESS"
}

@test "A position-independent program that was linked at an address of its own, neither" {
    with_based "$(sample based_pie_client)" "$SERVER_ADDRESS"
}

@test "Nor is a preloaded library that was" {
    HARNESS_PRELOAD_LAST=${HARNESS_PRELOAD_LAST:+$HARNESS_PRELOAD_LAST:}$(sample libbased.so) \
        works_preloaded "$(sample pluck_client)" "$SERVER_ADDRESS"
    assert_line 'child exit 0'
}

@test "The shim itself may have been linked so" {
    HARNESS_SHIM=$(sample libgrpcforkshim_based.so) \
        works_preloaded "$(sample pluck_client)" "$SERVER_ADDRESS"
    assert_line 'child exit 0'
}

# --- handlers and failures --------------------------------------------------------------------

@test "The program's own pthread_atfork() handlers may use gRPC and close descriptors" {
    fails_bare "$(sample atfork_user)" "$SERVER_ADDRESS"
    works_preloaded "$(sample atfork_user)" "$SERVER_ADDRESS"
    assert_line 'parent handlers ok'
    assert_line 'parent files_open ok'
    assert_line 'child still_open ok'
}

@test "A handler of the program's may wait for a thread that is in the loader's list of libraries" {
    run bare 60 "$(sample loader_handler)" "$SERVER_ADDRESS"
    assert_success
    works_preloaded "$(sample loader_handler)" "$SERVER_ADDRESS"
    assert_line 'child exit 0'
}

@test "A fork() that fails leaves EAGAIN and the parent as it was, and a later one works" {
    not_emulated 'takes no seccomp filters'
    # The refusal itself is harmless without the shim; the later child is not.
    fails_bare "$(sample fork_eagain)" "$SERVER_ADDRESS"
    assert_line 'parent refused 20'
    works_preloaded "$(sample fork_eagain)" "$SERVER_ADDRESS"
    assert_line 'parent refused 20'
    assert_line 'child exit 0'
}

@test "A fork inside of gRPC, in a credentials plugin with its thread's state set, has a child that calls" {
    HARNESS_BACKTRACES=0 run bare 8 "$(sample fork_in_plugin)" "$TLS_ADDRESS" "$CERTIFICATES"
    assert_failure
    refute_line 'child calls ok'
    works_preloaded "$(sample fork_in_plugin)" "$TLS_ADDRESS" "$CERTIFICATES"
    assert_line 'child calls ok'
    assert_line 'parent call_with_plugin ok'
}

# --- abseil's locks ---------------------------------------------------------------------------

needs_abseil() {
    pkg-config --exists absl_synchronization || skip 'there is no abseil, so gRPC does not use it'
}

abseil_lock() { # SUBJECT [OPTION]
    preloaded 60 "$(sample abseil_lock)" "$SERVER_ADDRESS" "$@"
}

# abseil built without its deadlock detection has no such lock.
skip_without_lock() {
    if [[ $status -eq 3 ]]; then
        assert_line 'parent deadlock_detection off'
        skip 'this abseil has no deadlock detection'
    fi
}

@test "A child gets past the deadlock detection's lock that a thread of its parent holds" {
    needs_abseil
    run bare 30 "$(sample abseil_lock)" "$SERVER_ADDRESS" graph --brief
    skip_without_lock
    assert_failure
    assert_line 'parent lock_held ok'
    # The alarm that ends a child that waits.
    assert_line 'child exit 142'
    run abseil_lock graph
    assert_success
    assert_stderr_empty
    assert_line 'parent lock_held ok'
    assert_line 'child exit 0'
}

@test "A child that is the first to use gRPC gets past that lock" {
    needs_abseil
    run bare 30 "$(sample abseil_lock)" "$SERVER_ADDRESS" graph --unused --brief
    skip_without_lock
    assert_failure
    assert_line 'parent lock_held ok'
    assert_line 'child exit 142'
    run abseil_lock graph --unused
    assert_success
    assert_stderr_empty
    assert_line 'parent lock_held ok'
    assert_line 'child exit 0'
}

# The sample interrupts a thread in the allocator by a signal.
HOLDS_SIGNALS='keeps signals back until a thread calls something that it knows'

@test "A child gets past the lock of abseil's allocator that a thread of its parent holds" {
    needs_abseil
    not_sanitized "$HOLDS_SIGNALS" thread
    HARNESS_BACKTRACES=0 run bare 15 "$(sample abseil_lock)" "$SERVER_ADDRESS" arena --brief
    assert_failure
    assert_line 'parent lock_held ok'
    run abseil_lock arena
    assert_success
    assert_stderr_empty
    assert_line 'parent lock_held ok'
    assert_line 'child exit 0'
}

@test "A child that is the first to use gRPC gets past the allocator's lock" {
    needs_abseil
    not_sanitized "$HOLDS_SIGNALS" thread
    # The proof that gRPC needs this lock: nothing else is in the child's way.
    run bare 30 "$(sample abseil_lock)" "$SERVER_ADDRESS" arena --unused --brief
    assert_failure
    assert_line 'parent lock_held ok'
    assert_line 'child exit 142'
    run abseil_lock arena --unused
    assert_success
    assert_stderr_empty
    assert_line 'parent lock_held ok'
    assert_line 'child exit 0'
}

@test "A hundred children start while threads lock and unlock abseil's mutexes" {
    needs_abseil
    # qemu 7.2: a lock of its own, which a thread that makes another one holds, stays held in the child.
    not_emulated "$EMULATOR_HANGS"
    # gcc 12's: a thread that ends takes a lock of its allocator's. (4 of 3,000 children.)
    not_sanitized 'hangs itself in a fork while threads end' thread
    fails_bare "$(sample abseil_lock)" "$SERVER_ADDRESS" busy
    run preloaded 120 "$(sample abseil_lock)" "$SERVER_ADDRESS" busy
    assert_success
    assert_stderr_empty
    assert_equal "$(grep -cx 'child exit 0' <<<"$output")" 100
}

# --- forks in a loop --------------------------------------------------------------------------

# More than that is scripts/soak's.
FORKS=${HARNESS_FORKS:-1000}

fork_loop() { # ADDRESS [OPTION...]
    local address=$1
    shift
    # One fork is enough, for the child or for the parent.
    HARNESS_BACKTRACES=0 run bare 10 "$(sample fork_loop)" "$address" 20 8 --limit 1 --give-up 1 "$@"
    assert_fails_after '^parent status 0$'
    run preloaded 600 "$(sample fork_loop)" "$address" "$FORKS" 8 "$@"
    assert_success
    assert_stderr_empty
    assert_line --regexp "^forks $FORKS children_failed 0 parent_calls [1-9][0-9]* parent_failed 0\$"
}

@test "Forks under 8 calling threads: no child fails and no call of the parent" {
    fork_loop "$SERVER_ADDRESS"
}

@test "Forks under 8 calling threads over TLS: no child fails and no call of the parent" {
    fork_loop "$TLS_ADDRESS" --tls "$CERTIFICATES"
}

@test "Forks in a process without other threads of its own" {
    HARNESS_BACKTRACES=0 run bare 10 "$(sample fork_loop)" "$SERVER_ADDRESS" 4 0 --limit 1 --give-up 1
    assert_failure
    run preloaded 300 "$(sample fork_loop)" "$SERVER_ADDRESS" 200 0
    assert_success
    assert_stderr_empty
    assert_line --regexp '^forks 200 children_failed 0 parent_calls 1 parent_failed 0$'
}

@test "A child gets past OpenSSL's locks that a thread of its parent held in its first use of TLS" {
    # Locks are made anew in a child without other threads only.
    not_emulated 'has a thread of its own in a child'
    # libc begins anew in a child what a thread of its parent had begun.
    not_sanitized 'has a pthread_once() of its own, which a fork in the middle of leaves waiting' thread
    sample first_tls >/dev/null 2>&1 || skip 'its gRPC has another OpenSSL than programs are built with'
    # Few children, which under the shim take some tenths of a second.
    HARNESS_BACKTRACES=0 run bare 10 "$(sample first_tls)" "$TLS_ADDRESS" "$CERTIFICATES" 1000
    assert_failure
    refute_line 'parent call ok'
    # Every fifth: some mutexes of OpenSSL 3.5 are held around fewer allocations than any read-write lock.
    run preloaded 300 "$(sample first_tls)" "$TLS_ADDRESS" "$CERTIFICATES" 5
    assert_success
    assert_line 'parent handshake ok'
    assert_line 'parent call ok'
    # See docs/limits.md: 6 of 2,996 found what OpenSSL had half made, and were told so.
    read -r _ children _ worked <<<"$(grep '^children' <<<"$output")"
    [[ $children -gt 500 && $((worked * 100)) -ge $((children * 98)) ]]
}
