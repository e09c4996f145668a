#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# The marks in tables are no commands of the shell.
# shellcheck disable=SC2030,SC2031,SC2016
#
# What scripts and builds rely on (docs/machine-readable.md) is what the command and the library say.

load ../lib/harness

setup_file() {
    # shellcheck source=scripts/lib.bash
    source "$HARNESS_DIRECTORY/../../scripts/lib.bash"
    export ROOT
    export DOCUMENT=$ROOT/docs/machine-readable.md SCHEMA=$ROOT/docs/check.schema.json
    # shellcheck disable=SC2119
    start_server
}

teardown_file() {
    stop_servers
}

setup() {
    unset LD_PRELOAD LD_LIBRARY_PATH PYTHONPATH GEM_HOME GEM_PATH
    grpcforkshim=$(command_line_tool)
    cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
    local -a children
    if [[ -n ${FAMILY-} ]]; then
        exec {family_input}>&-
        # Without the shim its child may not have got so far as to say its pid.
        mapfile -t children < <(ps -o pid= --ppid "$FAMILY")
        kill "$FAMILY" "${children[@]}" 2>/dev/null || true
        wait "$FAMILY" 2>/dev/null || true
    fi
}

form() { # WHAT FILE...
    run /usr/bin/python3 "$HARNESS_DIRECTORY/json_form.py" "$@"
}

# A parent and its child that use gRPC: PARENT and CHILD.
start_family() { # LD_PRELOAD ARGUMENT...
    local preload=$1
    shift
    rm -f input
    mkfifo input
    : >output
    exec {family_input}<>input
    (
        harness_close_descriptors
        exec env ${preload:+LD_PRELOAD="$preload"} "$(sample family)" "$SERVER_ADDRESS" "$@" <input >output 2>&1
    ) &
    FAMILY=$!
    until PARENT=$(sed -n 's/^parent pid //p' output) && CHILD=$(sed -n 's/^child pid //p' output) &&
        [[ -n $PARENT && (-n $CHILD || -z $preload) ]]; do
        kill -0 "$FAMILY"
    done
}

end_family() {
    exec {family_input}>&-
    wait "$FAMILY"
    FAMILY=
}

# The indented part of the document that has these words in it.
example() { # WORDS
    awk -v words="$1" '
        /^    / { block = block substr($0, 5) "\n"; next }
        { if (index(block, words)) printf "%s", block; block = "" }
        END { if (index(block, words)) printf "%s", block }' "$DOCUMENT"
}

# One file for each kind of answer.
answers() {
    local target
    mkdir -p answers packages/grpc/_cython
    printf '__version__ = """1.99.9"""\n' >packages/grpc/_grpcio_metadata.py
    # Any file with a core in it, under the name of an extension.
    cp "$(sample static_client || sample pluck_client)" packages/grpc/_cython/cygrpc.so
    printf '#!/usr/bin/python3\nimport grpc\n' >script
    # It is there, and nothing says that it is used.
    mkdir packages/another
    cp packages/grpc/_cython/cygrpc.so packages/another/library.so
    cp "$(sample unary)" setuid
    chmod u+s setuid
    for target in "$(sample unary)" "$(sample no_grpc)" "$(sample late_loader)" \
        "$GRPCFORKSHIM_BUILD/tests/samples/c/client_plugin.so" script setuid /sbin/ldconfig /nonexistent "$PWD" 1073741823; do
        PYTHONPATH=$PWD/packages "$grpcforkshim" check --json "$target" >"answers/${target//\//%}" || true
    done
    start_family "$(shim)" duplicate
    "$grpcforkshim" check --json "$PARENT" >answers/parent || true
    "$grpcforkshim" check --json "$CHILD" >answers/child || true
    end_family
    start_family ''
    "$grpcforkshim" check --json "$PARENT" >answers/bare || true
}

@test "Whatever check --json is asked for, what it prints has the documented form, and no key is left undocumented" {
    answers
    form valid "$SCHEMA" answers/*
    assert_success
    form complete "$SCHEMA" answers/*
    assert_success
}

@test "The document lists the keys of the schema, with their types and values" {
    form document "$SCHEMA" "$DOCUMENT"
    assert_success
}

@test "A key or a value that is not documented is found" {
    "$grpcforkshim" check --json "$(sample unary)" >answer
    sed '/"core_version": {/d' "$SCHEMA" >schema
    form valid schema answer
    assert_failure
    assert_output --partial "'core_version' was unexpected"
    sed 's/"covered", //' "$SCHEMA" >schema
    form valid schema answer
    assert_failure
    sed '/^| `grpc.cores\[\].release`/d; s/`setgid`//' "$DOCUMENT" >document
    form document "$SCHEMA" document
    assert_failure
    assert_line --partial 'grpc.cores[].release: '
    assert_line --partial 'setgid is not in the document'
}

# The pairs of a report's line, without the numbers.
keys() {
    sed 's/.*\]: report: //; s/=[^ ]*//g'
}

@test "A report has the documented keys, and the states are the documented ones" {
    local documented
    documented=$(sed -n '/^## A report/,$s/^| `\([a-z_]*\)` .*/\1/p' "$DOCUMENT" | paste -sd ' ')
    GRPCFORKSHIM_REPORT=all GRPCFORKSHIM_LOG_FILE=$PWD/log run preloaded 60 "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_equal "$(wc -l <log)" 2
    run keys <log
    assert_line --index 0 "$documented"
    assert_line --index 1 "$documented"
    grep -q ': report: form=1 ' log
    run bash -c "$(example ': report: form=1 /')"
    assert_output '1 forks, 1 children with gRPC'
    # Those that the library has names for are the schema's, whose the document has.
    run python3 -c 'import json, sys; print(*sorted(json.load(open(sys.argv[1]))["properties"]["process"]["properties"]["state"]["enum"]))' "$SCHEMA"
    assert_output "$(find "$ROOT/shim" -name record.h -exec sed -n 's/^ *STATE(\([a-z]*\)).*/\1/p' {} + | sort | paste -sd ' ')"
}

@test "The examples of a build and of a service end as they say" {
    mkdir build
    ln -s "$(sample unary)" build/server
    run bash -c "PATH=${grpcforkshim%/*}:\$PATH; $(example 'check build/server' | head -n 1)"
    assert_success
    run bash -c "set -o pipefail; PATH=${grpcforkshim%/*}:\$PATH; $(example '"absent"')"
    assert_success
    ln -sf "$(sample no_grpc)" build/server
    run bash -c "PATH=${grpcforkshim%/*}:\$PATH; $(example 'check build/server' | head -n 1)"
    assert_failure
    run bash -c "PATH=${grpcforkshim%/*}:\$PATH; $(example '"absent"')"
    assert_success
    ln -sf "$(sample late_loader)" build/server
    run bash -c "PATH=${grpcforkshim%/*}:\$PATH; $(example '"absent"')"
    assert_failure
    # In place of systemctl.
    printf '#!/bin/sh\ncat %q/pid\n' "$PWD" >systemctl
    chmod +x systemctl
    start_family "$(shim)" duplicate
    for process in "$PARENT" "$CHILD"; do
        echo "$process" >pid
        run bash -c "PATH=$PWD:${grpcforkshim%/*}:\$PATH; $(example systemctl)"
        assert_output "$([[ $process == "$PARENT" ]] && echo true || echo false)"
    done
}

# Prints the documented rows: COMMAND|STATUS|TEXT.
documented_statuses() {
    sed -n '/^## Exit statuses/,/^## A build/s/^| \([a-z]*\) | \([0-9a-z ]*\) | \(.*\) |$/\1|\2|\3/p' "$DOCUMENT"
}

ends_with() { # STATUS COMMAND...
    local expected=$1 status=0
    shift
    "$@" || status=$?
    [[ $status -eq $expected ]] || exit 200
}

# Does what ends with that status.
provoke() { # COMMAND|STATUS
    local program
    case $1 in
    'check|0') "$grpcforkshim" check "$(sample unary)" ;;
    'check|1')
        start_family "$(shim)" duplicate
        "$grpcforkshim" check "$CHILD"
        ;;
    'check|2') "$grpcforkshim" check "$(sample no_grpc)" ;;
    'check|3')
        # Both that it can't tell and that it can't write.
        ends_with 3 "$grpcforkshim" check "$(sample unary)" >/dev/full
        ends_with 3 "$grpcforkshim" check --json "$(sample unary)" >/dev/full
        "$grpcforkshim" check /nonexistent
        ;;
    'run|125') "$grpcforkshim" run --library /nonexistent true ;;
    'run|126')
        : >plain
        "$grpcforkshim" run ./plain
        ;;
    'run|127') "$grpcforkshim" run /nonexistent ;;
    'run|any other') "$grpcforkshim" run sh -c 'exit 93' ;;
    'systemd|0')
        program=$(find /lib/systemd/system -name '*.service' -type f | head -n 1)
        "$grpcforkshim" systemd --dry-run "${program##*/}"
        ;;
    'systemd|1') "$grpcforkshim" systemd --dry-run no-such-unit ;;
    'any|64')
        for program in '' run check systemd nonsense; do
            # shellcheck disable=SC2086
            ends_with 64 "$grpcforkshim" $program
        done
        return 64
        ;;
    *) return 200 ;;
    esac
}

@test "Each documented exit status comes, and the manual page has the same table" {
    local command expected
    [[ -n $(find /lib/systemd/system -name '*.service' -type f) ]] || skip 'there is no service here'
    while IFS='|' read -r command expected _; do
        run provoke "$command|$expected"
        [[ $expected != 'any other' ]] || expected=93
        assert_equal "$command $status" "$command $expected"
        teardown
        FAMILY=
    done < <(documented_statuses)
    run documented_statuses
    assert_equal "${#lines[@]}" 11
    assert_output "$(sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EXAMPLES/s/^\.It \([a-z]*\) Ta \([0-9a-z ]*\) Ta \(.*\)$/\1|\2|\3/p' "$ROOT/man/grpcforkshim.1")"
}
