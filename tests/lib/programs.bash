# Servers, certificates and programs under a time-out: what the bats harness and the scripts share.
#
# Needs HARNESS_RUN_DIRECTORY, a directory that outlives all servers. HARNESS_SHIM names another
# library than the one in the build directory, HARNESS_EMULATOR what runs programs for another
# processor.
#
# shellcheck shell=bash

PROGRAMS_DIRECTORY=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# No program is to have it in its environment: the shim takes it for one of its settings, misspelt, and
# says so. (Under scripts/test, which exports it, and only there.)
: "${GRPCFORKSHIM_BUILD:=${HARNESS_BUILD:-$(cd "$PROGRAMS_DIRECTORY/../.." && pwd)/build}}"
export HARNESS_BUILD=$GRPCFORKSHIM_BUILD
export -n GRPCFORKSHIM_BUILD

# Arrays cannot be exported: a test gets back what setup_file found out.
if [[ -n ${HARNESS_SERVER_ADDRESSES-} ]]; then
    read -r -a SERVER_ADDRESSES <<<"$HARNESS_SERVER_ADDRESSES"
fi

harness_die() {
    echo "harness: $*" >&2
    return 1
}

sample() {
    local directory
    for directory in server cpp c unknown; do
        if [[ -x $GRPCFORKSHIM_BUILD/tests/samples/$directory/$1 ]]; then
            echo "$GRPCFORKSHIM_BUILD/tests/samples/$directory/$1"
            return 0
        fi
    done
    harness_die "no sample program '$1' under $GRPCFORKSHIM_BUILD/tests/samples"
}

shim() {
    local path=${HARNESS_SHIM:-$GRPCFORKSHIM_BUILD/shim/libgrpcforkshim.so}
    # The dynamic linker goes on without a library that it cannot preload.
    [[ -r $path ]] || harness_die "$path is not built" || return 1
    echo "$path"
}

command_line_tool() {
    local path=$GRPCFORKSHIM_BUILD/tool/grpcforkshim
    [[ -x $path ]] || harness_die "$path is not built" || return 1
    echo "$path"
}

# --- certificates -------------------------------------------------------------------------------

harness_sign() { # DIRECTORY NAME EXTENSIONS
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" \
        -keyout "$1/$2.key" -out "$1/$2.csr"
    openssl x509 -req -in "$1/$2.csr" -CA "$1/ca.pem" -CAkey "$1/ca.key" -set_serial "$RANDOM$RANDOM" \
        -days 30 -extfile <(printf '%s\n' "$3") -out "$1/$2.pem"
}

make_certificates() {
    local log
    CERTIFICATES=$HARNESS_RUN_DIRECTORY/certificates
    export CERTIFICATES
    log=$HARNESS_RUN_DIRECTORY/certificates.log
    (
        flock 9
        [[ -e $CERTIFICATES/complete ]] && exit 0
        mkdir -p "$CERTIFICATES"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
            -subj '/CN=grpcforkshim test authority' \
            -keyout "$CERTIFICATES/ca.key" -out "$CERTIFICATES/ca.pem"
        harness_sign "$CERTIFICATES" server $'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth'
        harness_sign "$CERTIFICATES" client 'extendedKeyUsage=clientAuth'
        openssl verify -CAfile "$CERTIFICATES/ca.pem" "$CERTIFICATES/server.pem" \
            "$CERTIFICATES/client.pem" && : >"$CERTIFICATES/complete"
    ) 9>"$CERTIFICATES.lock" >"$log" 2>&1 || {
        cat "$log" >&2
        harness_die 'openssl could not make the certificates'
    }
}

# Programs under test inherit standard input, output and error, and nothing else.
harness_close_descriptors() {
    local descriptor
    for descriptor in /proc/"$BASHPID"/fd/*; do
        descriptor=${descriptor##*/}
        # Bash's own 255 closes itself on exec.
        if [[ $descriptor -gt 2 && $descriptor -ne 255 ]]; then
            exec {descriptor}>&-
        fi
    done
}

# --- servers ------------------------------------------------------------------------------------

# A server ends when the shells that hold its standard input have gone, however they went.
start_server() {
    local program argument fifo input output line word address pid expected=0
    local -a found=()
    program=$(sample echo_server) || return 1
    for argument in "$@"; do
        [[ $argument == --listen || $argument == --listen=* ]] && expected=$((expected + 1))
    done
    [[ $expected -gt 0 ]] || expected=1

    fifo=$(mktemp -u "$HARNESS_RUN_DIRECTORY/server.XXXXXX")
    mkfifo -m 600 "$fifo"
    # Opened for both directions: opening a fifo for writing alone would wait for the reader.
    exec {input}<>"$fifo"
    exec {output}< <(
        harness_close_descriptors
        # shellcheck disable=SC2086
        exec env -u LD_PRELOAD \
            ${HARNESS_EMULATOR-} "$program" --until-stdin-closes "$@" <"$fifo"
    )
    SERVER_PID=$!
    SERVER_ADDRESSES=()
    while [[ ${#found[@]} -lt $expected ]]; do
        if ! read -r -t 60 -u "$output" line; then
            kill -KILL "$SERVER_PID" 2>/dev/null || true
            rm -f "$fifo"
            harness_die "the server said 'listening' ${#found[@]} times, not $expected: $program $*"
            return 1
        fi
        read -r word address pid <<<"$line"
        [[ $word == listening ]] || continue
        found+=("$address")
        SERVER_PID=$pid
    done
    rm -f "$fifo"
    # shellcheck disable=SC2034
    SERVER_ADDRESSES=("${found[@]}")
    SERVER_ADDRESS=${found[0]}
    HARNESS_SERVER_ADDRESSES=${found[*]}
    HARNESS_SERVERS="${HARNESS_SERVERS-} $SERVER_PID:$input:$output"
    export SERVER_PID SERVER_ADDRESS HARNESS_SERVER_ADDRESSES
}

stop_servers() {
    local server pid input output status failed=0
    for server in ${HARNESS_SERVERS-}; do
        IFS=: read -r pid input output <<<"$server"
        kill -TERM "$pid" 2>/dev/null || true
        exec {input}>&-
        # The server's standard output reaches its end when the process has ended.
        status=0
        while [[ $status -eq 0 ]]; do
            read -r -t 60 -u "$output" || status=$?
        done
        if [[ $status -gt 128 ]]; then
            echo "harness: the server $pid has not ended 60 s after SIGTERM" >&2
            harness_backtraces "$pid"
            kill -KILL "$pid" 2>/dev/null || true
            failed=1
        fi
        exec {output}<&-
        status=0
        wait "$pid" || status=$?
        if [[ $failed -eq 0 && $status -ne 0 ]]; then
            echo "harness: the server $pid ended with status $status" >&2
            failed=1
        fi
    done
    HARNESS_SERVERS=
    return "$failed"
}

# --- programs under a time-out ------------------------------------------------------------------

# The process group of a program, and whatever has left it (daemon(), forkpty()): those still have
# the mark in their environment.
harness_processes() { # PROCESS-GROUP MARK
    {
        ps -e -o pid=,pgid=,stat= | awk -v group="$1" '$2 == group && $3 !~ /^Z/ { print $1 }'
        harness_marked "HARNESS_MARK=$2"
    } 2>/dev/null | sort -nu
}

# The processes that were started with this in their environment.
harness_marked() { # NAME=VALUE
    grep -lzFx "$1" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3
}

harness_backtraces() { # PID...
    local pid
    [[ ${HARNESS_BACKTRACES-1} == 1 ]] || return 0
    for pid in "$@"; do
        [[ -d /proc/$pid ]] || continue
        echo "--- process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
        DEBUGINFOD_URLS='' LD_PRELOAD='' timeout -k 5 60 gdb --batch -nx -p "$pid" \
            -ex 'thread apply all backtrace 40' </dev/null 2>&1 |
            grep -E '^(#|Thread |ptrace)' || echo 'no backtrace'
    done >&2
}

# Reads the program's pid, then waits for the end of its input.  Leaves the file TIMED-OUT behind
# and ends everything that the program has started when that takes too long.
harness_watch() { # SECONDS MARK TIMED-OUT
    local pid status=0 attempt
    local -a processes
    read -r pid || return 0
    read -r -t "$1" || status=$?
    [[ $status -gt 128 ]] || return 0
    : >"$3"
    mapfile -t processes < <(harness_processes "$pid" "$2")
    echo "harness: time-out after $1 s; processes: ${processes[*]}" >&2
    harness_backtraces "${processes[@]}"
    # A process may be born while the others are being ended.
    for attempt in {1..100}; do
        mapfile -t processes < <(harness_processes "$pid" "$2")
        [[ ${#processes[@]} -gt 0 ]] || return 0
        kill -KILL "${processes[@]}" 2>/dev/null || true
    done
    echo "harness: not ended after $attempt attempts: ${processes[*]}" >&2
}

# Of a program's standard error a test is shown this much: bash takes minutes to split the megabytes
# that one can print whose calls fail in a loop.
HARNESS_SHOWN_BYTES=100000

# The program's standard error goes to the file HARNESS_STDERR, all of it, and is shown when the program
# is over: meanwhile it could get between the parts of a line of standard output, where a test has both
# in one, or the other way round.
harness_run() { # PRELOAD SECONDS PROGRAM [ARG...]
    local preload=$1 seconds=$2 mark timed_out stderr watch watcher copy copier pid size status=0
    shift 2
    mark=$BASHPID.$RANDOM$RANDOM
    timed_out=$HARNESS_RUN_DIRECTORY/timed-out.$mark
    stderr=${HARNESS_STDERR:-$HARNESS_RUN_DIRECTORY/stderr.$mark}

    exec {watch}> >(
        exec 3>&- 4>&- >/dev/null
        harness_watch "$seconds" "$mark" "$timed_out"
    )
    watcher=$!
    exec {copy}> >(
        exec {watch}>&- 3>&- 4>&-
        cat >"$stderr"
    )
    copier=$!
    (
        exec 2>&"$copy" </dev/null
        harness_close_descriptors
        # A background command ignores SIGINT and SIGQUIT, and the program would inherit that.
        # shellcheck disable=SC2086
        exec setsid env --default-signal=INT,QUIT -u LD_PRELOAD \
            HARNESS_MARK="$mark" ${preload:+LD_PRELOAD="$preload"} ${HARNESS_EMULATOR-} "$@"
    ) &
    pid=$!
    echo "$pid" >&"$watch"
    exec {copy}>&-
    # Bash would say that it was killed.
    wait "$pid" 2>/dev/null || status=$?
    # Its descendants share its standard error: they are awaited too, under the same time-out.
    wait "$copier" || true
    head -c "$HARNESS_SHOWN_BYTES" -- "$stderr" >&2 || true
    size=$(stat --format=%s -- "$stderr" 2>/dev/null || echo 0)
    [[ $size -le $HARNESS_SHOWN_BYTES ]] ||
        printf '\nharness: the rest of %d bytes is left out\n' "$size" >&2
    [[ -n ${HARNESS_STDERR-} ]] || rm -f -- "$stderr"
    exec {watch}>&-
    wait "$watcher" || true
    if [[ -e $timed_out ]]; then
        rm -f "$timed_out"
        return 124
    fi
    return "$status"
}

bare() {
    harness_run '' "$@"
}

# A program that ends with status 0 may have told of processes that did not: `child exit 1`, `children failed 3`.
ended_well() { # STATUS OUTPUT-FILE
    [[ $1 == 0 ]] && ! grep -Eq '(^| )(exit|failed) -?[1-9][0-9]*$' "$2"
}

# HARNESS_PRELOAD_FIRST and HARNESS_PRELOAD_LAST: a sanitizer's runtime.
preloaded() {
    local library
    library=$(shim) || return 1
    harness_run "${HARNESS_PRELOAD_FIRST:+$HARNESS_PRELOAD_FIRST:}$library${HARNESS_PRELOAD_LAST:+:$HARNESS_PRELOAD_LAST}" \
        "$@"
}
