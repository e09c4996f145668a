#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# grpcforkshim check: what is known of a program before it is trusted to the shim.

load ../lib/harness
# shellcheck source=tests/lib/python.bash
source "$HARNESS_DIRECTORY/python.bash"

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
    for program in whole stripped; do
        run json 'd["grpc"]["linkage"], d["grpc"]["cores"][0].get("core_version")' "$program"
        assert_output "('static', '$(pkg-config --modversion grpc)')"
    done
}

@test "gRPC inside of another library is not covered, nor is a program that has it beside its own" {
    local library kind
    library=$(sample libembedded_library.so) || skip 'this gRPC can not be linked into a library'
    cp "$library" whole.so
    strip -o stripped.so "$library"
    for kind in whole stripped; do
        run json 'd["coverage"], [(c["linkage"], c["coverage"], c["core_version"]) for c in d["grpc"]["cores"]]' $kind.so
        assert_output "('not', [('static', 'not', '$(pkg-config --modversion grpc)')])"
    done
    check "$(sample two_cores)"
    assert_failure 2
    assert_line --index 0 --regexp "libembedded_library.so: gRPC is linked statically"
    run json 'sorted((c["linkage"], c["coverage"]) for c in d["grpc"]["cores"]), {r["holds"] for r in d["contract"][:2]}' \
        "$(sample two_cores)"
    assert_output "([('dynamic', 'covered'), ('static', 'not')], {'no'})"
}

# Programs with the libraries of two gRPCs, `rpc` with that of tomorrow in front and `grpc` with today's.
link_two_libraries() { # SOURCE
    cp "$(sample librpc_plain.so)" librpc_of_tomorrow.so.7
    gcc "$1" -o rpc -Wl,--no-as-needed,-rpath,"$PWD" librpc_of_tomorrow.so.7 -lgrpc
    gcc "$1" -o grpc -Wl,--no-as-needed,-rpath,"$PWD" -lgrpc librpc_of_tomorrow.so.7
}

@test "A library with gRPC's functions is told as the shim would tell it: by what else is in it" {
    local kind
    check "$(sample librpc_plain.so)"
    assert_success
    for kind in other_code lacking more_data; do
        [[ -e $GRPCFORKSHIM_BUILD/tests/samples/unknown/librpc_$kind.so ]] || continue
        check "$(sample "librpc_$kind.so")"
        assert_failure 2
    done
    check "$(sample librpc_other_code.so)"
    assert_line --index 0 --partial 'together with other code'
    # Of two each is protected.
    printf 'int main(void) { return 0; }' >main.c
    link_two_libraries main.c
    for kind in rpc grpc; do
        run json '[(c["coverage"], "tomorrow" in c["file"]) for c in d["grpc"]["cores"]], d["coverage"]' ./$kind
        assert_output "([('covered', $([[ $kind == rpc ]] && echo True || echo False)), ('covered', $([[ $kind == rpc ]] && echo False || echo True))], 'covered')"
    done
}

@test "A library's dynamic symbols are found where its section headers were stripped" {
    local library=whole.so
    cp "$(ldd "$(sample pluck_client)" | awk '/libgrpc\.so/ { print $3 }')" $library
    # e_shoff, e_shnum and e_shstrndx.
    printf '\0\0\0\0\0\0\0\0' | dd of=$library bs=1 seek=40 conv=notrunc status=none
    printf '\0\0\0\0' | dd of=$library bs=1 seek=60 conv=notrunc status=none
    check $library
    assert_success
    run json '[(c["linkage"], c["core_version"]) for c in d["grpc"]["cores"]]' $library
    assert_output "[('dynamic', '$(pkg-config --modversion grpc)')]"
}

@test "The command itself has no gRPC" {
    check "$grpcforkshim"
    assert_failure 2
    assert_line --index 0 --partial 'there is no gRPC'
    strip -o stripped "$grpcforkshim"
    check stripped
    assert_line --index 0 --partial 'there is no gRPC'
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

# One that has a Python of its own.
make_environment() { # DIRECTORY INTERPRETER
    mkdir -p "$1/bin" "$1/lib/python${2#python}/site-packages/grpc/_cython"
    echo 'include-system-site-packages = false' >"$1/pyvenv.cfg"
    SITE=$1/lib/python${2#python}/site-packages
}

@test "What every core holds tells the version of each wheel's, stripped as they are" {
    local wheel python core cores=0
    for wheel in $(python_wheels); do
        case $wheel in
        grpcio-1.49.1) core=27.0.0 ;;
        grpcio-1.60.0) core=37.0.0 ;;
        grpcio-1.66.2) core=43.0.0 ;;
        grpcio-1.76.0) core=51.0.0 ;;
        grpcio-1.85.1) core=58.0.0 ;;
        *) continue ;;
        esac
        python=$(python_with "$wheel")
        printf '#!%s\nimport grpc\n' "$python" >script
        run json '[(c["release"], c["core_version"], c["coverage"]) for c in d["grpc"]["cores"]], d["coverage"]' script
        assert_output "([('${wheel#grpcio-}', '$core', 'covered')], 'covered')"
        cores=$((cores + 1))
    done
    [[ $cores -gt 0 ]] || fail 'there is no wheel whose version is known here'
}

@test "A package with a gRPC of its own, beside grpcio: its scripts and its processes are not covered" {
    local python status=0
    python_fits pyarrow || status=$?
    [[ $status -ne 1 ]] || skip 'pyarrow is not made for this Python'
    python=$(python_with pyarrow)
    printf '#!%s\nimport grpc\nimport pyarrow.flight\n' "$python" >script
    check script
    assert_failure 2
    assert_line --index 0 --regexp 'libarrow_flight\.so.*: gRPC is linked statically'
    run json '[(c["core_version"], c["coverage"], c["loaded"]) for c in d["grpc"]["cores"]]' script
    assert_output "[('58.0.0', 'covered', 'later'), ('54.0.0', 'not', 'later')]"
    # What a script does not name it may import all the same, through something else.
    printf '#!%s\nimport grpc\n' "$python" >script
    check script
    assert_failure 3
    assert_line --index 0 --partial 'not covered if it comes to load'
    run json '[(c["core_version"], c["coverage"], c["loaded"]) for c in d["grpc"]["cores"]]' script
    assert_output "[('58.0.0', 'covered', 'later'), ('54.0.0', 'not', 'perhaps')]"

    start_waiting "$(shim)" "$python" -c "$READY_PYTHON" grpc
    run json 'd["coverage"], [(c["core_version"], c["coverage"]) for c in d["grpc"]["cores"]]' "$FAMILY"
    assert_output "('covered', [('58.0.0', 'covered')])"
    end_waiting
    start_waiting "$(shim)" "$python" -c "$READY_PYTHON" grpc pyarrow.flight
    check "$FAMILY"
    assert_failure 2
    assert_line --index 0 --partial 'libarrow_flight.so'
    run json 'd["process"]["state"], sorted((c["core_version"], c["coverage"]) for c in d["grpc"]["cores"])' "$FAMILY"
    assert_output "('protected', [('54.0.0', 'not'), ('58.0.0', 'covered')])"
    end_waiting
    start_waiting "$(shim)" "$python" -c "$READY_PYTHON" pyarrow.flight
    check "$FAMILY"
    assert_failure 2
}

@test "Of a process that has not loaded what its interpreter could nothing is told" {
    start_waiting "$(shim)" "$DEBIAN_PYTHON" -c "$READY_PYTHON" json
    check "$FAMILY"
    assert_failure 3
    assert_line --index 0 --partial "can't be known"
}

@test "A core in any package that an interpreter finds counts, wherever its path leads" {
    local library name
    library=$(sample libembedded_library.so) || skip 'this gRPC can not be linked into a library'
    make_environment environment "python$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    ln -s "$DEBIAN_PYTHON" environment/bin/python
    printf '#!%s/environment/bin/python\nimport tools_of_ours, os\n' "$PWD" >script
    check script
    assert_failure 3
    # In the environment; named by a .pth file; in PYTHONPATH; by a link; beside the script.
    mkdir -p elsewhere/tools_of_ours/lib
    cp "$library" elsewhere/tools_of_ours/lib/_tools.cpython-3.so
    echo "$PWD/elsewhere" >"$SITE/ours.pth"
    check script
    assert_failure 2
    rm "$SITE/ours.pth"
    PYTHONPATH=$PWD/elsewhere check script
    assert_failure 2
    ln -s "$PWD/elsewhere/tools_of_ours" "$SITE/"
    check script
    assert_failure 2
    rm "$SITE/tools_of_ours"
    : >elsewhere/tools_of_ours/__init__.py
    mv elsewhere/tools_of_ours .
    check script
    assert_failure 2
    run json '[(c["coverage"], c["extension"]) for c in d["grpc"]["cores"]]' script
    assert_output "[('not', '$PWD/tools_of_ours/lib/_tools.cpython-3.so')]"
    printf '#!%s/environment/bin/python\nimport my_tools_of_ours, os\n' "$PWD" >script
    check script
    assert_line --index 0 --partial 'no gRPC extension was found'
    # Not a circle, nor what no one can read.
    ln -s "$SITE" "$SITE/circle"
    mkfifo "$SITE/fifo.so"
    timeout 20 "$grpcforkshim" check script >/dev/null || [[ $? -eq 3 ]]
}

@test "Python's extension is covered in the interpreters that the shim knows" {
    local newest extension
    newest=$(python_with "$(python_newest_wheel)")
    extension=$(echo "${newest%/bin/python}"/lib/python3*/site-packages/grpc/_cython/cygrpc*.so)
    # By itself it does not tell who will load it.
    check "$extension"
    assert_failure 3
    make_environment environment python3.8
    cp "$extension" "$SITE/grpc/_cython/cygrpc.so"
    # With a part of Python's functions.
    printf 'long PyLong_Type[60] = {[5] = 4}; void PySys_AddAuditHook(void) {} int main(void) { return 0; }' >main.c
    gcc -rdynamic main.c -o environment/bin/python3.8
    printf '#!%s/environment/bin/python3.8\n' "$PWD" >script
    check script
    assert_failure 2
    assert_line --index 0 --partial 'CPython from 3.9 on'
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

# With the memory and the time that it may take.
within_bounds() { # ARGUMENT...
    run prlimit --as=6000000000 --rss=400000000 timeout 20 "$grpcforkshim" check "$@"
    [[ $status -lt 124 ]] || fail "status $status: $output"
}

@test "What it is told to read may be anything: fifos, devices, without an end" {
    local name
    mkfifo fifo
    truncate -s 1T sparse
    cp "$(sample pluck_client)" sparse-program
    printf 'int main(void) { return 0; }' >main.c
    printf 'void f(void) {}' >library.c
    gcc -shared library.c -o liblast.so
    gcc -Wl,--no-as-needed main.c -o program -L. -llast
    truncate -s 1T sparse-program
    for name in fifo /dev/zero /dev/tty sparse sparse-program; do
        within_bounds "$name"
        assert_failure 3
        assert_line --index 0 --regexp "^$name: could not tell: .*(not a regular file|File too large)"
        # A library of that name.
        ln -sf "$(realpath "$name")" liblast.so
        LD_LIBRARY_PATH=$PWD within_bounds program
        assert_failure 3
        assert_line --index 0 --partial 'not all of its libraries could be read'
        # An interpreter.
        printf '#!%s\n' "$(realpath "$name")" >script
        within_bounds script
        assert_failure 3
        assert_line --index 0 --partial 'could not tell'
    done
    # What lies around a script's interpreter.
    make_environment environment python3.8
    cp "$(sample no_grpc)" environment/bin/python3.8
    printf '#!%s/environment/bin/python3.8\nimport this\n' "$PWD" >script
    for name in fifo /dev/zero sparse; do
        ln -sf "$(realpath "$name")" environment/pyvenv.cfg
        ln -sf "$(realpath "$name")" "$SITE/x.pth"
        ln -sf "$(realpath "$name")" "$SITE/x.so"
        ln -sf "$(realpath "$name")" "$SITE/grpc/_grpcio_metadata.py"
        cp "$(sample pluck_client)" "$SITE/grpc/_cython/cygrpc.so"
        within_bounds script
        assert_output --partial "$SITE/grpc/_cython/cygrpc.so"
    done
    # The rest of a line that names an interpreter.
    (
        printf '#!/bin/sh '
        head -c 100000 /dev/zero | tr '\0' x
    ) >script
    within_bounds script
    assert_line --regexp 'interpreter +/bin/sh$'
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

# Starts a program that says "ready" and waits for the end of its input: FAMILY.
start_waiting() { # LD_PRELOAD PROGRAM [ARGUMENT...]
    local preload=$1
    shift
    mkfifo input
    : >output
    exec {family_input}<>input
    (
        harness_close_descriptors
        exec env ${preload:+LD_PRELOAD="$preload"} "$@" <input >output 2>&1
    ) &
    FAMILY=$!
    for _ in {1..3000}; do
        ! grep -q '^ready' output || return 0
        kill -0 "$FAMILY" || break
        sleep 0.01
    done
    cat output >&2
    return 1
}

end_waiting() {
    exec {family_input}>&-
    wait "$FAMILY"
    rm input
}

READY_PYTHON='import sys
for name in sys.argv[1:]: __import__(name)
print("ready", flush=True)
sys.stdin.read()'

# Starts `family` with the shim or without: PARENT and CHILD; it ends when the test does.
start_family() { # LD_PRELOAD ARGUMENT...
    local preload=$1
    shift
    mkfifo input
    : >output
    exec {family_input}<>input
    (
        harness_close_descriptors
        exec env ${preload:+LD_PRELOAD="$preload"} \
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

@test "Of a process: each of its cores is told, and the answer is that of the worst" {
    local program
    program=$(sample two_cores) || skip 'this gRPC can not be linked into a library'
    start_waiting "$(shim)" "$program"
    check "$FAMILY"
    assert_failure 2
    assert_line --index 0 --regexp ': not covered: .*libembedded_library.so: gRPC is linked statically'
    run json 'd["process"]["state"], sorted((c["linkage"], c["coverage"]) for c in d["grpc"]["cores"])' "$FAMILY"
    assert_output "('protected', [('dynamic', 'covered'), ('static', 'not')])"
}

@test "Of a process: with two libraries of gRPC each is covered, in use or not" {
    local first
    printf '#include <stdio.h>\n#include <unistd.h>\nint grpc_is_initialized(void);
        int main(void) { char c; grpc_is_initialized(); puts("ready"); fflush(stdout); return (int)read(0, &c, 1); }' >main.c
    link_two_libraries main.c
    for first in rpc grpc; do
        start_waiting "$(shim)" ./$first
        run json 'd["coverage"], sorted(c["file"].split("/")[-1].split(".")[0] for c in d["grpc"]["cores"] if c["coverage"] == "covered")' "$FAMILY"
        assert_output "('covered', ['libgrpc', 'librpc_of_tomorrow'])"
        end_waiting
    done
}

@test "Of a process: what the shim said that it can't protect is not covered" {
    # Its state is not in its data, which no file tells.
    printf '#include <dlfcn.h>\n#include <stdio.h>\n#include <unistd.h>
        int main(int n, char **a) { char c; void *l = dlopen(a[n - 1], RTLD_NOW | RTLD_GLOBAL);
        ((void (*)(void))dlsym(RTLD_DEFAULT, "grpc_init"))(); puts(l ? "ready" : dlerror()); fflush(stdout);
        return (int)read(0, &c, 1); }' >main.c
    gcc main.c -o program
    start_waiting "$(shim)" ./program "$(sample librpc_plain.so)"
    check "$FAMILY"
    assert_success
    end_waiting
    check "$(sample librpc_state_elsewhere.so)"
    assert_success
    start_waiting "$(shim)" ./program "$(sample librpc_state_elsewhere.so)"
    check "$FAMILY"
    assert_failure 2
    assert_line --index 0 --partial "can't protect its gRPC"
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

@test "Of a process whose libraries can't all be read the rest is not taken for the whole" {
    [[ $EUID -eq 0 ]] || skip 'needs root to become another user'
    local place user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    place=$(mktemp -d "${TMPDIR:-/tmp}/grpcforkshim.XXXXXX")
    PLACE=$place
    chmod 755 "$place"
    cp "$(shim)" "$grpcforkshim" "$place/"
    echo 'int nothing; int f(void) { return 0; }' >main.c
    gcc -shared -fPIC main.c -o "$place/extra.so"
    start_waiting "$place/libgrpcforkshim.so:$place/extra.so" "${user[@]}" sh -c 'echo ready; read x'
    check_as_user() {
        run "${user[@]}" "$place/grpcforkshim" check "$FAMILY"
    }
    check_as_user
    assert_failure 2
    assert_line --index 0 --partial 'there is no gRPC in it'
    rm "$place/extra.so"
    check_as_user
    assert_failure 3
    assert_output --partial "extra.so (deleted) is loaded and can't be read"
    # Whom the kernel lets have the very files.
    check "$FAMILY"
    assert_failure 2
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

@test "Of a process that went into the background with a server: nobody serves it" {
    mkfifo input
    exec {family_input}<>input
    start_background rest
    check "$CHILD"
    assert_success
    assert_output --regexp 'it has a server of process [0-9]+, which started it before the fork and has gone: nobody serves it'
    kill "$CHILD"
    # Its parent goes on serving.
    start_background fork
    check "$CHILD"
    assert_success
    refute_output --partial 'it has a server'
    check "$FAMILY"
    refute_output --partial 'it has a server'
}

# Starts server_daemon: FAMILY, and the process that says it is ready, CHILD.
start_background() { # WHAT
    : >output
    (
        harness_close_descriptors
        exec env LD_PRELOAD="$(shim)" "$(sample server_daemon)" "$1" <input >output 2>&1
    ) &
    FAMILY=$!
    for _ in {1..3000}; do
        CHILD=$(sed -n 's/^ready //p' output)
        [[ -z $CHILD ]] || break
        sleep 0.01
    done
    [[ $1 != rest ]] || wait "$FAMILY"
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
