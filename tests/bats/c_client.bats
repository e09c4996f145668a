#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# Clients in C on the gRPC core: channels, calls and completion queues that a child inherits.
#
# Without the shim a child either waits for threads that it does not have, or talks into its
# parent's connection, which breaks that for the parent.

load ../lib/harness
load ../samples/c/expectations

setup_file() {
    start_servers
}

teardown_file() {
    stop_servers
}

pluck() { # OPTION...
    fails_bare "$(sample pluck_client)" "$SERVER_ADDRESS" "$@"
    works_preloaded "$(sample pluck_client)" "$SERVER_ADDRESS" "$@"
    assert_line 'child exit 0'
    assert_not_equal_peers
}

assert_not_equal_peers() {
    [[ -n $(value 'child peer') ]]
    [[ $(value 'child peer') != "$(value 'parent peer')" ]]
}

# Without the shim the subjects of next_client neither return the pending tags as they should nor
# leave the parent's connection alone.
next_fails_bare() { # SUBJECT
    fails_bare "$(sample next_client)" "$SERVER_ADDRESS" "$1"
}

next_works_preloaded() { # SUBJECT
    works_preloaded "$(sample next_client)" "$SERVER_ADDRESS" "$1"
    assert_line 'child exit 0'
    assert_line 'child shutdown ok'
}

@test "A child calls on the channel and the pluck queue that it inherited" {
    pluck
}

@test "A child calls on a new channel and an inherited pluck queue" {
    pluck --new-channel
}

@test "A child calls on an inherited channel and a new pluck queue" {
    pluck --new-queue
}

@test "A child calls on a new channel and a new queue" {
    pluck --new-channel --new-queue
}

@test "A child calls by a method that was registered before the fork" {
    pluck --registered
}

@test "A child calls by a registered method on a new channel" {
    pluck --registered --new-channel --new-queue
}

@test "An inherited channel keeps its arguments, although the program has freed them" {
    pluck --arguments
    assert_equal "$(value 'child long_reply_status')" 8
    assert_line --regexp '^child user_agent pluck_client/1\.0 '
}

@test "A registered method and freed arguments go together" {
    pluck --arguments --registered
}

@test "A child calls over TLS on what it inherited" {
    SERVER_ADDRESS=$TLS_ADDRESS pluck --tls "$CERTIFICATES"
}

@test "A child calls over TLS on a new channel" {
    # Without the shim some versions of gRPC get a connection of their own here while the parent
    # is idle, others hang: so there is nothing to assert of that run.
    works_preloaded "$(sample pluck_client)" "$TLS_ADDRESS" \
        --tls "$CERTIFICATES" --new-channel --new-queue
    assert_line 'child exit 0'
    assert_not_equal_peers
}

@test "A child calls over TLS by a registered method, with arguments" {
    SERVER_ADDRESS=$TLS_ADDRESS pluck --tls "$CERTIFICATES" --registered --arguments
}

@test "Tags pending at the fork come back once each, then the queue serves new calls" {
    next_fails_bare pending
    next_works_preloaded pending
    assert_line 'child pending_tags ok'
    assert_line 'child timeout ok'
    assert_line 'child inherited_status 1'
    assert_line --regexp '^child inherited_details .*fork'
}

@test "One tag that several calls share comes back as often as it is pending" {
    next_fails_bare same-tag
    next_works_preloaded same-tag
    assert_line 'child pending_tags ok'
}

@test "One tag that several batches of one call share comes back as often as it is pending" {
    next_fails_bare call-tag
    next_works_preloaded call-tag
    assert_line 'child pending_tags ok'
}

@test "A queue that was shut down before the fork drains to its shutdown" {
    next_fails_bare shutdown
    next_works_preloaded shutdown
    assert_line 'child empty_shutdown ok'
}

@test "A tag that was completed and not taken at the fork comes once in each process" {
    # That much works without the shim; the call after it is on the parent's connection.
    next_fails_bare completed
    next_works_preloaded completed
    assert_line 'child completed_tag ok'
    assert_line 'parent completed_tag ok'
}

@test "Operations that a child starts on an inherited call fail at once" {
    next_fails_bare inherited
    next_works_preloaded inherited
    assert_line 'child start_batch GRPC_CALL_OK'
    assert_line 'child failed_at_once ok'
    assert_line 'child idle_call_fails ok'
    assert_line 'child cancel ok'
    assert_line 'child peer ok'
}

@test "A thread of the child that waits in next is woken by such an operation" {
    # It is woken without the shim, too: by the message that was meant for the parent.
    next_fails_bare blocked
    next_works_preloaded blocked
    assert_line 'child thread blocked'
    assert_line 'child woken ok'
}

@test "A child reads the end of a stream, and the parent reads all of it" {
    next_fails_bare stream
    next_works_preloaded stream
    assert_line 'child pending_tags ok'
    assert_line 'child read_on ok'
    assert_line 'parent whole_stream ok'
    assert_line 'parent end_of_stream ok'
}

fails_bare_channels() { # COUNT
    HARNESS_BACKTRACES=0 run bare $((8 + $1 / 50)) "$(sample many_channels)" "$SERVER_ADDRESS" "$1"
    assert_fails_after "^parent channels $1\$"
}

works_channels() { # COUNT
    run preloaded 60 "$(sample many_channels)" "$SERVER_ADDRESS" "$1"
    assert_success
    assert_stderr_empty
    assert_line "child channels $1"
    assert_line 'child connections_of_the_parent 0'
    assert_line 'parent connections_lost 0'
}

@test "A child calls on each of 10 inherited channels" {
    fails_bare_channels 10
    works_channels 10
}

@test "A child calls on each of 100 inherited channels" {
    fails_bare_channels 100
    works_channels 100
}

@test "A child calls on each of 1000 inherited channels" {
    fails_bare_channels 1000
    works_channels 1000
}

@test "An inherited lame channel goes on failing with its own reason" {
    # The lame channel works without the shim; the connected one beside it does not.
    fails_bare "$(sample lame)" "$SERVER_ADDRESS" lame
    works_preloaded "$(sample lame)" "$SERVER_ADDRESS" lame
    assert_equal "$(value 'child failure_status')" "$(value 'parent failure_status')"
    assert_equal "$(value 'child failure_details')" "$(value 'parent failure_details')"
    assert_line 'child reason ok'
}

@test "An inherited channel that was made from a descriptor is unavailable and says why" {
    fails_bare "$(sample lame)" "$SERVER_ADDRESS" descriptor
    works_preloaded "$(sample lame)" "$SERVER_ADDRESS" descriptor
    assert_line 'child reason ok'
    # Lame channels of old versions have one status and message for all, so no reason can be given.
    if [[ $(value 'parent lame_details') != 'lame client channel' ]]; then
        assert_equal "$(value 'child failure_status')" 14
        assert_line --regexp '^child failure_details .*fork'
    fi
}

@test "Calls on a callback queue end in the child by their callbacks, and new ones are called back" {
    fails_bare "$(sample callback_queue)" "$SERVER_ADDRESS"
    works_preloaded "$(sample callback_queue)" "$SERVER_ADDRESS"
    assert_line 'child own-connection ok'
    assert_line --regexp '^child open status 1 .*fork'
    assert_line 'parent open ok'
    assert_line 'parent after callback ok'
}
