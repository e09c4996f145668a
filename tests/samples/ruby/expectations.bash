# What the tests of the Ruby programs share.
#
# shellcheck shell=bash disable=SC2154

RUBY_SAMPLES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

needs_ruby() {
    ruby -e 'require "grpc"' 2>"$BATS_TEST_TMPDIR/ruby" ||
        skip 'there is no gRPC for Ruby that goes with this one'
}

# Every test of the files on Ruby needs it; others say so.
setup() {
    needs_ruby
}

# Without Ruby's warnings: 3.3 has some about the extension.
RUBY=(ruby -W0 -I "$GRPCFORKSHIM_BUILD/tests/samples/ruby")

ruby_sample() { # NAME
    echo "$RUBY_SAMPLES/$1.rb"
}

# Runs a sample, with `bare` or `preloaded`.
run_ruby() { # WAY SECONDS NAME [ARGUMENT...]
    local way=$1 seconds=$2 name=$3
    shift 3
    run "$way" "$seconds" "${RUBY[@]}" "$(ruby_sample "$name")" "$@"
}

# One server of each kind, in INSECURE and TLS.  Call it from setup_file.
start_ruby_servers() {
    make_certificates
    start_server
    INSECURE=$SERVER_ADDRESS
    start_server --tls "$CERTIFICATES"
    TLS=$SERVER_ADDRESS
    export INSECURE TLS
}

# What the extension says where the shim is not there.
assert_refused() {
    assert_output --partial 'grpc cannot be used before and after forking'
}

assert_calls() { # WHO
    local kind
    for kind in unary client_stream server_stream bidi_stream; do
        assert_line "$1 $kind OK"
    done
    assert_line --regexp "^$1 deadline 4 "
}

assert_own_peer() { # WHO OTHER
    local peer
    peer=$(value "$1 peer")
    assert_equal "${peer%:*}" 'ipv4:127.0.0.1'
    refute test "$peer" = "$(value "$2 peer")"
}
