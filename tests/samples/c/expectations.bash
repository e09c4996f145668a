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

# What the design says of a child without the shim: it hangs, or is on its parent's connection.
fails_bare() { # PROGRAM [ARG...]
    HARNESS_BACKTRACES=0 run bare 4 "$@"
    assert_failure
    [[ $status -eq 124 ]] || assert_line --regexp '^(child|between) connection of the parent$'
}

works_preloaded() { # PROGRAM [ARG...]
    run preloaded 30 "$@"
    assert_success
    assert_stderr_empty
    refute_line --partial FAILED
}
