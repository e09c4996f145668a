#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# Locks of the C library and the loader that a thread of the parent holds at the fork.

load ../lib/harness
load ../samples/c/expectations

setup_file() {
    start_server
}

teardown_file() {
    stop_servers
}

# A child that only does what needs the lock, without gRPC, hangs: the lock is held, and glibc does
# not free it.
lock_is_held() { # LOCK
    HARNESS_BACKTRACES=0 run bare 60 "$(sample held_lock)" none "$1" "$(sample loaded.so)"
    assert_line 'child 1 of 10 exit 142'
}

children_pass() { # LOCK
    works_preloaded "$(sample held_lock)" "$SERVER_ADDRESS" "$1" "$(sample loaded.so)"
    assert_line 'children 10'
}

child_passes() { # LOCK
    not_sanitized 'has an allocator of its own'
    lock_is_held "$1"
    children_pass "$1"
}

@test "A child calls and exits though a thread of its parent is in atexit()" {
    child_passes exit-list
}

@test "A child calls and exits though a thread of its parent is in on_exit()" {
    child_passes status-exit-list
}

@test "A child calls and exits though a thread of its parent is in at_quick_exit()" {
    child_passes quick-exit-list
}

@test "A child calls and exits though a thread of its parent is in exit()" {
    not_sanitized 'has an allocator of its own'
    # It has a lock since glibc 2.41.
    children_pass exit
}

@test "A child gets an error's text though a thread of its parent is in setlocale()" {
    child_passes locale
}

@test "A child gets an error's text though a thread of its parent is in bindtextdomain()" {
    child_passes messages
}

@test "A child gets the local time though a thread of its parent is in tzset()" {
    not_emulated 'is of an architecture where this lock is not found'
    export TZ=Europe/Berlin
    child_passes time-zone
}

@test "A child loads a library though a thread of its parent is in dl_iterate_phdr()" {
    child_passes loader
}

@test "A child of a raw clone() calls and exits though a thread of its parent is in atexit()" {
    not_emulated "$EMULATOR_WIPES_NOTHING"
    not_sanitized 'has an allocator of its own'
    works_preloaded "$(sample held_lock)" "$SERVER_ADDRESS" exit-list "$(sample loaded.so)" clone
    assert_line 'children 10'
}

@test "A child of a raw clone() loads a library though a thread of its parent is in dl_iterate_phdr()" {
    not_emulated "$EMULATOR_WIPES_NOTHING"
    not_sanitized 'has an allocator of its own'
    works_preloaded "$(sample held_lock)" "$SERVER_ADDRESS" loader "$(sample loaded.so)" clone
    assert_line 'children 10'
}

# Also where an entry of a list is half written.
each_instruction() { # WORK EVERY [CHILDREN]
    sample each_instruction >/dev/null 2>&1 || skip 'this processor has no trap flag'
    not_sanitized 'makes many instructions of few'
    works_preloaded "$(sample each_instruction)" "$SERVER_ADDRESS" "$1" "$2" "$(sample loaded.so)"
    [[ $(value children) -ge ${3-20} ]]
}

@test "A child calls and exits whatever instruction of atexit() a thread of its parent is at" {
    each_instruction atexit 1
}

@test "A child calls and exits whatever instruction of on_exit() a thread of its parent is at" {
    each_instruction on_exit 1
}

@test "A child calls and exits whatever instruction of at_quick_exit() a thread of its parent is at" {
    each_instruction at_quick_exit 1
}

@test "A child calls and exits though a thread of its parent takes a library's exit functions out" {
    each_instruction finalize 9
}

@test "A child calls and exits though a thread of its parent changes the loader's list of libraries" {
    # glibc ends such a child at exit(), with "Inconsistency detected by ld.so".
    each_instruction dlclose 1 2
}

@test "Grandchildren call that were forked while another thread of the child made its first call" {
    not_emulated "$EMULATOR_HANGS"
    not_sanitized 'has an allocator of its own'
    works_preloaded "$(sample first_call_forks)" "$SERVER_ADDRESS" 10 8
    assert_line 'grandchildren 80'
    assert_line 'failed 0'
}
