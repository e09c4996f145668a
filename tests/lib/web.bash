# Prefork web servers under load: what their tests share. After harness.bash; needs Ruby.
#
#   run_web WAY SERVER REQUESTS STEP...      runs web_load.rb with the service at INSECURE
#   assert_web_works REQUESTS LEAST MOST     all of it went well; from LEAST to MOST workers answered
#   show_web_log                             from teardown: what a server said whose test has failed
#
# shellcheck shell=bash disable=SC2154

# How many requests each of the long tests makes.
: "${WEB_REQUESTS:=20000}"
: "${WEB_SECONDS:=600}"

run_web() { # WAY SERVER REQUESTS STEP...
    local way=$1 server=$2
    shift 2
    run "$way" "$WEB_SECONDS" env \
        RUBYLIB="$GRPCFORKSHIM_BUILD/tests/samples/ruby${RUBYLIB:+:$RUBYLIB}" \
        ruby "$HARNESS_DIRECTORY/web_load.rb" "$server" "$INSECURE" "$BATS_TEST_TMPDIR" "$@"
}

# A short load can be over before all have begun: two it is at least where one was killed.
# Those that were killed were replaced; more than were started for that would be replacements of workers
# that died of themselves.
assert_web_works() { # REQUESTS LEAST MOST
    assert_success
    assert_stderr_empty
    assert_line 'failed 0'
    assert_line 'master failed 0'
    assert_line 'connections per worker 1'
    assert_line 'master connections 1'
    assert_line 'shared connections 0'
    [[ $(value requests) -ge $1 ]] || fail "$(value requests) requests, not $1"
    [[ $(value workers) -ge $2 ]] || fail "$(value workers) workers, not $2"
    [[ $(value workers) -le $3 ]] || fail "$(value workers) workers, not $3: some have ended of themselves"
    [[ $(value 'master calls') -gt 0 ]] || fail 'the master did not call'
    run grep -E 'grpcforkshim\[|\[BUG\]|RuntimeError|SIG(SEGV|ABRT|BUS|ILL)|ASSERTION|Check failed|Traceback' "$BATS_TEST_TMPDIR/web.log"
    refute_output
}

show_web_log() {
    [[ -n ${BATS_TEST_COMPLETED-} ]] || grep -v '"GET / HTTP' "$BATS_TEST_TMPDIR/web.log" | tail -n 100 >&2
}
