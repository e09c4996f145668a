#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# grpcforkshim check: what is known of a program before it is trusted to the shim.

load ../lib/harness

setup_file() {
    start_server
}

teardown_file() {
    stop_servers
}

setup() {
    unset LD_PRELOAD LD_LIBRARY_PATH PYTHONPATH GEM_HOME GEM_PATH
    grpcforkshim=$(command_line_tool)
    cd "$BATS_TEST_TMPDIR" || return
}

check() { # ARGUMENT...
    run "$grpcforkshim" check "$@"
}

# Evaluates a Python expression on the tree `d` that --json prints.
json() { # EXPRESSION ARGUMENT...
    local expression=$1
    shift
    "$grpcforkshim" check --json "$@" |
        python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$expression"
}

@test "A program linked with libgrpc++ is covered, with gRPC's version and all rows of the contract" {
    check "$(sample unary)"
    assert_success
    assert_line --index 0 --partial ': covered: '
    run json 'd["coverage"], d["grpc"]["linkage"], len(d["contract"]), {r["holds"] for r in d["contract"]}' \
        "$(sample unary)"
    assert_output "('covered', 'dynamic', 15, {'yes'})"
    run json 'd["grpc"]["cores"][0]["release"]' "$(sample unary)"
    assert_output "$(pkg-config --modversion grpc++)"
    # The core has a number of its own.
    run json 'd["grpc"]["cores"][0]["core_version"]' "$(sample unary)"
    assert_output "$(pkg-config --modversion grpc)"
}

@test "The library found is the one that the loader would map" {
    local program
    for program in unary unary_unsecure pluck_client; do
        run json 'd["grpc"]["cores"][0]["file"]' "$(sample "$program")"
        assert_success
        [[ $output -ef $(ldd "$(sample "$program")" | awk '/libgrpc(_unsecure)?\.so/ { print $3; exit }') ]]
    done
}

@test "Search paths in the program and in the environment count, as they do for the loader" {
    local library name
    library=$(ldd "$(sample pluck_client)" | awk '/libgrpc\.so/ { print $3 }')
    name=${library##*/}
    mkdir lib other
    cp "$library" lib/
    cp "$library" other/
    printf 'int grpc_is_initialized(void); int main(void) { return grpc_is_initialized(); }' >main.c
    gcc main.c -o by_runpath -Wl,--enable-new-dtags -Wl,-rpath,"\$ORIGIN/lib" -lgrpc
    gcc main.c -o by_rpath -Wl,--disable-new-dtags -Wl,-rpath,"\$ORIGIN/lib" -lgrpc
    for program in by_runpath by_rpath; do
        run json 'd["grpc"]["cores"][0]["file"]' "$PWD/$program"
        assert_output "$PWD/lib/$name"
        # The environment comes before DT_RUNPATH and after DT_RPATH.
        LD_LIBRARY_PATH=$PWD/other run json 'd["grpc"]["cores"][0]["file"]' "$PWD/$program"
        assert_output "$(LD_LIBRARY_PATH=$PWD/other ldd "$PWD/$program" | awk '/libgrpc\.so/ { print $3 }')"
    done
}

@test "A program with gRPC in itself is not covered, also when it is stripped" {
    local program
    program=$(sample static_client) || skip 'this gRPC has no static libraries'
    cp "$program" whole
    strip -o stripped "$program"
    for program in whole stripped; do
        check "$program"
        assert_failure 2
        assert_line --index 0 --partial 'linked statically'
    done
    run json 'd["grpc"]["linkage"], d["grpc"]["cores"][0].get("core_version")' whole
    assert_output "('static', '$(pkg-config --modversion grpc)')"
    run json 'd["grpc"]["linkage"], d["grpc"]["cores"][0].get("core_version")' stripped
    assert_output "('static', None)"
}

@test "A program without gRPC is not covered: there is nothing to cover" {
    check "$(sample no_grpc)"
    assert_failure 2
    assert_line --index 0 --partial 'there is no gRPC'
    run json 'd["grpc"]["linkage"], d["contract"]' "$(sample no_grpc)"
    assert_output "('absent', [])"
}

@test "Of a program that loads plug-ins nothing can be told, of its plug-in it can" {
    check "$(sample late_loader)"
    assert_failure 3
    check "$GRPCFORKSHIM_BUILD/tests/samples/c/client_plugin.so"
    assert_success
}

@test "A Python script leads to the extension that its interpreter would find, with its version" {
    mkdir -p packages/grpc/_cython
    printf '__version__ = """1.99.9"""\n' >packages/grpc/_grpcio_metadata.py
    # Any file with a core in it: nothing is run.
    cp "$(sample static_client || sample pluck_client)" packages/grpc/_cython/cygrpc.so
    printf '#!/usr/bin/python3\nimport grpc\n' >script
    PYTHONPATH=$PWD/packages run json \
        'd["kind"], d["interpreter"], d["grpc"]["linkage"], d["grpc"]["cores"][0]["extension"]' script
    assert_output "('script', '/usr/bin/python3', 'late', '$PWD/packages/grpc/_cython/cygrpc.so')"
    PYTHONPATH=$PWD/packages run json 'd["grpc"]["cores"][0]["release"]' script
    assert_output 1.99.9
}

@test "A virtual environment's packages count and the system's do not" {
    local version
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    mkdir -p venv/bin "venv/lib/python$version/site-packages/grpc/_cython"
    ln -s /usr/bin/python3 venv/bin/python
    echo 'include-system-site-packages = false' >venv/pyvenv.cfg
    cp "$(sample static_client || sample pluck_client)" \
        "venv/lib/python$version/site-packages/grpc/_cython/cygrpc.cpython-${version/./}-x86_64-linux-gnu.so"
    printf '#!%s/venv/bin/python\n' "$PWD" >script
    run json '[c["extension"] for c in d["grpc"]["cores"]]' script
    assert_output "['$PWD/venv/lib/python$version/site-packages/grpc/_cython/cygrpc.cpython-${version/./}-x86_64-linux-gnu.so']"
}

@test "A Ruby script leads to the gem's extension and to the libgrpc that it links" {
    [[ -x /usr/bin/ruby ]] || skip 'there is no ruby'
    mkdir -p gems/grpc-1.88.8/src/ruby/lib/grpc
    cp "$GRPCFORKSHIM_BUILD/tests/samples/c/client_plugin.so" gems/grpc-1.88.8/src/ruby/lib/grpc/grpc_c.so
    printf '#!/usr/bin/env -S ruby -w\n' >script
    GEM_HOME=$PWD run json 'd["grpc"]["linkage"], d["grpc"]["cores"][0]["release"], d["coverage"]' script
    assert_output "('late', '1.88.8', 'covered')"
    GEM_HOME=$PWD run json 'd["grpc"]["cores"][0]["file"]' script
    assert_output --partial libgrpc.so
}

@test "Reasons why the loader ignores LD_PRELOAD are named" {
    cp "$(sample unary)" setuid
    chmod u+s setuid
    cp "$(sample unary)" setgid
    chmod g+xs setgid
    cp "$(sample unary)" foreign
    printf '\xb7\x00' | dd of=foreign bs=1 seek=18 conv=notrunc status=none
    cp /sbin/ldconfig static
    local program
    for program in setuid setgid static; do
        check "$program"
        assert_failure 2
        run json 'd["preload"]["possible"], d["preload"]["obstacles"][0]["code"]' "$program"
        assert_output "(False, '$program')"
    done
    check foreign
    assert_failure 2
    run json 'd["preload"]["obstacles"][0]["code"], d["architecture"]' foreign
    assert_output "('architecture', 'aarch64')"
}

@test "File capabilities are named" {
    cp "$(sample unary)" capable
    setcap cap_net_bind_service+ep capable || skip 'file capabilities need root'
    check capable
    assert_failure 2
    run json 'd["preload"]["obstacles"][0]["code"]' capable
    assert_output capabilities
}

@test "A setuid interpreter counts for its scripts" {
    cp "$(sample unary)" interpreter
    chmod u+s interpreter
    printf '#!%s/interpreter\n' "$PWD" >script
    check script
    assert_failure 2
    assert_output --partial 'is setuid'
}

@test "What can't be read or is no program ends with status 3 and says why" {
    echo text >text
    printf '\x7fELF' >broken
    mkfifo fifo
    printf '#!%s/loop\n' "$PWD" >loop
    local file
    for file in /nonexistent no-such-command text broken fifo loop "$PWD"; do
        check "$file"
        assert_failure 3
        assert_line --index 0 --partial 'could not tell: '
        run json 'd["coverage"]' "$file"
        assert_output unknown
    done
}

@test "A script leads to what env(1) would start, and to nothing where that is not found" {
    printf '#!/usr/bin/env -S -u LANG -C / A=1 %s\n' "$(sample unary)" >script
    check script
    assert_success
    printf '#!/usr/bin/env no-such-interpreter\n' >script
    check script
    assert_failure 3
    assert_line --index 0 --partial 'no-such-interpreter: env(1) finds no such command'
    printf '#! \n' >script
    check script
    assert_failure 3
    assert_line --index 0 --partial 'neither a program nor a script'
}

@test "A 32-bit program is of another architecture" {
    /usr/bin/python3 - >small <<'END'
import struct, sys
interpreter = b"/lib/ld-linux.so.2\0"
header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1", 2, 3, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
segment = struct.pack("<8I", 3, 84, 84, 84, len(interpreter), len(interpreter), 4, 1)
sys.stdout.buffer.write(header + segment + interpreter)
END
    check small
    assert_failure 2
    run json 'd["preload"]["obstacles"][0]["code"], d["architecture"]' small
    assert_output "('architecture', 'i386')"
}

@test "Any file name makes valid JSON, and none gets at the terminal" {
    local name
    for name in $'no utf-8 \xff\xc3' $'a\nb\e[31m\xc2\x9b"'; do
        cp "$(sample unary)" "./$name"
        run json 'd["target"] == d["file"] and len(d["target"]) > 4, d["coverage"]' "./$name"
        assert_output "(True, 'covered')"
        check "./$name"
        assert_success
        assert_line --index 0 --partial ': covered: '
        printf '%s\n' "$output" | /usr/bin/python3 -c 'import sys, unicodedata
assert all(c == "\n" or unicodedata.category(c) != "Cc" for c in sys.stdin.buffer.read().decode())'
    done
}

@test "A directory called like a command does not hide it" {
    mkdir unary
    PATH=$GRPCFORKSHIM_BUILD/tests/samples/cpp:$PATH check unary
    assert_success
}

@test "The shim itself is not taken for gRPC" {
    check "$(shim)"
    assert_failure 2
}

@test "Truncated and corrupted files are read without harm" {
    local size offset
    cp "$(sample pluck_client)" whole
    for size in 20 64 65 200 1000 5000; do
        head -c "$size" whole >part
        run "$grpcforkshim" check part
        [[ $status -le 3 ]]
    done
    # Bytes of the headers, one after the other.
    for offset in {16..400..7}; do
        cp whole part
        printf '\xff' | dd of=part bs=1 seek="$offset" conv=notrunc status=none
        run "$grpcforkshim" check part
        [[ $status -le 3 ]] || fail "status $status at $offset: $output"
    done
}

@test "Nothing of the program is run" {
    printf '#!/bin/sh\n: >ran\n' >script
    chmod +x script
    check script
    [[ ! -e ran ]]
    printf '#include <stdio.h>\n__attribute__((constructor)) static void f(void) { fopen("ran", "w"); }
        int main(void) { return 0; }' >main.c
    gcc main.c -o program
    check ./program
    [[ ! -e ran ]]
    ./program
    [[ -e ran ]]
}

@test "A command is looked up in PATH" {
    PATH=$GRPCFORKSHIM_BUILD/tests/samples/cpp:$PATH check unary
    assert_success
}

# --- processes -----------------------------------------------------------------------------------

# Starts `family` with the shim or without: PARENT and CHILD; it ends when the test does.
start_family() { # LD_PRELOAD ARGUMENT...
    local preload=$1
    shift
    mkfifo input
    : >output
    exec {family_input}<>input
    (
        harness_close_descriptors
        exec env -u GRPCFORKSHIM_BUILD ${preload:+LD_PRELOAD="$preload"} \
            "$(sample family)" "$SERVER_ADDRESS" "$@" <input >output 2>&1
    ) &
    FAMILY=$!
    for _ in {1..2000}; do
        PARENT=$(sed -n 's/^parent pid //p' output)
        CHILD=$(sed -n 's/^child pid //p' output)
        # Without the shim the child may wait for ever.
        [[ -z $PARENT || (-z $CHILD && -n $preload) ]] || return 0
        sleep 0.01
    done
    cat output >&2
    return 1
}

teardown() {
    local -a children
    if [[ -n ${FAMILY-} ]]; then
        # Without the shim its child may not have got so far as to say its pid.
        mapfile -t children < <(ps -o pid= --ppid "$FAMILY")
        kill "$FAMILY" "${children[@]}" 2>/dev/null || true
        wait "$FAMILY" 2>/dev/null || true
    fi
    rm -rf "${PLACE-}"
}

@test "Of a process: the shim is loaded, its counters, and no inherited descriptor is open" {
    start_family "$(shim)"
    check "$PARENT"
    assert_success
    assert_output --partial "$(shim)"
    run json 'd["process"]["state"], d["process"]["generation"], d["process"]["counters"]["forks"], d["process"]["counters"]["children_using_grpc"]' "$PARENT"
    assert_output "('protected', 0, 1, 1)"
    check "$CHILD"
    assert_success
    run json 'd["process"]["state"], d["process"]["generation"], d["process"]["counters"]["forks"], d["process"]["counters"]["channels_rebuilt"], d["process"]["descriptors"]["inherited"]' "$CHILD"
    assert_output "('protected', 1, 0, 1, [])"
    run json 'd["process"]["counters"]["descriptors_closed"] > 0 and d["process"]["descriptors"]["grpc"] > 0' "$CHILD"
    assert_output True
}

@test "Of a process: its counters are found in a shim that was linked at an address of its own, too" {
    start_family "$(sample libgrpcforkshim_based.so)"
    run json 'd["process"]["state"], d["process"]["counters"]["forks"]' "$PARENT"
    assert_output "('protected', 1)"
}

@test "Of a process: inherited descriptors of its parent's gRPC that are still open are listed" {
    start_family "$(shim)" duplicate
    check "$CHILD"
    assert_failure 1
    assert_output --partial "of its parent's gRPC: socket:["
    run json 'sorted(i["descriptor"] for i in d["process"]["descriptors"]["inherited"])' "$CHILD"
    assert_output "$(cd "/proc/$CHILD/fd" && printf '%s\n' * | sort -n | awk '$1 >= 100' | paste -sd, | sed 's/,/, /g; s/.*/[&]/')"
}

@test "Of a process without the shim that is said" {
    start_family ''
    check "$PARENT"
    assert_failure 2
    assert_line --index 0 --partial 'the shim is not in this process'
    run json 'd["process"]["shim"]["loaded"], d["coverage"]' "$PARENT"
    assert_output "(False, 'not')"
}

@test "Of a process: gRPC is what it has mapped, whatever our own search paths say" {
    local library
    library=$(ldd "$(sample pluck_client)" | awk '/libgrpc\.so/ { print $3 }')
    mkdir lib
    cp "$library" lib/
    printf '#include <unistd.h>\nint grpc_is_initialized(void);
        int main(void) { char c; return grpc_is_initialized() + (int)read(0, &c, 1); }' >main.c
    gcc main.c -o program -Wl,-rpath,"\$ORIGIN/lib" -lgrpc
    mkfifo input
    exec {family_input}<>input
    (
        harness_close_descriptors
        exec env LD_PRELOAD="$(shim)" ./program <input
    ) &
    FAMILY=$!
    until grep -q "$PWD/lib/" "/proc/$FAMILY/maps"; do kill -0 "$FAMILY"; done
    run json '[(c["file"], c["linkage"], c["loaded"]) for c in d["grpc"]["cores"]], d["coverage"]' "$FAMILY"
    assert_output "([('$PWD/lib/${library##*/}', 'dynamic', 'already')], 'covered')"
}

@test "Of a process: with two copies of the shim the one at work is asked" {
    mkdir other
    cp "$(shim)" other/libgrpcforkshim.so
    local preload
    for preload in "$(shim):$PWD/other/libgrpcforkshim.so" "$PWD/other/libgrpcforkshim.so:$(shim)"; do
        rm -f input
        start_family "$preload"
        run json 'd["process"]["state"], d["process"]["counters"]["children_using_grpc"], d["process"]["shim"]["file"]' "$PARENT"
        assert_output "('protected', 1, '$(realpath "${preload%%:*}")')"
        exec {family_input}>&-
        wait "$FAMILY"
    done
}

# Without the privileges that map_files needs.
@test "A user is told of his own processes, also where the shim's file was replaced since" {
    [[ $EUID -eq 0 ]] || skip 'needs root to become another user'
    local place user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    place=$(mktemp -d "${TMPDIR:-/tmp}/grpcforkshim.XXXXXX")
    PLACE=$place
    chmod 755 "$place"
    cp "$(shim)" "$grpcforkshim" "$place/"
    mkfifo input
    exec {family_input}<>input
    "${user[@]}" cat <input 3>&- &
    FAMILY=$!
    until [[ $(readlink "/proc/$FAMILY/exe") == */cat ]]; do kill -0 "$FAMILY"; done
    run "${user[@]}" "$place/grpcforkshim" check "$FAMILY"
    assert_failure 2
    assert_line --index 0 --partial 'the shim is not in this process'
    kill "$FAMILY"
    "${user[@]}" env LD_PRELOAD="$place/libgrpcforkshim.so" cat <input 3>&- &
    FAMILY=$!
    until [[ $(readlink "/proc/$FAMILY/exe") == */cat ]] && grep -q '/libc[-.]' "/proc/$FAMILY/maps"; do
        kill -0 "$FAMILY"
    done
    run "${user[@]}" "$place/grpcforkshim" check "$FAMILY"
    assert_output --partial "$place/libgrpcforkshim.so"
    assert_output --partial 'state         none'
    cp "$(shim)" "$place/new"
    mv "$place/new" "$place/libgrpcforkshim.so"
    run "${user[@]}" "$place/grpcforkshim" check "$FAMILY"
    assert_failure 3
    assert_line --index 0 --partial 'was replaced'
    run "$grpcforkshim" check "$FAMILY"
    assert_output --partial 'state         none'
}

@test "Of a process that is not there or not ours nothing can be told" {
    check 1073741823
    assert_failure 3
    assert_line --index 0 --partial 'there is no such process'
    [[ $EUID -eq 0 ]] || skip 'needs root to become another user'
    start_family "$(shim)"
    run setpriv --reuid 65534 --clear-groups "$grpcforkshim" check "$PARENT"
    assert_failure 3
    assert_output --partial 'root'
}

@test "A process is looked at without being stopped, and does its work" {
    start_family "$(shim)"
    for _ in {1..20}; do
        "$grpcforkshim" check "$PARENT" >/dev/null
    done
    assert_equal "$(sed -n 's/^TracerPid:\t//p' "/proc/$PARENT/status")" 0
    exec {family_input}>&-
    wait "$FAMILY"
}
