#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# Other allocators than libc's. Their own at-fork handlers lock them, and which run before the shim's depends
# on where an allocator comes in: preloaded before the shim, or behind it, or linked in.
#
# The programs fork before, during and after the process's first use of gRPC, and while it is loaded. Without the
# shim only the children of a parent that has used it fail.

load ../lib/harness
load ../lib/preload
load ../lib/python
load ../samples/ruby/expectations

setup_file() {
    start_server
}

teardown_file() {
    stop_servers
}

setup() {
    not_emulated 'has none of them'
    not_sanitized 'has one of its own'
}

works_bare() {
    assert_success
    refute_line --partial FAILED
    refute_line --regexp '^(during failed|child exit) [1-9]'
}

works() {
    works_bare
    assert_stderr_empty
}

# Preloaded in each place. What a program is told to do without the shim comes first; with it, what is behind
# the bar as well.
preloaded_in_each_place() { # ALLOCATOR PROGRAM [ARG...] '|' ARG...
    local allocator=$1 way
    local -a program=() more=()
    shift
    needs_allocator "$allocator"
    while [[ $1 != '|' ]]; do
        program+=("$1")
        shift
    done
    shift
    more=("$@")
    # With upstream's own handlers, which its wheels have on, a child that is forked during the first call may
    # end by a failed check (1.85.1: 1 of some 40 programs).
    GRPC_ENABLE_FORK_SUPPORT=0 run with_allocator alone "$allocator" 60 "${program[@]}"
    works_bare
    for way in first last; do
        echo "# $way"
        run with_allocator "$way" "$allocator" 60 "${program[@]}" "${more[@]}"
        works
    done
}

in_c() { # ALLOCATOR
    local linked
    preloaded_in_each_place "$1" "$(sample fork_phases)" "$SERVER_ADDRESS" before during '|' during-used after
    echo '# linked in'
    linked=$(sample "fork_phases_$1")
    run bare 60 "$linked" "$SERVER_ADDRESS" before during
    works_bare
    run preloaded 60 "$linked" "$SERVER_ADDRESS" before during during-used after
    works
}

loading() { # ALLOCATOR
    preloaded_in_each_place "$1" "$(sample loading_forks)" "$SERVER_ADDRESS" "$(sample client_plugin.so)" '|' used
}

in_cpp() { # ALLOCATOR
    preloaded_in_each_place "$1" "$(sample first_use)" "$SERVER_ADDRESS" --until during '|' --until after
}

in_python() { # ALLOCATOR
    local grpcio
    for grpcio in debian "$(python_newest_wheel)"; do
        preloaded_in_each_place "$1" "$(python_with "$grpcio")" "$(python_sample fork_phases)" "$SERVER_ADDRESS" \
            before during '|' after
    done
}

in_ruby() { # ALLOCATOR
    needs_ruby
    preloaded_in_each_place "$1" "${RUBY[@]}" "$(ruby_sample fork_phases)" "$SERVER_ADDRESS" before during '|' after
}

@test "A program in C with jemalloc forks before, during and after its first use of gRPC" {
    in_c jemalloc
}

@test "A program in C with tcmalloc forks before, during and after its first use of gRPC" {
    in_c tcmalloc
}

@test "A program in C with the minimal tcmalloc forks before, during and after its first use of gRPC" {
    in_c tcmalloc_minimal
}

@test "A program in C with mimalloc forks before, during and after its first use of gRPC" {
    in_c mimalloc
}

@test "A program in C++ with jemalloc forks before, during and after its first use of gRPC" {
    in_cpp jemalloc
}

@test "A program in C++ with tcmalloc forks before, during and after its first use of gRPC" {
    in_cpp tcmalloc
}

@test "A program in C++ with the minimal tcmalloc forks before, during and after its first use of gRPC" {
    in_cpp tcmalloc_minimal
}

@test "A program in C++ with mimalloc forks before, during and after its first use of gRPC" {
    in_cpp mimalloc
}

@test "A program in Python with jemalloc forks before, during and after its first use of gRPC" {
    in_python jemalloc
}

@test "A program in Python with tcmalloc forks before, during and after its first use of gRPC" {
    in_python tcmalloc
}

@test "A program in Python with the minimal tcmalloc forks before, during and after its first use of gRPC" {
    in_python tcmalloc_minimal
}

@test "A program in Python with mimalloc forks before, during and after its first use of gRPC" {
    in_python mimalloc
}

@test "A program in Ruby with jemalloc forks before, during and after its first use of gRPC" {
    in_ruby jemalloc
}

@test "A program in Ruby with tcmalloc forks before, during and after its first use of gRPC" {
    in_ruby tcmalloc
}

@test "A program in Ruby with the minimal tcmalloc forks before, during and after its first use of gRPC" {
    in_ruby tcmalloc_minimal
}

@test "A program in Ruby with mimalloc forks before, during and after its first use of gRPC" {
    in_ruby mimalloc
}

@test "A program with jemalloc forks while another thread loads gRPC" {
    loading jemalloc
}

@test "A program with tcmalloc forks while another thread loads gRPC" {
    loading tcmalloc
}

@test "A program with the minimal tcmalloc forks while another thread loads gRPC" {
    loading tcmalloc_minimal
}

@test "A program with mimalloc forks while another thread loads gRPC" {
    loading mimalloc
}
