# Libraries that tests preload beside the shim.  After harness.bash.
#
#   beside_shim NAME                          prints the path of one of tests/preload
#   guarded SECONDS PROGRAM [ARG...]          runs PROGRAM under the shim, whose at-fork handlers are watched
#   assert_guarded FORKS                      prepare and parent ran so often at least, child once; nothing that
#                                             they must not do was done; stderr is empty
#   allocator NAME                            prints the path of that allocator's library
#   needs_allocator NAME                      skips the test where there is none
#   with_allocator first|last|alone NAME SECONDS PROGRAM [ARG...]
#                                             runs PROGRAM with it preloaded before the shim, behind it, or
#                                             without the shim
#
# shellcheck shell=bash disable=SC2154

beside_shim() { # NAME
    local path=$GRPCFORKSHIM_BUILD/tests/preload/$1.so
    [[ -r $path ]] || harness_die "$path is not built" || return 1
    echo "$path"
}

# --- what the handlers do -----------------------------------------------------------------------

guarded() { # SECONDS PROGRAM [ARG...]
    local guard
    guard=$(beside_shim handler_guard) || return 1
    rm -f "$BATS_TEST_TMPDIR/handlers"
    HANDLER_GUARD_COUNTS=$BATS_TEST_TMPDIR/handlers HARNESS_PRELOAD_LAST=$guard preloaded "$@"
}

# The numbers are those of handler_guard.c.
assert_guarded() { # FORKS
    local prepare parent child stack
    refute grep -s '^handler_guard: ' "$BATS_TEST_TMPDIR/stderr"
    read -r prepare parent child stack < <(od -An -t u8 -w48 "$BATS_TEST_TMPDIR/handlers")
    [[ $prepare -ge $1 ]] || fail "prepare ran $prepare times, not $1"
    [[ $parent -ge $1 ]] || fail "parent ran $parent times, not $1"
    [[ $child -ge 1 ]] || fail 'child ran in no process'
    echo "# bytes of stack in prepare, parent and child: $stack"
}

# --- allocators ---------------------------------------------------------------------------------

allocator() { # NAME
    # awk reads to the end: ldconfig would complain of a reader that has gone.
    ldconfig -p | awk -v name="lib$1.so." 'index($1, name) == 1 && !found { found = $NF } END { print found; exit !found }'
}

needs_allocator() { # NAME
    allocator "$1" >/dev/null || skip "there is no $1"
}

with_allocator() { # first|last|alone NAME SECONDS PROGRAM [ARG...]
    local way=$1 library
    library=$(allocator "$2") || return 1
    shift 2
    case $way in
    first) HARNESS_PRELOAD_FIRST=$library preloaded "$@" ;;
    last) HARNESS_PRELOAD_LAST=$library preloaded "$@" ;;
    alone) harness_run "$library" "$@" ;;
    esac
}
