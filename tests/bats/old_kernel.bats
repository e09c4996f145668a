#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# The library loads on systems whose kernels lack a good deal of what it is built and tested on: the
# sample old_kernel refuses what came after Linux 3.10.

load ../lib/harness
# shellcheck source=tests/lib/python.bash
source "$HARNESS_DIRECTORY/python.bash"

setup_file() {
    # shellcheck disable=SC2119
    start_server
}

teardown_file() {
    stop_servers
}

setup() {
    not_emulated 'takes no seccomp filters'
    not_sanitized 'asks the kernel for more than the programs do'
}

on_old_kernel() { # WAY PROGRAM [ARGUMENT...]
    local way=$1
    shift
    run "$way" 120 "$(sample old_kernel)" "$@"
}

@test "What the sample refuses is refused, and programs work all the same" {
    on_old_kernel bare "$DEBIAN_PYTHON" -c '
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for name, arguments in (("getrandom", 318), ("memfd_create", 319), ("close_range", 436)):
    result = libc.syscall(arguments, 0, 0, 0)
    print(name, result, errno.errorcode[ctypes.get_errno()])
memory = libc.valloc
memory.restype = ctypes.c_void_p
print("wipe", libc.madvise(ctypes.c_void_p(memory(4096)), ctypes.c_size_t(4096), 18), errno.errorcode[ctypes.get_errno()])'
    assert_success
    assert_output $'getrandom -1 ENOSYS\nmemfd_create -1 ENOSYS\nclose_range -1 ENOSYS\nwipe -1 EINVAL'
}

@test "A child calls on such a kernel, in C++ and in C, however it was forked" {
    local form
    HARNESS_BACKTRACES=0 run bare 30 "$(sample old_kernel)" "$(sample unary)" "$SERVER_ADDRESS"
    assert_failure
    on_old_kernel preloaded "$(sample unary)" "$SERVER_ADDRESS"
    assert_success
    assert_stderr_empty
    for form in fork daemon fork-exec-unmarked; do
        on_old_kernel preloaded "$(sample process_forms)" "$SERVER_ADDRESS" "$form"
        assert_success
        assert_stderr_empty
    done
    on_old_kernel preloaded "$(sample grandchildren)" "$SERVER_ADDRESS" 3
    assert_success
    assert_stderr_empty
}

@test "Python's children call there, also where the extension has to be copied to be loaded again" {
    on_old_kernel preloaded "$DEBIAN_PYTHON" "$(python_sample global_channel)" "$SERVER_ADDRESS"
    assert_success
    assert_stderr_empty
    on_old_kernel preloaded "$DEBIAN_PYTHON" "$(python_sample loader_unknown)" "$SERVER_ADDRESS"
    assert_success
    assert_stderr_empty
    assert_line 'child text x'
    assert_line 'grandchild text x'
    assert_line 'child exit 0'
}

# Programs look them up by name, as those do that are built on one system for many.  Where libc has none,
# they find the shim's.
@test "close_range() says that it can't, and closefrom() closes, where the kernel has neither" {
    local way
    run preloaded 60 "$(sample later_calls)"
    assert_success
    assert_line 'close_range 0: Success, open 1'
    assert_line 'closefrom: open 1'
    on_old_kernel preloaded "$(sample later_calls)"
    assert_success
    assert_line 'close_range -1: Function not implemented, open 3'
    assert_line 'closefrom: open 1'
}
