#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# What docs/containers.md says, as far as it needs no engine: scripts/containers builds and runs its images.

load ../lib/harness

setup_file() {
    # shellcheck source=scripts/lib.bash
    source "$HARNESS_DIRECTORY/../../scripts/lib.bash"
    export ROOT
    # shellcheck disable=SC2119
    start_server
}

teardown_file() {
    stop_servers
}

# A root directory with these files, and with what the loader needs for them; each has the path that it
# has here.
make_image() { # DIRECTORY FILE...
    local directory=$1 file
    shift
    for file in "$@" $(ldd "$@" | grep -o '/[^ ]*[^: ]'); do
        mkdir -p "$directory${file%/*}"
        [[ -d $file ]] || cp --dereference "$file" "$directory$file"
    done
    mkdir -p "$directory/etc" "$directory/proc"
    echo '127.0.0.1 localhost' >"$directory/etc/hosts"
}

@test "In an image without a shell, and with nothing else in it either, a program works with the library" {
    [[ $EUID -eq 0 ]] || skip 'another root directory needs root'
    local image=$BATS_TEST_TMPDIR/image proc
    make_image "$image" "$(sample unary)" "$(shim)"
    [[ ! -e $image/bin/sh && ! -e $image/usr/bin ]]
    run bare 20 chroot "$image" "$(sample unary)" "$SERVER_ADDRESS" --deadline-after-fork 2
    assert_failure
    assert_line 'parent status 0'
    # As in every container, and without.
    for proc in mounted absent; do
        run preloaded 60 unshare --mount --pid --fork sh -c "
            [ $proc = absent ] || mount -t proc proc '$image/proc'
            exec chroot '$image' '$(sample unary)' '$SERVER_ADDRESS'"
        assert_success
        assert_stderr_empty
        assert_line 'child status 0'
        assert_line 'parent after status 0'
        refute test "$(value 'child peer')" = "$(value 'parent peer')"
    done
}

@test "In such an image the command says what it says elsewhere" {
    [[ $EUID -eq 0 ]] || skip 'another root directory needs root'
    local image=$BATS_TEST_TMPDIR/image
    make_image "$image" "$(sample unary)" "$(sample no_grpc)" "$(command_line_tool)"
    run chroot "$image" "$(command_line_tool)" check "$(sample unary)"
    assert_success
    assert_line --index 0 --partial ': covered: '
    run chroot "$image" "$(command_line_tool)" check "$(sample no_grpc)"
    assert_failure 2
}

@test "Whatever of the document can be run is marked as tried, and scripts/containers tries it" {
    local mark
    run awk '/^```(dockerfile|yaml)$/ && previous !~ /^<!-- tried: [a-z-]+ -->$/ { print FNR } { previous = $0 }' \
        "$ROOT/docs/containers.md"
    assert_output ''
    run sed -n 's/^<!-- tried: \(.*\) -->$/\1/p' "$ROOT/docs/containers.md"
    assert [ "${#lines[@]}" -ge 6 ]
    for mark in "${lines[@]}"; do
        grep -Eq "(part|build_part [^ ]+) $mark\b" "$ROOT/scripts/containers" || fail "$mark is not tried"
    done
}
