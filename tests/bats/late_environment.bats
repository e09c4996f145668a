#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# gRPC reads its environment when it is first initialised, and a program may set that until then. So nothing of
# gRPC may run before the program itself lets it.

load ../lib/harness
load ../lib/python
load ../samples/ruby/expectations

setup() {
    not_emulated 'is slow, and has neither Python nor Ruby'
}

# What differs between two runs of the same program: the time, numbers of threads, addresses.
lines_of() { # FILE
    sed -E 's/^[DIEW][0-9]+ [0-9:.]+ +[0-9]+ //; s/0x[0-9a-f]+/ADDRESS/g' "$1" | sort -u
}

# Threads of gRPC's say more or less until the program ends: under the shim, a program says what it says each
# time without it, and nothing that it does not say at one time or another.
says_the_same() { # PROGRAM [ARG...]
    local i directory=$BATS_TEST_TMPDIR
    : >"$directory/ever"
    for i in 1 2 3; do
        run bare 60 "$@"
        assert_success
        lines_of "$directory/stderr" >"$directory/lines"
        [[ $i -gt 1 ]] || cp "$directory/lines" "$directory/always"
        comm -12 "$directory/always" "$directory/lines" >"$directory/both"
        mv "$directory/both" "$directory/always"
        sort -u "$directory/ever" "$directory/lines" >"$directory/any"
        mv "$directory/any" "$directory/ever"
    done
    run preloaded 60 "$@"
    assert_success
    lines_of "$directory/stderr" >"$directory/lines"
    echo '# missing, and too much'
    run comm -23 "$directory/always" "$directory/lines"
    refute_output
    run comm -13 "$directory/ever" "$directory/lines"
    refute_output
}

# The program's settings counted.
assert_traced() {
    grep -q 'grpc_init(' "$BATS_TEST_TMPDIR/always" || fail 'nothing is traced without the shim either'
}

# With what would be said if gRPC was initialised.
says_nothing() { # PROGRAM [ARG...]
    GRPC_VERBOSITY=debug GRPC_TRACE=api,nonsense says_the_same "$@"
    assert_equal "$(cat "$BATS_TEST_TMPDIR/always")" loaded
}

@test "A program in C sets its environment before it initialises gRPC, whatever it has called before" {
    local first
    for first in nothing lookup credentials tls quota slice version; do
        echo "# $first"
        says_the_same "$(sample late_environment)" "$first"
        assert_traced
    done
}

@test "What a program in C has set by the API before it initialises gRPC outdoes its environment" {
    says_the_same "$(sample late_environment)" verbosity
}

@test "A program in C that asks whether gRPC is initialised is told what it is told without the shim" {
    says_the_same "$(sample late_environment)" initialized
    assert_equal "$(preloaded 60 "$(sample late_environment)" initialized 2>/dev/null)" 'initialized 0'
}

@test "A program in C++ sets its environment before it uses gRPC" {
    says_the_same "$(sample late_environment_cpp)"
    assert_traced
}

@test "A program in Python sets its environment after it has imported grpc" {
    local grpcio grpcios
    grpcios=$(python_grpcios)
    for grpcio in $grpcios; do
        echo "# $grpcio"
        says_the_same "$(python_with "$grpcio")" "$(python_sample late_environment)"
    done
    # Newer ones read it when they are imported.
    says_the_same "$DEBIAN_PYTHON" "$(python_sample late_environment)"
    assert_traced
}

@test "A program in Ruby sets its environment after it has required gRPC" {
    needs_ruby
    says_the_same "${RUBY[@]}" "$(ruby_sample late_environment)"
    assert_traced
}

@test "gRPC says nothing in a program that has loaded it and does not use it" {
    says_nothing "$(sample late_environment)" silent
    says_nothing "$(sample late_environment_cpp)" silent
    says_nothing "$DEBIAN_PYTHON" "$(python_sample late_environment)" silent
    needs_ruby
    says_nothing "${RUBY[@]}" "$(ruby_sample late_environment)" silent
}

@test "No function of gRPC's is called before the program calls grpc_init() but those that it calls itself" {
    local expected
    run bare 60 "$(sample telling_grpc_client)"
    assert_success
    assert_line 'gRPC grpc_insecure_credentials_create'
    expected=${output%%program init*}
    run preloaded 60 "$(sample telling_grpc_client)"
    assert_success
    assert_line 'gRPC grpc_init'
    assert_equal "${output%%program init*}" "$expected"
}
