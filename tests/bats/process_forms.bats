#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# All the ways in which a program gets a child process, and what a child has open.

load ../lib/harness
load ../samples/c/expectations

setup_file() {
    start_server
}

teardown_file() {
    stop_servers
}

# What an emulator can't do (scripts/aarch64).
EXECUTES_FOREIGN="executes this machine's programs only"

form() { # FORM
    fails_bare "$(sample process_forms)" "$SERVER_ADDRESS" "$1"
    works_preloaded "$(sample process_forms)" "$SERVER_ADDRESS" "$1"
    assert_line 'child status 0'
    [[ $(value 'child peer') != "$(value 'parent peer')" ]]
}

@test "The child of fork() calls on the inherited channel" {
    form fork
}

@test "The process behind daemon() calls on the inherited channel" {
    form daemon
}

@test "The process behind daemon() that keeps its directory and streams calls, too" {
    form daemon-keeping
}

@test "The child of forkpty() calls on the inherited channel" {
    not_emulated 'has no terminals'
    form forkpty
}

@test "The grandchild of a double fork calls, although the child between never used gRPC" {
    form double-fork
}

@test "The grandchild of a double fork calls after the child between has called" {
    form double-fork-used
    assert_line 'between status 0'
}

@test "The child of _Fork() calls on the inherited channel" {
    HARNESS_BACKTRACES=0 run bare 4 "$(sample process_forms)" "$SERVER_ADDRESS" underscore-fork
    if [[ $output == *'parent _Fork absent'* ]]; then
        skip 'this libc has no _Fork()'
    fi
    form underscore-fork
}

@test "The first calls of a hundred children of _Fork() are made by two threads at once" {
    HARNESS_BACKTRACES=0 run bare 4 "$(sample process_forms)" "$SERVER_ADDRESS" underscore-fork-threads
    if [[ $output == *'parent _Fork absent'* ]]; then
        skip 'this libc has no _Fork()'
    fi
    assert_failure
    works_preloaded "$(sample process_forms)" "$SERVER_ADDRESS" underscore-fork-threads
}

@test "The child of _Fork() has none of gRPC's descriptors from the start" {
    not_emulated "$EXECUTES_FOREIGN"
    run bare 30 "$(sample process_forms)" "$SERVER_ADDRESS" underscore-fork-exec-unmarked
    if [[ $output == *'parent _Fork absent'* ]]; then
        skip 'this libc has no _Fork()'
    fi
    assert_failure
    assert_line --regexp '^exec unknown [0-9]+ socket:'
    works_preloaded "$(sample process_forms)" "$SERVER_ADDRESS" underscore-fork-exec-unmarked
    assert_line 'exec descriptors ok'
}

@test "Where no page is wiped at fork every child is noticed all the same, but for a raw clone()'s" {
    local form
    export REFUSE_WIPING=1 HARNESS_PRELOAD_LAST
    HARNESS_PRELOAD_LAST=${HARNESS_PRELOAD_LAST:+$HARNESS_PRELOAD_LAST:}$(sample refusing.so)
    for form in fork daemon double-fork double-fork-used underscore-fork underscore-fork-threads \
        fork-exec-unmarked underscore-fork-exec-unmarked vfork-exec; do
        works_preloaded "$(sample process_forms)" "$SERVER_ADDRESS" "$form"
    done
    works_preloaded "$(sample fork_loop)" "$SERVER_ADDRESS" 50 4
    assert_line --regexp '^forks 50 children_failed 0 parent_calls [1-9][0-9]* parent_failed 0$'
    # That is said, to those who ask: no program that is known does it.
    GRPCFORKSHIM_LOG_LEVEL=info run preloaded 60 "$(sample process_forms)" "$SERVER_ADDRESS" fork
    assert_success
    assert_equal "$(grep -c 'a child made by a bare clone system call' "$HARNESS_STDERR")" 1
}

@test "The child of a raw clone() calls on the inherited channel" {
    not_emulated "$EMULATOR_WIPES_NOTHING"
    form clone
}

@test "The child of a raw clone() calls although it has its parent's process id" {
    not_emulated "$EMULATOR_WIPES_NOTHING"
    local -a contain=(unshare --pid --fork --kill-child)
    # Some have the right, and others may have a namespace of users in which they have it.
    "${contain[@]}" unshare --pid --fork true 2>/dev/null || contain+=(--user --map-root-user)
    "${contain[@]}" unshare --pid --fork true 2>/dev/null || skip 'no namespaces of process ids here'
    fails_bare "${contain[@]}" "$(sample process_forms)" "$SERVER_ADDRESS" clone-namespace
    works_preloaded "${contain[@]}" "$(sample process_forms)" "$SERVER_ADDRESS" clone-namespace
    assert_line 'child pid same'
    [[ $(value 'child peer') != "$(value 'parent peer')" ]]
}

without_ports() {
    sed -E 's/(127\.0\.0\.1:)[0-9]+/\1PORT/' <<<"$output"
}

# These work without the shim and have to go on as they are.
nothing_changes() { # FORM
    local expected
    run bare 60 "$(sample process_forms)" "$SERVER_ADDRESS" "$1"
    assert_success
    expected=$(without_ports)
    works_preloaded "$(sample process_forms)" "$SERVER_ADDRESS" "$1"
    assert_equal "$(without_ports)" "$expected"
    assert_line 'child exit 0'
}

@test "Nothing changes for fork and exec: the program's own descriptors stay open, no others" {
    not_emulated "$EXECUTES_FOREIGN"
    nothing_changes fork-exec
    assert_line 'exec descriptors ok'
}

@test "A child that execs has none of gRPC's descriptors, even if it unmarks close-on-exec" {
    not_emulated "$EXECUTES_FOREIGN"
    run bare 30 "$(sample process_forms)" "$SERVER_ADDRESS" fork-exec-unmarked
    assert_failure
    assert_line --regexp '^exec unknown [0-9]+ socket:'
    assert_line --regexp '^exec unknown [0-9]+ anon_inode:\[eventpoll\]'
    works_preloaded "$(sample process_forms)" "$SERVER_ADDRESS" fork-exec-unmarked
    assert_line 'exec descriptors ok'
}

@test "Nothing changes for vfork and exec" {
    not_emulated "$EXECUTES_FOREIGN"
    nothing_changes vfork-exec
    assert_line 'exec descriptors ok'
}

@test "Nothing changes for posix_spawn()" {
    not_emulated "$EXECUTES_FOREIGN"
    nothing_changes posix-spawn
    assert_line 'exec descriptors ok'
}

@test "Nothing changes for system()" {
    not_emulated "$EXECUTES_FOREIGN"
    nothing_changes system
    assert_line 'exec descriptors ok'
}

@test "Nothing changes for popen()" {
    not_emulated "$EXECUTES_FOREIGN"
    nothing_changes popen
    assert_line 'exec descriptors ok'
}

@test "Nothing changes for a process made by clone() that shares the memory" {
    not_emulated 'makes no processes that share their memory'
    nothing_changes clone-vm
}

# --- descriptors ------------------------------------------------------------------------------

# Without the shim the child has all that gRPC had open.
descriptors() { # SUBJECT
    HARNESS_BACKTRACES=0 run bare 8 "$(sample descriptors)" "$SERVER_ADDRESS" "$1"
    if [[ $output == *'absent from this libc'* ]]; then
        skip "$1 is absent from this libc"
    fi
    assert_failure
    assert_line --regexp '^child grpc_descriptors [1-9]'
    works_preloaded "$(sample descriptors)" "$SERVER_ADDRESS" "$1"
    refute_line --regexp '^child grpc_descriptors [1-9]'
    refute_line --regexp 'own_descriptors_lost [1-9]'
}

@test "fork() closes in the child what gRPC has open, and nothing of the program's" {
    descriptors kinds
    assert_line 'child grpc_descriptors 0'
    assert_line --regexp '^parent grpc_descriptors [1-9]'
    refute_line --partial 'parent changed'
}

@test "A number that gRPC has closed and the program uses now stays open in the child" {
    descriptors freed
}

@test "A number that the program took from gRPC with close() stays open in the child" {
    descriptors close
}

@test "A number that the program took from gRPC with dup2() stays open in the child" {
    descriptors dup2
}

@test "A number that the program took from gRPC with dup3() stays open in the child" {
    descriptors dup3
}

@test "A number that the program took from gRPC with close_range() stays open in the child" {
    descriptors close_range
}

@test "A number that the program took from gRPC with closefrom() stays open in the child" {
    descriptors closefrom
}

@test "Forks while threads open and close descriptors and channels close only gRPC's" {
    descriptors busy
    assert_equal "$(grep -cx 'child exit 0' <<<"$output")" 50
    assert_line 'parent broken 0'
}

# --- a program without gRPC -------------------------------------------------------------------

@test "Nothing changes for a program without gRPC" {
    not_emulated "$EXECUTES_FOREIGN"
    local expected
    run bare 60 "$(sample no_grpc)"
    assert_success
    expected=$output
    run preloaded 60 "$(sample no_grpc)"
    assert_success
    assert_stderr_empty
    assert_equal "$output" "$expected"
    assert_line 'rounds 8000'
    assert_line 'children 50'
}
