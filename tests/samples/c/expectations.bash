# What the tests of the C clients expect.
#
# shellcheck shell=bash disable=SC2154

# A server with TLS, in TLS_ADDRESS, and one without, in SERVER_ADDRESS.  Call it from setup_file.
start_servers() {
    make_certificates
    start_server --tls "$CERTIFICATES"
    export TLS_ADDRESS=$SERVER_ADDRESS
    start_server
}

fails_bare() { # PROGRAM [ARG...]
    HARNESS_BACKTRACES=0 run bare 4 "$@"
    assert_fails_after '^parent (status 0|callback ok)$'
}

works_preloaded() { # PROGRAM [ARG...]
    run preloaded 60 "$@"
    assert_success
    assert_stderr_empty
    refute_line --partial FAILED
}
