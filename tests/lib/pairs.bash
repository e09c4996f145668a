# Pairs: a program without the shim, and the same under it. After harness.bash.
#
#   pair NAME PROGRAM [ARG...]   notes a program
#   pairs_of DIRECTORY SUFFIX EXCEPT...
#                                fails, and names them, if there are files in DIRECTORY whose names, without
#                                SUFFIX, are neither in a pair's command nor among EXCEPT
#   assert_no_worse              runs all that were noted without the shim, some at a time, and under the shim
#                                what ended well without it; fails, and says how, if anything does not end well
#                                then
#
# What ends well without the shim is a matter of chance for some: fewer are asked for then.
#
# shellcheck shell=bash

# How long a program may take without the shim, where many hang, and under it.
: "${PAIRS_SECONDS:=6}"
: "${PAIRS_PRELOADED_SECONDS:=60}"

pair_names=()
declare -gA pair_commands=()

pair() { # NAME PROGRAM [ARG...]
    local name=$1
    shift
    [[ -z ${pair_commands[$name]-} ]] || harness_die "two pairs $name" || return 1
    pair_names+=("$name")
    pair_commands[$name]=${*@Q}
}

pairs_of() { # DIRECTORY SUFFIX EXCEPT...
    local file name directory=$1 suffix=$2 missing=()
    shift 2
    for file in "$directory"/*"$suffix"; do
        name=$(basename "$file" "$suffix")
        if [[ " $* " != *" $name "* && "${pair_commands[*]}" != *"/$name$suffix'"* &&
            "${pair_commands[*]}" != *"/$name'"* ]]; then
            missing+=("$name")
        fi
    done
    [[ ${#missing[@]} -eq 0 ]] || fail "without a pair: ${missing[*]}"
}

pair_run() { # WAY SECONDS NAME
    local directory=$BATS_TEST_TMPDIR/pairs status=0 command
    eval "command=(${pair_commands[$3]})"
    HARNESS_STDERR=$directory/$3.$1.stderr HARNESS_BACKTRACES=0 \
        "$1" "$2" "${command[@]}" >"$directory/$3.$1" 2>/dev/null || status=$?
    echo "$status" >"$directory/$3.$1.status"
}

pair_ended_well() { # WAY NAME
    [[ $(cat "$BATS_TEST_TMPDIR/pairs/$2.$1.status") -eq 0 ]]
}

assert_no_worse() {
    local name running=0 at_once=$((5 * $(nproc))) good=() worse=()
    mkdir -p "$BATS_TEST_TMPDIR/pairs"
    for name in "${pair_names[@]}"; do
        if [[ $running -ge $at_once ]]; then
            wait -n || true
        else
            running=$((running + 1))
        fi
        pair_run bare "$PAIRS_SECONDS" "$name" &
    done
    wait
    for name in "${pair_names[@]}"; do
        if pair_ended_well bare "$name"; then
            good+=("$name")
            pair_run preloaded "$PAIRS_PRELOADED_SECONDS" "$name"
            pair_ended_well preloaded "$name" || worse+=("$name")
        fi
    done
    echo "# ${#pair_names[@]} programs, ${#good[@]} end well without the shim: ${good[*]}"
    for name in "${worse[@]}"; do
        echo "# $name ended with status $(cat "$BATS_TEST_TMPDIR/pairs/$name.preloaded.status") under the shim"
        tail -n 40 "$BATS_TEST_TMPDIR/pairs/$name.preloaded" "$BATS_TEST_TMPDIR/pairs/$name.preloaded.stderr"
    done
    if [[ ${#worse[@]} -gt 0 ]]; then
        fail "work without the shim, and not under it: ${worse[*]}"
        return 1
    fi
    [[ ${#good[@]} -gt 0 ]] || fail 'none ended well without the shim: nothing was compared'
}
