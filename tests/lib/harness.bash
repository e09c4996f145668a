# The bats harness.  Every .bats file begins with `load ../lib/harness`.
#
#   start_server [SERVER OPTION...]   SERVER_ADDRESS, SERVER_ADDRESSES (array), SERVER_PID
#   stop_servers                      ends every server that this shell has started
#   make_certificates                 CERTIFICATES: a directory with ca, server and client
#   bare SECONDS PROGRAM [ARG...]       runs PROGRAM without the shim
#   preloaded SECONDS PROGRAM [ARG...]  runs PROGRAM under the shim
#   sample NAME                       prints the path of a built sample program
#   command_line_tool                 prints the path of the grpcforkshim command
#   shim                              prints the path of the shared library
#   assert_fails_after REGEXP         the last bare program came to no good end after this line
#   assert_stderr_empty               the last bare or preloaded program wrote nothing to stderr
#   not_emulated REASON               skips the test in an emulator (scripts/aarch64)
#   not_sanitized REASON [KIND]       skips the test with a sanitizer, or that one (scripts/sanitize)
#   value KEY                         prints the value of the first line `KEY VALUE` of $output
#
# start_server and make_certificates export what they set, so setup_file may call them.
#
# shellcheck shell=bash

# A directory that lasts as long as the bats run.  bats 1.2 has none, so there scripts/test gives it.
harness_run_directory() {
    if [[ -n ${HARNESS_RUN_DIRECTORY-} ]]; then
        echo "$HARNESS_RUN_DIRECTORY"
    elif [[ -n ${BATS_RUN_TMPDIR-} ]]; then
        echo "$BATS_RUN_TMPDIR"
    elif [[ -n ${BATS_SUITE_TMPDIR-} ]]; then
        echo "$BATS_SUITE_TMPDIR"
    else
        mktemp -d "${BATS_TMPDIR:-${TMPDIR:-/tmp}}/grpcforkshim.XXXXXX"
    fi
}
HARNESS_RUN_DIRECTORY=$(harness_run_directory)
export HARNESS_RUN_DIRECTORY

if [[ -z ${BATS_TEST_TMPDIR-} ]]; then
    BATS_TEST_TMPDIR=$(mktemp -d "$HARNESS_RUN_DIRECTORY/test.XXXXXX")
fi

HARNESS_STDERR=$BATS_TEST_TMPDIR/stderr

HARNESS_DIRECTORY=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib/programs.bash
source "$HARNESS_DIRECTORY/programs.bash"

if declare -F bats_load_library >/dev/null &&
    bats_load_library bats-support 2>/dev/null && bats_load_library bats-assert 2>/dev/null; then
    :
elif [[ -e /usr/lib/bats/bats-assert/load.bash ]]; then
    load /usr/lib/bats/bats-support/load.bash
    load /usr/lib/bats/bats-assert/load.bash
else
    # shellcheck source=tests/lib/assert.bash
    source "$HARNESS_DIRECTORY/assert.bash"
fi

# Reasons that several files have.
# shellcheck disable=SC2034
EMULATOR_HANGS='hangs itself in a fork while threads make threads'
# shellcheck disable=SC2034
EMULATOR_WIPES_NOTHING='does not wipe the pages that are to be wiped at fork'

not_emulated() { # REASON
    [[ -z ${HARNESS_EMULATOR-} ]] || skip "the emulator $1"
}

not_sanitized() { # REASON [KIND]
    [[ -z ${HARNESS_SANITIZER-} || $HARNESS_SANITIZER != "${2-$HARNESS_SANITIZER}" ]] || skip "a sanitizer $1"
}

# --- assertions ---------------------------------------------------------------------------------

# What becomes of a program without the shim is chance: it hangs, or one of its processes crashes, or
# a call fails or goes over another process's connection. So nothing more is certain than that what it
# does before the fork is well, and the whole is not.
assert_fails_after() { # REGEXP
    # shellcheck disable=SC2119
    assert_failure
    [[ $status -eq 124 ]] || assert_line --regexp "$1"
}

assert_stderr_empty() {
    if [[ ! -e $BATS_TEST_TMPDIR/stderr ]]; then
        fail 'no program has run'
        return 1
    fi
    if [[ -s $BATS_TEST_TMPDIR/stderr ]]; then
        {
            echo '-- standard error is not empty --'
            cat "$BATS_TEST_TMPDIR/stderr"
            echo '--'
        } | fail
        return 1
    fi
}

value() { # KEY
    local line
    while IFS= read -r line; do
        if [[ $line == "$1 "* ]]; then
            echo "${line#"$1 "}"
            return 0
        fi
    done <<<"${output-}"
    return 1
}
