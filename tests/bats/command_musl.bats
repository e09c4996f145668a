#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# Scripts for other shells expand their own variables.
# shellcheck disable=SC2030,SC2031,SC2016
#
# Programs of another C library, as those of Alpine are: they are told apart, and not broken.

load ../lib/harness

setup_file() {
    # By musl-gcc, which Debian has: what it makes asks for the loader that Alpine's programs ask for.
    export MUSL=$HARNESS_RUN_DIRECTORY/musl
    mkdir -p "$MUSL"
    cat >"$MUSL/program.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int count, char **arguments) {
    char c;
    printf("runs, LD_PRELOAD=%s\n", getenv("LD_PRELOAD") ? getenv("LD_PRELOAD") : "");
    fflush(stdout);
    return count > 1 ? atoi(arguments[1]) : (int)read(0, &c, 1);
}
END
    echo 'int musl_library(void) { return 1; }' >"$MUSL/library.c"
    musl-gcc "$MUSL/program.c" -o "$MUSL/program"
    musl-gcc -static "$MUSL/program.c" -o "$MUSL/static"
    musl-gcc -shared -fPIC "$MUSL/library.c" -o "$MUSL/library.so"
}

setup() {
    unset LD_PRELOAD LD_LIBRARY_PATH
    grpcforkshim=$(command_line_tool)
    cd "$BATS_TEST_TMPDIR" || return
}

# Evaluates a Python expression on the tree `d` that --json prints.
json() { # EXPRESSION ARGUMENT...
    local expression=$1
    shift
    "$grpcforkshim" check --json "$@" |
        python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$expression"
}

@test "A program of musl's is not covered, which its loader tells, also when it is stripped" {
    local program
    strip -o stripped "$MUSL/program"
    printf '#!%s\n' "$MUSL/program" >script
    for program in "$MUSL/program" stripped script; do
        run "$grpcforkshim" check "$program"
        assert_failure 2
        assert_line --index 0 "$program: not covered: its C library is musl"
        assert_line --partial 'with the path of the shim in LD_PRELOAD it does not start'
    done
    run json 'd["preload"]["possible"], [o["code"] for o in d["preload"]["obstacles"]]' "$MUSL/program"
    assert_output "(False, ['libc'])"
    # It is not so that it runs as without the shim.
    run json '[r["holds"] for r in d["contract"] if r["row"] == 15]' "$MUSL/program"
    assert_output "['no']"
}

@test "A library of musl's is not covered" {
    run "$grpcforkshim" check "$MUSL/library.so"
    assert_failure 2
    assert_line --index 0 --partial 'not covered: its C library is musl'
}

@test "In what is linked statically nothing tells of musl: there is no loader, which is said" {
    run "$grpcforkshim" check "$MUSL/static"
    assert_failure 2
    run json '[o["code"] for o in d["preload"]["obstacles"]]' "$MUSL/static"
    assert_output "['static']"
}

@test "The loaders of other C libraries are known by their names, and GNU's is" {
    local loader name
    for loader in ld-uClibc.so.1:uClibc ld64-uClibc.so.0:uClibc linker64:Bionic; do
        name=${loader#*:}
        python3 - "$MUSL/program" "/lib/${loader%:*}" >program <<'END'
import sys
content = open(sys.argv[1], "rb").read()
old = content[content.index(b"/lib/ld-musl-"):].split(b"\0")[0]
sys.stdout.buffer.write(content.replace(old, sys.argv[2].encode().ljust(len(old), b"\0")))
END
        run "$grpcforkshim" check program
        assert_failure 2
        assert_line --index 0 "program: not covered: its C library is $name"
    done
    run json '[o["code"] for o in d["preload"]["obstacles"]]' "$(sample unary)"
    assert_output '[]'
}

@test "Of a process: musl is the reason that the shim is not there" {
    mkfifo input
    exec {musl_input}<>input
    (
        harness_close_descriptors
        exec "$MUSL/program" <input
    ) >output &
    until grep -q runs output; do kill -0 $!; done
    run "$grpcforkshim" check $!
    assert_failure 2
    assert_line --index 0 --partial 'the shim is not in this process'
    assert_line --partial 'is made for musl'
    exec {musl_input}>&-
    wait $! || true
}

# Docs: containers.md. It finds symbols missing that only GNU's C library has.
@test "musl's loader gives up on the shim's path, and leaves out what it does not find by name" {
    run preloaded 60 "$MUSL/program" 3
    assert_failure 127
    assert_line --partial 'Error relocating'
    refute_line --partial runs
    run env LD_PRELOAD=libgrpcforkshim.so "$MUSL/program" 3
    assert_failure 3
    assert_output 'runs, LD_PRELOAD=libgrpcforkshim.so'
    run env LD_PRELOAD="$(shim)" "$MUSL/static" 3
    assert_failure 3
}

@test "grpcforkshim run starts a program of musl's without the shim, and says so" {
    run "$grpcforkshim" run "$MUSL/program" 3
    assert_failure 3
    assert_line "grpcforkshim: $MUSL/program: its C library is musl, it runs without the shim"
    assert_line 'runs, LD_PRELOAD='
    # Found as a command is, and its own programs get the shim.
    PATH=$MUSL:$PATH run "$grpcforkshim" run program 4
    assert_failure 4
    assert_line 'runs, LD_PRELOAD='
    run "$grpcforkshim" run sh -c 'echo "$LD_PRELOAD"'
    assert_output "$(realpath "$(shim)")"
}
