#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# Programs under the shim expand their own variables.
# shellcheck disable=SC2030,SC2031,SC2016
#
# grpcforkshim run: the program is the program's own, with the shim in it.

load ../lib/harness

setup_file() {
    start_server
}

teardown_file() {
    stop_servers
}

setup() {
    unset LD_PRELOAD GRPCFORKSHIM_LOG_LEVEL GRPCFORKSHIM_LOG_FILE GRPCFORKSHIM_REPORT
    grpcforkshim=$(command_line_tool)
}

@test "A program that forks fails alone and works under 'grpcforkshim run'" {
    HARNESS_BACKTRACES=0 run bare 8 "$(sample unary)" "$SERVER_ADDRESS" --deadline-after-fork 2
    assert_failure
    run bare 60 "$grpcforkshim" run "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_stderr_empty
    [[ $(value 'child peer') != "$(value 'parent peer')" ]]
}

@test "Its output, status and signal are the program's own" {
    run bare 60 "$grpcforkshim" run sh -c 'echo out; exit 7'
    assert_failure 7
    assert_output out
    run bare 60 "$grpcforkshim" run -- sh -c 'kill -TERM $$'
    assert_failure 143
    assert_stderr_empty
}

@test "Its pid is that of the command" {
    run bare 60 sh -c "echo \$\$; exec '$grpcforkshim' run sh -c 'echo \$\$'"
    assert_success
    assert_equal "${lines[0]}" "${lines[1]}"
}

@test "A signal sent to the command reaches the program" {
    local pid status=0
    "$grpcforkshim" run bash -c 'trap "exit 9" USR1; echo ready; while :; do read -r -t 5 <> <(:); done' \
        >"$BATS_TEST_TMPDIR/out" 3>&- &
    pid=$!
    until [[ -s $BATS_TEST_TMPDIR/out ]]; do sleep 0.01; done
    kill -USR1 "$pid"
    wait "$pid" || status=$?
    assert_equal "$status" 9
}

@test "What LD_PRELOAD has is kept, behind the shim" {
    run bare 60 env LD_PRELOAD=libdl.so.2 "$grpcforkshim" run sh -c 'echo "$LD_PRELOAD"'
    assert_success
    assert_output "$(realpath "$(shim)"):libdl.so.2"
}

@test "The shim is not put in twice" {
    run bare 60 "$grpcforkshim" run "$grpcforkshim" run sh -c 'echo "$LD_PRELOAD"'
    assert_success
    assert_output "$(realpath "$(shim)")"
}

@test "A shim from elsewhere that LD_PRELOAD has already stands aside" {
    mkdir "$BATS_TEST_TMPDIR/other"
    cp "$(shim)" "$BATS_TEST_TMPDIR/other/libgrpcforkshim.so"
    cp "$(shim)" "$BATS_TEST_TMPDIR/other/renamed.so"
    local preload
    for preload in libgrpcforkshim.so renamed.so; do
        run bare 60 env LD_PRELOAD="$BATS_TEST_TMPDIR/other/$preload" GRPCFORKSHIM_REPORT=all \
            GRPCFORKSHIM_LOG_FILE="$BATS_TEST_TMPDIR/$preload.log" \
            "$grpcforkshim" run "$(sample unary)" "$SERVER_ADDRESS"
        assert_success
        assert_stderr_empty
        [[ $(value 'child peer') != "$(value 'parent peer')" ]]
        # One report for each process, by the copy that is at work.
        run grep -c 'report: ' "$BATS_TEST_TMPDIR/$preload.log"
        assert_output 2
        run grep -c 'grpc=protected' "$BATS_TEST_TMPDIR/$preload.log"
        assert_output 2
    done
}

@test "Programs of any name, symbolic links and scripts are run as the kernel runs them" {
    local name
    cd "$BATS_TEST_TMPDIR"
    for name in 'with space' $'new\nline' $'no utf-8 \xff' -x; do
        cp /usr/bin/printf "./$name"
        run bare 60 "$grpcforkshim" run -- "./$name" '%s|' one '' 'two three'
        assert_success
        assert_output 'one||two three|'
    done
    # Found in PATH, in spite of its dash.
    PATH=$PWD:$PATH run bare 60 "$grpcforkshim" run -- -x found
    assert_output found
    ln -s "$(command -v bash)" link
    run bare 60 "$grpcforkshim" run ./link -c 'echo "$0 ${LD_PRELOAD##*/}"'
    assert_output './link libgrpcforkshim.so'
    printf '#!/usr/bin/env -S bash -u\necho "${0##*/} $* ${LD_PRELOAD##*/}"; exit 5\n' >script
    run "$grpcforkshim" run ./script
    assert_failure 126
    chmod +x script
    run bare 60 "$grpcforkshim" run ./script a b
    assert_failure 5
    assert_output 'script a b libgrpcforkshim.so'
    run "$grpcforkshim" run "$PWD"
    assert_failure 126
}

@test "The options become the shim's settings" {
    cd "$BATS_TEST_TMPDIR"
    run bare 60 "$grpcforkshim" run --log-level=debug --log-file log --report=all --report-signal USR2 \
        -- sh -c 'env | grep ^GRPCFORKSHIM_ | sort; cd /; exit 3'
    assert_failure 3
    assert_stderr_empty
    assert_output "GRPCFORKSHIM_LOG_FILE=$BATS_TEST_TMPDIR/log
GRPCFORKSHIM_LOG_LEVEL=debug
GRPCFORKSHIM_REPORT=all
GRPCFORKSHIM_REPORT_SIGNAL=USR2"
    run grep -c 'report: form=1 grpc=none' log
    refute_output 0
    run bare 60 "$grpcforkshim" run --report sh -c 'echo $GRPCFORKSHIM_REPORT'
    assert_output 1
}

@test "The program's own options are the program's" {
    run bare 60 "$grpcforkshim" run printf '%s\n' --report --help
    assert_success
    assert_output $'--report\n--help'
}

@test "Wrong usage is said and ends with status 64" {
    local arguments
    for arguments in '' run 'run --' 'run --log-level loud true' 'run --nonsense true' nonsense \
        'run --report-signal USR3 true' 'run --report-signal KILL true' 'run --log-file= true'; do
        # shellcheck disable=SC2086
        run "$grpcforkshim" $arguments
        assert_failure 64
        [[ -n $output ]]
    done
}

@test "A program that is not there, or can't be executed, is said as env(1) does" {
    run bare 60 "$grpcforkshim" run "$BATS_TEST_TMPDIR/nothing"
    assert_failure 127
    grep -q 'No such file' "$HARNESS_STDERR"
    : >"$BATS_TEST_TMPDIR/plain"
    run "$grpcforkshim" run "$BATS_TEST_TMPDIR/plain"
    assert_failure 126
}

@test "A library that is missing stops it" {
    run "$grpcforkshim" run --library "$BATS_TEST_TMPDIR/nothing.so" true
    assert_failure 125
}

@test "A library whose directory the loader could not name stops it" {
    mkdir "$BATS_TEST_TMPDIR/a b;c"
    cp "$(shim)" "$BATS_TEST_TMPDIR/a b;c/shim.so"
    run "$grpcforkshim" run --library "$BATS_TEST_TMPDIR/a b;c/shim.so" true
    assert_failure 125
    assert_output --partial 'colon or a semicolon'
}

@test "A library that is none is not handed to the loader, which would wait for a fifo" {
    local name
    cd "$BATS_TEST_TMPDIR"
    mkfifo fifo
    echo text >text
    for name in fifo text /dev/zero "$PWD"; do
        run timeout 20 "$grpcforkshim" run --library "$name" true
        assert_failure 125
        assert_output --partial 'not a library'
    done
}

@test "A message is one line and no command to a terminal" {
    local bad=$'a\nb\e[31m\xc2\x9b\xff' arguments
    for arguments in "run|--|./$bad" "run|--library|$bad|true" "run|--$bad" "run|--log-level|$bad|true" \
        "run|--report-signal|$bad|true" "systemd|$bad" "check|--$bad|true" "systemd|--$bad" "$bad"; do
        IFS='|' read -r -d '' -a arguments <<<"$arguments" || true
        arguments[-1]=${arguments[-1]%$'\n'}
        run "$grpcforkshim" "${arguments[@]}"
        assert_failure
        assert_line --index 0 --regexp '^grpcforkshim: .*a\?b'
        [[ $(tr -d '[:print:]\n' <<<"$output") == '' ]] || fail "$(cat -v <<<"$output")"
        [[ ${lines[1]-} != b* ]]
    done
}

@test "Help and version are printed" {
    local arguments
    run "$grpcforkshim" --version
    assert_success
    assert_output --regexp '^grpcforkshim [0-9]+\.[0-9]+\.[0-9]+$'
    for arguments in --help 'run --help' 'check --help' 'systemd --help'; do
        # shellcheck disable=SC2086
        run "$grpcforkshim" $arguments
        assert_success
        assert_line --index 0 --regexp '^usage: grpcforkshim'
    done
}
