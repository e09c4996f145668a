#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# What happens with a gRPC that the shim has never seen: it is protected if all that the shim takes
# for granted holds, and left alone with one line that says what does not. tests/samples/unknown has
# the libraries.

load ../lib/harness

client() { # LIBRARY [OTHER LIBRARY]
    run preloaded 60 "$(sample unknown_client)" "$(sample "librpc_$1.so")" ${2+"$(sample "lib$2.so")"}
    assert_success
    assert_equal "$(grep -cx 'parent channel own' <<<"$output")" 2
    # Whatever is done about it, in all of them it is initialised.
    refute_line --partial 'initialised 0'
}

runs_as_without() { # REASON
    assert_line 'child channel inherited'
    assert_line 'grandchild channel inherited'
    run cat "$BATS_TEST_TMPDIR/stderr"
    assert_equal "${#lines[@]}" 1
    assert_line --regexp "^grpcforkshim\[[0-9]+\]: gRPC in .* is not protected, .*$1.*, forked children"
}

@test "Without the shim a child uses the channel of its parent, and works in none of these libraries" {
    local library
    for library in plain other_code state_elsewhere state_partly lacking state_unique split; do
        run bare 60 "$(sample unknown_client)" "$(sample "librpc_$library.so")"
        assert_success
        assert_line 'child channel inherited'
        assert_line 'grandchild channel inherited'
    done
}

@test "A gRPC of another name and version is protected, for it is like the others" {
    client plain
    assert_line 'child channel own'
    assert_line 'grandchild channel own'
    assert_stderr_empty
}

# What the loader makes of a static of an inline function.
@test "A gRPC part of whose state is in the library that was loaded before it is protected" {
    client state_unique unknown_unique
    assert_line 'child channel own'
    assert_line 'grandchild channel own'
    assert_stderr_empty
}

destroyed() { # WHAT...
    local what
    for what in "$@"; do
        grep -cx "destroyed $what" <<<"$output"
    done
}

@test "Without the shim each process destroys at its end what gRPC has in static storage" {
    run bare 60 "$(sample unknown_client)" "$(sample librpc_statics.so)"
    assert_success
    run destroyed loaded 'loaded foreign' used 'used foreign'
    assert_output $'3\n3\n3\n3'
}

# What is not gRPC's own code does something for the program: that of std::ios_base::Init writes what
# std::cout holds.
@test "Only the process that loaded gRPC destroys what gRPC has in static storage" {
    client statics
    assert_line 'grandchild channel own'
    assert_stderr_empty
    # The parent alone, after it reported for the second time.
    run awk '/^parent channel own$/ { reports++ } /^destroyed (loaded|used)$/ { print reports, $2 }' <<<"$output"
    assert_output $'2 used\n2 loaded'
}

@test "Nor does a child destroy it where gRPC was loaded before the shim's constructor ran" {
    HARNESS_PRELOAD_LAST=${HARNESS_PRELOAD_LAST:+$HARNESS_PRELOAD_LAST:}$(sample librpc_statics.so) \
        client statics
    assert_line 'grandchild channel own'
    assert_stderr_empty
    run destroyed loaded 'loaded foreign' used 'used foreign'
    assert_output $'1\n3\n1\n3'
}

@test "A gRPC inside of a library that has something else to do, too, is left alone" {
    client other_code
    runs_as_without 'together with other code'
}

@test "A gRPC whose data is laid out in an unknown way is left alone" {
    local library
    library=$(sample librpc_more_data.so 2>/dev/null) || skip 'no such layout on this architecture'
    # It has two writable segments, which is what the test is about.
    run bash -c "LC_ALL=C readelf --wide --segments '$library' | grep -c 'LOAD.* RW '"
    assert_output 2
    client more_data
    runs_as_without 'not laid out'
}

@test "A gRPC whose state is not in its own data is left alone" {
    client state_elsewhere
    runs_as_without 'changed none of the data'
}

@test "A gRPC that does not read as uninitialised after its data was put back gets it back" {
    client state_partly
    runs_as_without 'does not read as uninitialised'
}

@test "A gRPC that lacks what all have had is left alone" {
    client lacking
    runs_as_without 'lacks functions'
}

@test "A gRPC that is spread over several libraries is left alone" {
    client split
    runs_as_without 'spread over images'
}
