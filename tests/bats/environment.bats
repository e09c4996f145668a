#!/usr/bin/env bats
# The GRPCFORKSHIM_ variables: what they do, and what happens when they make no sense.

load ../lib/harness

setup_file() {
    start_server
}

teardown_file() {
    stop_servers
}

setup() {
    log=$BATS_TEST_TMPDIR/log
    # Whoever runs the tests may have set them.
    unset GRPCFORKSHIM_LOG_LEVEL GRPCFORKSHIM_LOG_FILE GRPCFORKSHIM_DISABLE
}

# One line of standard error, in the shim's form, has NAME in it; there is no other line.
assert_one_complaint() { # NAME
    run cat "$BATS_TEST_TMPDIR/stderr"
    assert_equal "${#lines[@]}" 1
    assert_line --regexp "^grpcforkshim\[[0-9]+\]: .*$1"
}

@test "A program that forks fails without the shim and works with it, and nothing else is printed" {
    HARNESS_BACKTRACES=0 run bare 8 "$(sample unary)" "$SERVER_ADDRESS" --deadline-after-fork 2
    assert_failure
    run preloaded 60 "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_stderr_empty
}

@test "An unknown log level is named in one line and the program works" {
    GRPCFORKSHIM_LOG_LEVEL=loud run preloaded 60 "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_one_complaint GRPCFORKSHIM_LOG_LEVEL
    assert_line --partial loud
}

@test "An unknown value of GRPCFORKSHIM_DISABLE is named in one line and the shim is not disabled" {
    GRPCFORKSHIM_DISABLE=perhaps run preloaded 60 "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_one_complaint GRPCFORKSHIM_DISABLE
    assert_line --partial perhaps
}

@test "An unknown variable with the prefix is named in one line and the program works" {
    GRPCFORKSHIM_LOG_LEVLE=debug run preloaded 60 "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_one_complaint GRPCFORKSHIM_LOG_LEVLE
}

@test "Whatever is in a value or a name, it is one line and no command to a terminal" {
    local bad=$'a\nb\r\e[31mc\x7f\xc2\x9bd \xff\xe2\x82 \xe2\x82\xac'
    GRPCFORKSHIM_LOG_LEVEL=$bad run preloaded 60 true
    assert_success
    assert_one_complaint GRPCFORKSHIM_LOG_LEVEL
    assert_line --partial '"a?b??[31mc???d ??? €", using'
    local variable
    for variable in DISABLE REPORT REPORT_SIGNAL "LOG_LEVEL=off$bad" LOG_FILE; do
        run preloaded 60 env "GRPCFORKSHIM_${variable%%=*}=/nothing/$bad" "GRPCFORKSHIM_$bad=1" true
        assert_success
        [[ $(tr -d '[:print:]€\n' <"$BATS_TEST_TMPDIR/stderr") == '' ]] || fail "$(cat -v "$BATS_TEST_TMPDIR/stderr")"
        assert_equal "$(grep -c '^grpcforkshim\[' "$BATS_TEST_TMPDIR/stderr")" "$(wc -l <"$BATS_TEST_TMPDIR/stderr")"
        grep -q "GRPCFORKSHIM_${variable%%=*}" "$BATS_TEST_TMPDIR/stderr"
    done
}

@test "The shim adds three mappings to a program without gRPC" {
    not_sanitized 'brings variables of its own'
    # Each costs every fork half a microsecond: code, constants and one page of variables.
    local start file_size memory_size
    run preloaded 60 cat /proc/self/maps
    assert_success
    # Without access: what a linker (binutils 2.35) may leave between two segments. Which anonymous
    # ones of the loader's the kernel puts together differs by system.
    assert_equal "$(grep -F "$(realpath "$(shim)")" <<<"$output" | grep -vc -e ' ---p ')" 3
    # What did not fit that page would be memory without a file, which the kernel may have put
    # together with a neighbour's here.
    read -r start file_size memory_size < <(
        readelf --program-headers --wide "$(shim)" | awk '$1 == "LOAD" && $7 == "RW" { print $3, $5, $6 }'
    )
    assert_equal $(((start + file_size + 4095) / 4096)) $(((start + memory_size + 4095) / 4096))
}

@test "A program without gRPC gets the same line, which is the shim's" {
    GRPCFORKSHIM_LOG_LEVEL=loud run bare 60 true
    assert_success
    assert_stderr_empty
    GRPCFORKSHIM_LOG_LEVEL=loud run preloaded 60 true
    assert_success
    assert_one_complaint GRPCFORKSHIM_LOG_LEVEL
}

@test "A log file that cannot be opened is named in one line" {
    GRPCFORKSHIM_LOG_FILE=$BATS_TEST_TMPDIR/no/such/directory run preloaded 60 \
        "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_one_complaint GRPCFORKSHIM_LOG_FILE
    assert_line --partial /no/such/directory
}

@test "A log whose file cannot be opened goes to standard error" {
    GRPCFORKSHIM_LOG_LEVEL=debug GRPCFORKSHIM_LOG_FILE=$BATS_TEST_TMPDIR/no/such/directory \
        run preloaded 60 "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    run grep -c '^grpcforkshim\[[0-9]*\]: .*GRPCFORKSHIM_LOG_FILE' "$BATS_TEST_TMPDIR/stderr"
    assert_output 1
    run grep -v GRPCFORKSHIM_LOG_FILE "$BATS_TEST_TMPDIR/stderr"
    assert_success
    refute_line --regexp '^[^g]'
}

@test "The log goes to its file, one whole line per message, and standard error stays empty" {
    GRPCFORKSHIM_LOG_LEVEL=debug GRPCFORKSHIM_LOG_FILE=$log run preloaded 60 \
        "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_stderr_empty
    run grep -c '^grpcforkshim\[[0-9]*\]: ' "$log"
    assert_success
    run grep -v '^grpcforkshim\[[0-9]*\]: ' "$log"
    assert_failure 1
}

@test "Parent and child write to the same log, each under its own pid" {
    GRPCFORKSHIM_LOG_LEVEL=debug GRPCFORKSHIM_LOG_FILE=$log run preloaded 60 \
        "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    run bash -c "grep -o '^grpcforkshim\[[0-9]*\]' '$log' | sort -u | wc -l"
    assert_output 2
}

@test "A log is appended to what its file already has" {
    echo 'an earlier line' >"$log"
    GRPCFORKSHIM_LOG_LEVEL=debug GRPCFORKSHIM_LOG_FILE=$log run preloaded 60 \
        "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    run cat "$log"
    assert_line --index 0 'an earlier line'
    assert_line --index 1 --regexp '^grpcforkshim\[[0-9]+\]: '
}

@test "Levels off, error and info print nothing when all is well but what info is for" {
    local level
    for level in off error; do
        GRPCFORKSHIM_LOG_LEVEL=$level run preloaded 60 "$(sample unary)" "$SERVER_ADDRESS"
        assert_success
        assert_stderr_empty
    done
    GRPCFORKSHIM_LOG_LEVEL=info run preloaded 60 "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    run grep -v '^grpcforkshim\[[0-9]*\]: ' "$BATS_TEST_TMPDIR/stderr"
    assert_failure 1
}

@test "GRPCFORKSHIM_DISABLE=1 is as if there were no shim" {
    GRPCFORKSHIM_DISABLE=1 HARNESS_BACKTRACES=0 run preloaded 8 "$(sample unary)" "$SERVER_ADDRESS"
    assert_fails_after '^parent status 0$'
    refute_line --regexp '^grpcforkshim\['
}

@test "GRPCFORKSHIM_DISABLE=0 is as if it were not set" {
    GRPCFORKSHIM_DISABLE=0 run preloaded 60 "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_stderr_empty
}

@test "A program without gRPC prints and returns the same with and without the shim" {
    local expected
    run bare 60 "$(sample no_grpc)"
    assert_success
    expected=$output
    run preloaded 60 "$(sample no_grpc)"
    assert_success
    assert_output "$expected"
    assert_stderr_empty
}

@test "Programs without gRPC keep their status, their signal and their output" {
    run preloaded 60 sh -c 'echo out; exit 7'
    assert_failure 7
    assert_output out
    run preloaded 60 sh -c 'kill -TERM $$'
    assert_failure 143
    assert_stderr_empty
}
