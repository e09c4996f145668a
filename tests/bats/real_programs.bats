#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# Scripts expand their own variables.
# shellcheck disable=SC2030,SC2031,SC2016
#
# Programs of Debian's, unmodified, under the shim: each does its work as it does without, says
# nothing more and has the same descriptors. First those that use libgrpc, then others.

load ../lib/harness

PROGRAMS=$HARNESS_DIRECTORY/../programs

setup() {
    unset GRPCFORKSHIM_LOG_LEVEL GRPCFORKSHIM_LOG_FILE GRPCFORKSHIM_REPORT
}

# Standard error goes to a file of its own.
without_stderr() { # NAME COMMAND...
    local name=$1
    shift
    "$@" 2>"$BATS_TEST_TMPDIR/$name.stderr"
}

# Runs a command in a directory of its own without and with the shim: status, standard output and
# standard error are the same. The directory's name is the same in both.
same_both_ways() { # SECONDS COMMAND... (@ stands for the directory)
    local seconds=$1 way place=$BATS_TEST_TMPDIR/place
    shift
    for way in bare preloaded; do
        rm -rf "$place"
        mkdir "$place"
        run without_stderr "$way" "$way" "$seconds" "${@//@/$place}"
        echo "$status" >"$BATS_TEST_TMPDIR/$way.status"
        printf '%s\n' "$output" >"$BATS_TEST_TMPDIR/$way.output"
    done
    diff "$BATS_TEST_TMPDIR/bare.status" "$BATS_TEST_TMPDIR/preloaded.status"
    diff "$BATS_TEST_TMPDIR/bare.output" "$BATS_TEST_TMPDIR/preloaded.output"
    diff "$BATS_TEST_TMPDIR/bare.stderr" "$BATS_TEST_TMPDIR/preloaded.stderr"
}

@test "bash does its work as without the shim" {
    same_both_ways 60 bash "$PROGRAMS/shell.bash" @
    assert_success
    assert_line 'descriptors 0 1 2 3 7 9'
    assert_line kept
}

@test "git does its work as without the shim" {
    same_both_ways 120 bash "$PROGRAMS/versions.bash" @
    assert_success
    assert_line --partial 'change 20'
}

@test "python3 gets children in all its ways as without the shim" {
    # From 3.12 on it tells, with its process id, what it thinks of forks with threads.
    export PYTHONWARNINGS='ignore:This process:DeprecationWarning'
    same_both_ways 120 /usr/bin/python3 "$PROGRAMS/children.py"
    assert_success
    assert_line 'status 7'
}

# redis forks to save while its threads go on. Without appendfsync no it waits for the disk, on a busy
# machine for minutes.
serve_redis() { # bare|preloaded
    local place=$BATS_TEST_TMPDIR/$1 pid
    local -a debug=(--enable-debug-command local)
    # Before, it is not asked whether it may.
    [[ $(redis-cli --version) != 'redis-cli '[1-6].* ]] || debug=()
    mkdir "$place"
    # What the package redis-server adds is this link, and a service.
    ln -s "$(command -v redis-check-rdb)" "$place/redis-server"
    HARNESS_STDERR=$place/stderr "$1" 120 "$place/redis-server" --port 0 --unixsocket "$place/socket" \
        --dir "$place" --logfile "$place/log" --pidfile "$place/pid" --save '' --io-threads 2 \
        --appendonly yes --appendfsync no "${debug[@]}" &
    pid=$!
    client() { redis-cli -s "$place/socket" "$@"; }
    # Nothing scheduled either, which would begin while something else is looked at.
    await_idle() {
        until [[ $(client info persistence | tr -d '\r' |
            grep -cE '^(rdb_bgsave_in_progress|aof_rewrite_in_progress|aof_rewrite_scheduled):0') -eq 3 ]]; do
            kill -0 "$pid" || return 1
            sleep 0.02
        done
    }
    # Without the connections of the moment.
    files() { readlink /proc/"$(cat "$place/pid")"/fd/* | grep -v ^socket: | sed 's/:\[.*//; s/.*\///; s/[0-9]//g' | sort | uniq -c; }
    until [[ $(client ping 2>/dev/null) == PONG ]]; do kill -0 "$pid" || return 1; sleep 0.05; done
    seq 2000 | sed 's/.*/SET key:& value:&/' | client >/dev/null
    redis-benchmark -s "$place/socket" -t incr,lpush,hset -n 5000 -c 20 -q >/dev/null &
    local load=$!
    # A child each, while the load lasts.
    for _ in {1..5}; do
        client bgsave >/dev/null
        await_idle
        client bgrewriteaof >/dev/null
        await_idle
    done
    wait "$load"
    client info persistence | tr -d '\r' | grep -E 'last_(bgsave|bgrewrite)_status'
    client dbsize
    client debug digest
    # A thread of redis' closes the file that was replaced.
    until [[ $(files | grep -F .aof) == *' 1 '* && $(files | grep -cF .aof) -eq 1 ]]; do
        kill -0 "$pid" || return 1
        sleep 0.02
    done
    files
    client shutdown nosave
    wait "$pid"
    echo "status $?"
    [[ ! -s $place/stderr ]]
    grep -cE 'Warning|warning|# ' "$place/log" >"$place/warnings" || true
    "$place/redis-server" --version >/dev/null
}

@test "redis, under load, saves in children as without the shim" {
    command -v redis-check-rdb >/dev/null || skip 'there is no redis-tools'
    run serve_redis bare
    assert_success
    local expected=$output
    assert_line --partial 'rdb_last_bgsave_status:ok'
    run serve_redis preloaded
    assert_success
    assert_output "$expected"
}

@test "bear, which preloads a library itself, writes the same database of a build" {
    command -v bear >/dev/null || skip 'there is no bear'
    local way
    for way in bare preloaded; do
        rm -rf "$BATS_TEST_TMPDIR/place"
        mkdir "$BATS_TEST_TMPDIR/place"
        cd "$BATS_TEST_TMPDIR/place"
        echo 'int one(void) { return 1; }' >one.c
        echo 'int one(void); int main(void) { return one() - 1; }' >main.c
        printf '%s\n' 'set -e' 'for file in one main; do gcc -c -O1 "$file.c" -o "$file.o"; done' \
            'gcc one.o main.o -o program' './program' 'echo built' >build.sh
        run "$way" 60 bear --output "$BATS_TEST_TMPDIR/$way.json" -- sh build.sh
        assert_success
        assert_output built
        assert_stderr_empty
    done
    run cat "$BATS_TEST_TMPDIR/bare.json"
    assert_output --partial main.c
    assert_equal "$(python3 -c 'import json, sys; print(sorted(map(str, json.load(open(sys.argv[1])))))' "$BATS_TEST_TMPDIR/preloaded.json")" \
        "$(python3 -c 'import json, sys; print(sorted(map(str, json.load(open(sys.argv[1])))))' "$BATS_TEST_TMPDIR/bare.json")"
}

@test "clangd with a remote index answers an editor as without the shim" {
    local clangd
    clangd=$(compgen -c clangd- | grep -E '^clangd-[0-9]+$' | sort -V | tail -n 1)
    [[ -n $clangd ]] || skip 'there is no clangd'
    ldd "$(command -v "$clangd")" | grep -q libgrpc || skip "$clangd is built without gRPC"
    # Port 9 of the loopback interface: nobody listens, and gRPC tries.
    same_both_ways 120 /usr/bin/python3 "$PROGRAMS/session.py" "$clangd" --log=error -j=2 \
        --remote-index-address=127.0.0.1:9 --project-root=/
    assert_success
    assert_line --partial undeclared
    assert_line 'status 0'
}

# --- collectd ------------------------------------------------------------------------------------

# collectd does not tell which port it got: the kernel is asked for a free one before.
free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

configure_collectd() { # PLACE PORT LINE...
    local place=$1 port=$2
    shift 2
    mkdir -p "$place/csv"
    chmod 777 "$place" "$place/csv"
    {
        printf '%s\n' "BaseDir \"$place\"" "PIDFile \"$place/pid\"" 'TypesDB "/usr/share/collectd/types.db"' \
            'PluginDir "/usr/lib/collectd"' 'Hostname "legacy"' 'FQDNLookup false' 'Interval 0.2' \
            'LoadPlugin logfile' '<Plugin logfile>' 'LogLevel info' "File \"$place/log\"" '</Plugin>' \
            'LoadPlugin grpc' '<Plugin grpc>' '<Listen "127.0.0.1" "'"$port"'">' 'EnableSSL false' '</Listen>'
        printf '%s\n' "$@"
    } >"$place/collectd.conf"
}

start_collectd() { # bare|preloaded foreground|daemon PLACE
    if [[ $2 == daemon ]]; then
        "$1" 60 /usr/sbin/collectd -C "$3/collectd.conf" >"$3/output" 2>&1
    else
        "$1" 120 /usr/sbin/collectd -f -C "$3/collectd.conf" >"$3/output" 2>&1 &
    fi
}

# Daemonised, it has left the harness' hands.
await_collectd() { # PLACE PORT
    for _ in {1..600}; do
        (: <"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return 0
        sleep 0.05
    done
    cat "$1/log" >&2
    return 1
}

pid_of_collectd() { # PLACE
    pgrep --oldest --full -- "^/usr/sbin/collectd .*-C $1/collectd.conf"
}

# Fails where it does not end by itself.
stop_collectd() { # PLACE SECONDS
    local pid
    pid=$(pid_of_collectd "$1") || return 0
    kill -TERM "$pid" 2>/dev/null || return 0
    timeout "$2" tail --pid="$pid" -f /dev/null || { kill -KILL "$pid" && return 1; }
}

teardown() {
    local place
    [[ -n ${COLLECTD-} ]] || return 0
    for place in "$COLLECTD"/*.sink "$COLLECTD"/*.source; do
        [[ ! -d $place ]] || stop_collectd "$place" 20 || true
    done
    rm -rf -- "$COLLECTD"
}

# One collectd sends what its script says to another by gRPC, and serves it by gRPC itself.
run_collectd() { # bare|preloaded foreground|daemon SECONDS
    local sink=$COLLECTD/$1.sink source=$COLLECTD/$1.source sink_port port user=nobody
    mkdir -p "$sink" "$source"
    [[ $EUID -eq 0 ]] || user=$(id -un)
    printf '%s\n' '#!/bin/sh' 'echo "PUTVAL legacy/exec-script/gauge-counted interval=0.2 N:$$"' \
        'ls -l /proc/self/fd | tail -n +2 | wc -l >>'"$source/descriptors" >"$source/script"
    chmod 755 "$source/script"
    sink_port=$(free_port)
    configure_collectd "$sink" "$sink_port" '</Plugin>' 'LoadPlugin csv' '<Plugin csv>' "DataDir \"$sink/csv\"" '</Plugin>'
    start_collectd "$1" "$2" "$sink"
    await_collectd "$sink" "$sink_port"
    port=$(free_port)
    configure_collectd "$source" "$port" '<Server "127.0.0.1" "'"$sink_port"'">' 'EnableSSL false' '</Server>' '</Plugin>' \
        'LoadPlugin exec' '<Plugin exec>' "Exec \"$user\" \"$source/script\"" '</Plugin>'
    start_collectd "$1" "$2" "$source"
    await_collectd "$source" "$port"

    # A value each from some twenty runs of the script, by way of both.
    local values=0 end=$((SECONDS + $3))
    while [[ $SECONDS -lt $end ]]; do
        values=$(cat "$sink"/csv/legacy/exec-script/gauge-counted-* 2>/dev/null | grep -vc epoch) || true
        [[ $values -lt 20 ]] || break
        sleep 0.05
    done
    echo "arrived $((values >= 20 ? 20 : values))"
    /usr/bin/python3 "$PROGRAMS/query_collectd.py" "127.0.0.1:$port" put
    /usr/bin/python3 "$PROGRAMS/query_collectd.py" "127.0.0.1:$port"
    echo "script's descriptors $(sort -u "$source/descriptors" | paste -sd' ')"
    if [[ $1 == preloaded ]]; then
        # On standard error, which is not compared.
        "$(command_line_tool)" check "$(pid_of_collectd "$source")" >&2 || echo "check: status $?"
    fi
    if stop_collectd "$source" "$3" && stop_collectd "$sink" "$3"; then
        # For what the harness still has to write down; a daemon has left its hands.
        wait
        echo ended
    fi
    sed 's/^\[[^]]*\] //' "$source/output" "$sink/output"
    # On a busy machine it warns of being late.
    grep -hE '\[(error|warning)\]' "$source/log" "$sink/log" | sed 's/^\[[^]]*\] //' |
        grep -vE 'above its read interval|Not sleeping because' || true
}

# Its gRPC client opens its channel before collectd goes into the background, and sends after.
@test "collectd in the background, with gRPC client and server and a script per interval, works with the shim alone" {
    [[ -e /usr/lib/collectd/grpc.so ]] || skip 'there is no collectd'
    ! ldd /usr/lib/collectd/grpc.so | grep -q 'not found' || skip "collectd's plugin is linked with another gRPC"
    # Another user has to get there.
    COLLECTD=$(mktemp -d "${TMPDIR:-/tmp}/grpcforkshim.XXXXXX")
    chmod 755 "$COLLECTD"
    # What is right: one that stays in the foreground, without the shim.
    run without_stderr right run_collectd bare foreground 60
    local expected=$output
    assert_line 'arrived 20'
    assert_line 'values counted handed'
    assert_line ended
    rm -rf "${COLLECTD:?}"/*
    run without_stderr preloaded run_collectd preloaded daemon 60
    assert_output "$expected"
    grep -qE 'state +protected' "$BATS_TEST_TMPDIR/preloaded.stderr"
    rm -rf "${COLLECTD:?}"/*
    # Whether it ends when told to is chance, and whether it serves; it does not send.
    HARNESS_BACKTRACES=0 run without_stderr bare run_collectd bare daemon 5
    [[ $output != "$expected" ]] || skip 'works under the shim, but this gRPC gets through it without'
    refute_line 'arrived 20'
}
