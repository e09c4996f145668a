# The assertions that the tests use, for systems without bats-support and bats-assert.
#
# shellcheck shell=bash

fail() {
    if [[ $# -eq 0 ]]; then
        cat >&2
    else
        printf '%s\n' "$*" >&2
    fi
    return 1
}

assert_report() { # TITLE [KEY VALUE]...
    echo "-- $1 --"
    shift
    while [[ $# -gt 0 ]]; do
        printf '%s : %s\n' "$1" "$2"
        shift 2
    done
    echo '--'
}

assert() {
    "$@" || assert_report 'assertion failed' expression "$*" | fail
}

refute() {
    if "$@"; then
        assert_report 'assertion succeeded, but it was expected to fail' expression "$*" | fail
    fi
}

assert_equal() {
    [[ $1 == "$2" ]] || assert_report 'values do not equal' expected "$2" actual "$1" | fail
}

assert_success() {
    # shellcheck disable=SC2154
    [[ $status -eq 0 ]] || assert_report 'command failed' status "$status" output "$output" | fail
}

assert_failure() {
    if [[ $status -eq 0 ]]; then
        assert_report 'command succeeded, but it was expected to fail' output "$output" | fail
    elif [[ $# -gt 0 && $status -ne $1 ]]; then
        assert_report 'command failed as expected, but status differs' \
            expected "$1" actual "$status" output "$output" | fail
    fi
}

assert_matches() { # WAY TEXT PATTERN
    case $1 in
    partial) [[ $2 == *"$3"* ]] ;;
    regexp) [[ $2 =~ $3 ]] ;;
    *) [[ $2 == "$3" ]] ;;
    esac
}

# Sets way, index and pattern from the options of assert_output and assert_line.
assert_options() {
    way=equal index='' pattern=''
    while [[ $# -gt 0 ]]; do
        case $1 in
        -p | --partial) way=partial ;;
        -e | --regexp) way=regexp ;;
        -n | --index)
            index=$2
            shift
            ;;
        -)
            pattern=$(cat)
            return 0
            ;;
        --)
            pattern=${2-}
            return 0
            ;;
        *)
            pattern=$1
            return 0
            ;;
        esac
        shift
    done
    way=any
}

assert_output() {
    local way index pattern
    assert_options "$@"
    if [[ $way == any ]]; then
        [[ -n $output ]] || fail 'there is no output'
    else
        assert_matches "$way" "$output" "$pattern" ||
            assert_report 'output differs' "expected ($way)" "$pattern" actual "$output" | fail
    fi
}

refute_output() {
    local way index pattern
    assert_options "$@"
    if [[ $way == any ]]; then
        [[ -z $output ]] || assert_report 'output not empty, but it was expected to be' output "$output" | fail
    elif assert_matches "$way" "$output" "$pattern"; then
        assert_report 'output matches, but it was expected to differ' \
            "refused ($way)" "$pattern" actual "$output" | fail
    fi
}

assert_any_line() { # WAY INDEX PATTERN
    local line
    if [[ -n $2 ]]; then
        # shellcheck disable=SC2154
        assert_matches "$1" "${lines[$2]-}" "$3"
        return
    fi
    for line in "${lines[@]}"; do
        assert_matches "$1" "$line" "$3" && return 0
    done
    return 1
}

assert_line() {
    local way index pattern
    assert_options "$@"
    assert_any_line "$way" "$index" "$pattern" ||
        assert_report 'output does not contain line' "line ($way)" "$pattern" output "$output" | fail
}

refute_line() {
    local way index pattern
    assert_options "$@"
    if assert_any_line "$way" "$index" "$pattern"; then
        assert_report 'line should not be in output' "line ($way)" "$pattern" output "$output" | fail
    fi
}
