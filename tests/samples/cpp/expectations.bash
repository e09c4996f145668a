# What the tests of the C++ clients expect.
#
# shellcheck shell=bash disable=SC2154

# One server of each kind, in INSECURE, TLS and MUTUAL_TLS.  Call it from setup_file.
start_servers() {
    make_certificates
    start_server
    INSECURE=$SERVER_ADDRESS
    start_server --tls "$CERTIFICATES"
    TLS=$SERVER_ADDRESS
    start_server --mutual-tls "$CERTIFICATES"
    MUTUAL_TLS=$SERVER_ADDRESS
    export INSECURE TLS MUTUAL_TLS
}

# A program that is expected to fail has a short deadline, and needs no backtraces when it hangs.
bare_briefly() { # PROGRAM ADDRESS [ARGUMENT...]
    HARNESS_BACKTRACES=0 bare 5 "$@" --deadline-after-fork 2
}

# Without the shim the child is served over its parent's connection, if it is served at all, and
# that breaks it for the parent.
assert_shared_connection() { # [WHO OF THE CHILD [WHO OF THE PARENT]]
    local child=${1-child} parent=${2-parent} peer
    assert_fails_after "^$parent status 0\$"
    if peer=$(value "$child peer"); then
        assert_equal "$peer" "$(value "$parent peer")"
    fi
}

# Without the shim the child mostly waits for ever, where even the deadline of its call can't end it.
# Where a version gets through, there is nothing to show.
assert_child_hangs() {
    [[ $status -ne 0 ]] || skip 'this gRPC gets through it without the shim'
    refute_line --regexp '^parent status [^0]'
}

assert_own_connection() {
    assert_success
    assert_stderr_empty
    assert_line 'child status 0'
    assert_line 'child exit 0'
    assert_equal "$(value 'child server')" "$(value 'parent after server')"
    assert_equal "$(value 'parent after peer')" "$(value 'parent peer')"
    # The clients of a unix: server have no address.
    if [[ $(value 'child peer') != unix:* ]]; then
        refute test "$(value 'child peer')" = "$(value 'parent peer')"
    fi
}
