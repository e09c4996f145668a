# Pairs: a program without the shim, and the same under it. After harness.bash.
#
#   pair NAME PROGRAM [ARG...]   notes a program
#   pairs_of DIRECTORY SUFFIX EXCEPT...
#                                fails, and names them, if there are files in DIRECTORY whose names, without
#                                SUFFIX, are neither in a pair's command nor among EXCEPT
#   assert_no_worse              runs all that were noted without the shim, some at a time, and under the shim
#                                what ended well without it; fails, and says how, if anything does not end well
#                                then, or leaves a process behind. How many were compared is in bats' output
#
# What ends well without the shim is a matter of chance for some: fewer are compared then.
#
# PAIRS_ALL=1 runs under the shim what does not end well without it, too: a pair that ends well in neither way
# compares nothing with any gRPC.
#
# shellcheck shell=bash

# How long a program may take without the shim, where many hang, and under it.
: "${PAIRS_SECONDS:=15}"
: "${PAIRS_PRELOADED_SECONDS:=120}"
: "${PAIRS_ALL:=0}"
# What of it may go on when it has ended.
: "${PAIRS_LEFT_SECONDS:=10}"

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

# The processes that have the mark in their environment, those that end just now left out.
pair_left() { # MARK
    local pid pids
    pids=$(harness_marked "PAIR_MARK=$1") || return 0
    for pid in $pids; do
        timeout "$PAIRS_LEFT_SECONDS" tail --pid="$pid" -s 0.05 -f /dev/null || echo "$pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
    done 2>/dev/null
}

pair_run() { # WAY SECONDS NAME
    local result=$BATS_TEST_TMPDIR/pairs/$3.$1 status=0 command left mark=$BASHPID.$RANDOM$RANDOM begin=$SECONDS
    eval "command=(${pair_commands[$3]})"
    HARNESS_STDERR=$result.stderr HARNESS_BACKTRACES=0 \
        "$1" "$2" env PAIR_MARK="$mark" "${command[@]}" >"$result" 2>/dev/null || status=$?
    left=$(pair_left "$mark")
    if [[ -n $left ]]; then
        echo "left behind: $left" >>"$result"
        # shellcheck disable=SC2046
        kill -KILL $(cut -d ' ' -f 1 <<<"$left") 2>/dev/null || true
        [[ $status -ne 0 ]] || status='0 with a process left behind'
    fi
    echo $((SECONDS - begin)) >"$result.seconds"
    echo "$status" >"$result.status"
}

pair_ended_well() { # WAY NAME
    local result=$BATS_TEST_TMPDIR/pairs/$2.$1
    ended_well "$(cat "$result.status")" "$result"
}

# As many at a time as are given: what hangs takes no processor.
pairs_run() { # WAY SECONDS AT-ONCE NAME...
    local name running=0 way=$1 seconds=$2 at_once=$3
    shift 3
    mkdir -p "$BATS_TEST_TMPDIR/pairs"
    for name in "$@"; do
        if [[ $running -ge $at_once ]]; then
            wait -n || true
        else
            running=$((running + 1))
        fi
        pair_run "$way" "$seconds" "$name" &
    done
    wait
}

# What did not end well under the shim.
pairs_show() { # NAME...
    local name
    for name in "$@"; do
        echo "# $name ended with status $(cat "$BATS_TEST_TMPDIR/pairs/$name.preloaded.status") under the shim"
        tail -n 40 "$BATS_TEST_TMPDIR/pairs/$name.preloaded" "$BATS_TEST_TMPDIR/pairs/$name.preloaded.stderr"
    done
}

assert_no_worse() {
    local name begin=$SECONDS good=() others=() worse=() never=()
    pairs_run bare "$PAIRS_SECONDS" $((10 * $(nproc))) "${pair_names[@]}"
    for name in "${pair_names[@]}"; do
        if pair_ended_well bare "$name"; then
            good+=("$name")
        else
            others+=("$name")
        fi
    done
    [[ $PAIRS_ALL == 1 ]] || others=()
    pairs_run preloaded "$PAIRS_PRELOADED_SECONDS" "$(nproc)" "${good[@]}" "${others[@]}"
    for name in "${good[@]}"; do
        pair_ended_well preloaded "$name" || worse+=("$name")
    done
    for name in "${others[@]}"; do
        pair_ended_well preloaded "$name" || never+=("$name")
    done
    echo "# ${#pair_names[@]} programs, of which ${#good[@]} end well without the shim and were compared," \
        "in $((SECONDS - begin)) s: ${good[*]}" | tee /dev/fd/3
    pairs_show "${worse[@]}" "${never[@]}"
    [[ ${#never[@]} -eq 0 ]] || fail "end well in neither way: ${never[*]}" || true
    [[ ${#worse[@]} -eq 0 ]] || fail "work without the shim, and not under it: ${worse[*]}" || return 1
    [[ ${#never[@]} -eq 0 ]] || return 1
    [[ ${#good[@]} -gt 0 ]] || fail 'none ended well without the shim: nothing was compared'
}
