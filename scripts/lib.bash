# What all scripts share.
#
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# The build directory, for the scripts and for the test harness.
: "${GRPCFORKSHIM_BUILD:=${HARNESS_BUILD:-$ROOT/build}}"

# The comment at the head of a script is its --help.
usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
}

say() {
    printf '== %s\n' "$*" >&2
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

wrong_usage() {
    printf '%s: %s\n\n' "${0##*/}" "$*" >&2
    usage >&2
    exit 2
}

# Sets HARNESS_RUN_DIRECTORY, removed when the script ends, and defines the harness' functions.
use_programs() {
    HARNESS_RUN_DIRECTORY=$(mktemp -d "${TMPDIR:-/tmp}/grpcforkshim.XXXXXX")
    export HARNESS_RUN_DIRECTORY GRPCFORKSHIM_BUILD
    trap 'rm -rf -- "$HARNESS_RUN_DIRECTORY"' EXIT
    # shellcheck source=tests/lib/programs.bash
    source "$ROOT/tests/lib/programs.bash"
}

# What a run of scripts/test came to, in one line: 'N passed, N failed' and perhaps ', N skipped'.
result_of_test() { # LOG
    tail -n 2 "$1" | sed -n '/^[0-9]* skipped$/h; /^[0-9]* passed/{G; s/\n\(.\)/, \1/; s/\n$//; p}'
}

# Prints the versions of glibc's symbols that a program or library needs and glibc 2.17 does not have.
newer_than_old_glibc() { # FILE
    LC_ALL=C readelf --wide --version-info "$1" | sed -n 's/.* Name: \(GLIBC_[^ ]*\).*/\1/p' | sort -Vu |
        sed '/^GLIBC_2\.\([0-9]\|1[0-7]\)\(\.[0-9]*\)*$/d'
}
