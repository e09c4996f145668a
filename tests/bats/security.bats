#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# Scripts expand their own variables.
# shellcheck disable=SC2030,SC2031,SC2016
#
# A library that is in every process must not be a way into privileged ones, nor in a program's way.

load ../lib/harness
# shellcheck source=tests/lib/container.bash
source "$HARNESS_DIRECTORY/container.bash"

setup() {
    log=$BATS_TEST_TMPDIR/log
    unset GRPCFORKSHIM_LOG_LEVEL GRPCFORKSHIM_LOG_FILE GRPCFORKSHIM_REPORT
}

# The loader preloads a library into a setuid program where it lies in a standard directory and is
# setuid itself (ld.so(8)): then it is up to the shim.
@test "In setuid and capable programs nothing of the environment is read, though the shim is loaded" {
    local missing
    missing=$(container_missing)
    [[ -z $missing ]] || skip "$missing"
    mkdir -p "$HARNESS_RUN_DIRECTORY/container"
    cp "$(command -v grep)" "$HARNESS_RUN_DIRECTORY/container/capable"
    setcap cap_net_raw+ep "$HARNESS_RUN_DIRECTORY/container/capable"
    cat >"$HARNESS_RUN_DIRECTORY/container/try" <<'END'
set -eu
directory=$(dirname "$(find /usr/lib -name libgrpc.so.[0-9]* | head -n 1)")
install -m 4755 "$1" "$directory/libgrpcforkshim.so"
install -m 755 "$(command -v grep)" /usr/bin/plain
install -m 4755 "$(command -v grep)" /usr/bin/setuid
cp --preserve=xattr,mode "$2" /usr/bin/capable
chmod 755 /usr/bin/capable
for program in plain setuid capable; do
    log=/tmp/log.$program
    count=$(setpriv --reuid 65534 --clear-groups env LD_PRELOAD=libgrpcforkshim.so GRPCFORKSHIM_LOG_FILE="$log" \
        GRPCFORKSHIM_LOG_LEVEL=debug GRPCFORKSHIM_REPORT=all GRPCFORKSHIM_NONSENSE=1 GRPCFORKSHIM_REPORT_SIGNAL=40 \
        "$program" -c libgrpcforkshim /proc/self/maps 2>/tmp/errors) || true
    [ "$count" -gt 0 ] && loaded=yes || loaded=no
    [ -e "$log" ] && written=yes || written=no
    echo "$program loaded=$loaded log=$written errors=$(wc -l </tmp/errors)"
done
END
    run in_fresh_root /bin/sh "$HARNESS_RUN_DIRECTORY/container/try" "$(shim)" "$HARNESS_RUN_DIRECTORY/container/capable"
    assert_success
    assert_line 'plain loaded=yes log=yes errors=0'
    assert_line 'setuid loaded=yes log=no errors=0'
    assert_line 'capable loaded=yes log=no errors=0'
}

@test "A log file that is a symbolic link is not followed" {
    echo precious >"$BATS_TEST_TMPDIR/target"
    ln -s target "$log"
    GRPCFORKSHIM_LOG_FILE=$log GRPCFORKSHIM_REPORT=all run preloaded 60 true
    assert_success
    run cat "$BATS_TEST_TMPDIR/target"
    assert_output precious
    run cat "$HARNESS_STDERR"
    assert_line --regexp '^grpcforkshim\[[0-9]+\]: GRPCFORKSHIM_LOG_FILE: '
}

@test "The log is opened to append, without following links, closed on exec, and by its owner alone" {
    command -v strace >/dev/null || skip 'there is no strace'
    GRPCFORKSHIM_LOG_FILE=$log GRPCFORKSHIM_REPORT=all run bare 60 strace -f -o "$BATS_TEST_TMPDIR/trace" \
        -e trace=open,openat -E LD_PRELOAD="$(shim)" sh -c '/bin/true; exit 0'
    assert_success
    run grep -F "\"$log\"" "$BATS_TEST_TMPDIR/trace"
    assert_success
    [[ ${#lines[@]} -ge 2 ]]
    local line
    for line in "${lines[@]}"; do
        [[ $line == *O_APPEND* && $line == *O_NOFOLLOW* && $line == *O_CLOEXEC* && $line == *', 0600)'* ]] ||
            fail "$line"
    done
    assert_equal "$(stat -c %a "$log")" 600
}

@test "A log that nobody reads, or that may not grow, does not end the program" {
    local program='import os, resource, subprocess, sys
environment = dict(os.environ, LD_PRELOAD=sys.argv[1], GRPCFORKSHIM_REPORT="all", GRPCFORKSHIM_NONSENSE="1")
def status(**more):
    return subprocess.run(["/bin/true"], env=dict(environment, **more.pop("variables", {})), **more).returncode
reader, writer = os.pipe()
os.close(reader)
print("pipe", status(stderr=writer))
limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
print("file", status(variables={"GRPCFORKSHIM_LOG_FILE": sys.argv[2]}, preexec_fn=limit))'
    run bare 60 /usr/bin/python3 -c "$program" "$(shim)" "$log"
    assert_success
    assert_output $'pipe 0\nfile 0'
    assert_equal "$(stat -c %s "$log")" 0
}

@test "A fifo for a log is not waited for" {
    mkfifo "$log"
    GRPCFORKSHIM_LOG_FILE=$log run preloaded 60 true
    assert_success
    grep -q 'GRPCFORKSHIM_LOG_FILE: ' "$HARNESS_STDERR"
}

@test "The shim has no descriptor of its own, also while it logs" {
    local program='import os
print(sorted(os.listdir("/proc/self/fd"), key=int))'
    run bare 60 /usr/bin/python3 -c "$program"
    assert_success
    local expected=$output
    GRPCFORKSHIM_LOG_LEVEL=debug GRPCFORKSHIM_LOG_FILE=$log GRPCFORKSHIM_REPORT=all run preloaded 60 \
        /usr/bin/python3 -c "$program"
    assert_success
    assert_output "$expected"
}

@test "A program that closes everything from 3 up gets these numbers, and its children keep them" {
    local program='import ctypes, os, sys
libc = ctypes.CDLL(None)
way = sys.argv[1]
if way == "close":
    for number in range(3, 1024):
        libc.close(number)
elif way == "syscall":
    for number in range(3, 1024):
        libc.syscall(3 if os.uname().machine == "x86_64" else 57, number)
elif hasattr(libc, way):
    getattr(libc, way)(3, *((0xffffffff, 0) if way == "close_range" else ()))
else: # in glibc since 2.34
    os.closerange(3, 1024)
opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
os.fork() or os._exit(0 if all(os.fstat(number) for number in opened) else 1)
print(opened, os.waitstatus_to_exitcode(os.wait()[1]))'
    local way expected
    for way in close close_range closefrom syscall; do
        run bare 60 /usr/bin/python3 -c "$program" "$way"
        assert_success
        expected=$output
        assert_output --partial '[3, 4, 5'
        GRPCFORKSHIM_LOG_LEVEL=debug GRPCFORKSHIM_LOG_FILE=$log GRPCFORKSHIM_REPORT=all run preloaded 60 \
            /usr/bin/python3 -c "$program" "$way"
        assert_success
        assert_output "$expected"
        assert_stderr_empty
    done
}

@test "The environment is read in one place, after asking whether it may be" {
    cd "$ROOT/shim"
    run grep -rlE '\b(secure_)?getenv\(|\benviron\b' . --include=*.c
    assert_output ./base/configuration.c
    run grep -c 'getauxval(AT_SECURE) == 0 && environ' base/configuration.c
    assert_output 1
}
