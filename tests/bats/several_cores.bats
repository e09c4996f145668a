#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# shellcheck disable=SC2030,SC2031
#
# Several gRPC cores in a process: plugins that are loaded each for itself, each with a gRPC of its own. What
# the sample programs take for a failure is told in several_cores.c and core_plugin.h. In their lines the
# plugins are called 1, 2 and so on.
#
# Not every pair of cores works in one process, even without forks and without the shim:
# - Of libaddress_sorting each needs a copy: the second grpc_init() ends the process where two share one. So do
#   libgrpc and libgrpc_unsecure as they are installed, unless GRPC_DNS_RESOLVER=native spares it.
# - Two copies of libgrpc++ of Debian 12 need what C++ has once in a process each for themselves: else a second
#   one's calls are in part the first core's.
# - In gRPC 1.83 each core needs that, and a copy of abseil, in which no flag may be defined twice, and of what
#   else uses abseil.
# What does not work is found out below, and left out.

load ../lib/harness
load ../lib/cores
load ../lib/python

# Whether two plugins work without forks and without the shim.
are_usable() { # PLUGIN PLUGIN
    [[ -n $1 && -n $2 ]] && cores bare 30 calls "$@" >/dev/null 2>&1
}

WITH_ABSEIL=("${ALL_OF_GRPC[@]}" libabsl_ libre2.)

# Prints the path of a copy that works beside the other one: with no more than gRPC's libraries copied if that
# is enough.
usable_copy() { # OTHER NAME NAME PLUGIN [LIBRARY...]
    local other=$1 plugin=$4 copy
    copy=$(with_own_core "$2" "${@:4}") || return 1
    are_usable "$other" "$copy" || copy=$(with_own_variables "$3" "$plugin" "${WITH_ABSEIL[@]}") || return 1
    echo "$copy"
}

setup_file() {
    [[ -z ${HARNESS_EMULATOR-} ]] || return 0
    start_server
    CORES_DIRECTORY=$(mktemp -d "$HARNESS_RUN_DIRECTORY/cores.XXXXXX")
    export CORES_DIRECTORY
    # As installed; with all libraries once more; with libgpr and libupb of the first.
    FIRST=$(sample core_plugin.so)
    COPY=$(usable_copy "$FIRST" two tow "$FIRST")
    SHARING=$(with_own_core gpr "$FIRST" libgrpc. libaddress_sorting.)
    are_usable "$FIRST" "$SHARING" || SHARING=
    OWN_VARIABLES=$(with_own_variables own "$FIRST")
    are_usable "$FIRST" "$OWN_VARIABLES" || OWN_VARIABLES=$COPY
    UNSECURE=$(sample core_plugin_unsecure.so 2>/dev/null) || UNSECURE=
    UNSECURE_COPY=${UNSECURE:+$(usable_copy "$FIRST" uns sun "$UNSECURE" libgrpc_unsecure. libaddress_sorting.)}
    GRPC_DNS_RESOLVER=native are_usable "$FIRST" "$UNSECURE" || UNSECURE=
    CPP=$(sample cpp_core_plugin.so)
    CPP_COPY=$(usable_copy "$FIRST" cpp ppc "$CPP")
    CPP_OWN_VARIABLES=$(with_own_variables cow "$CPP")
    are_usable "$CPP" "$CPP_OWN_VARIABLES" || CPP_OWN_VARIABLES=$CPP_COPY
    export FIRST COPY SHARING OWN_VARIABLES UNSECURE UNSECURE_COPY CPP CPP_COPY CPP_OWN_VARIABLES
}

teardown_file() {
    stop_servers
}

setup() {
    not_emulated 'has no ldd, and no Python'
}

needs_unsecure() {
    [[ -n $UNSECURE_COPY ]] || skip 'this gRPC has no libgrpc_unsecure'
}

needs_installed_unsecure() {
    [[ -n $UNSECURE ]] || skip 'with this gRPC libgrpc and libgrpc_unsecure do not work in one process'
}

cores() { # WAY SECONDS SCENARIO PLUGIN...
    local way=$1 seconds=$2 scenario=$3
    shift 3
    echo "# $way $scenario $*"
    HARNESS_BACKTRACES=0 "$way" "$seconds" "$(sample several_cores)" "$SERVER_ADDRESS" "$scenario" "$@"
}

# Before the fork all is well.
fails_bare() { # SCENARIO PLUGIN...
    run cores bare 4 "$@"
    assert_failure
    [[ $status -eq 124 ]] || assert_line 'parent 1 status 0'
}

works() { # WAY SCENARIO PLUGIN...
    local way=$1
    shift
    run cores "$way" 60 "$@"
    assert_success
    assert_stderr_empty
    assert_line 'parent all ok'
}

# What none of this is needed for: without a fork, it works without the shim.
works_without_fork() { # PLUGIN...
    local scenario
    for scenario in calls one-by-one turns; do
        works bare "$scenario" "$@"
        works preloaded "$scenario" "$@"
    done
}

# Two times two plugins: with all libraries copied, and libgrpc_unsecure in front of a libgrpc with which it
# shares libgpr.
children_work() { # SCENARIO
    fails_bare "$1" "$FIRST" "$COPY"
    works preloaded "$1" "$FIRST" "$COPY"
    [[ -z $UNSECURE_COPY ]] || works preloaded "$1" "$UNSECURE_COPY" "$FIRST"
}

# --- without a fork -------------------------------------------------------------------------------

@test "Without a fork each of two plugins has the gRPC that it is linked with" {
    works_without_fork "$FIRST" "$COPY"
    assert_line "parent 1 core $(libraries_of "$FIRST" libgrpc.) version $(value 'parent 1 core' | sed 's/.* //')"
    assert_line --regexp "^parent 2 core .*/(two|tow)grpc\."
}

@test "Also if they share libgpr, or if each has for itself what C++ has once in a process" {
    [[ -z $SHARING ]] || works_without_fork "$FIRST" "$SHARING"
    works_without_fork "$OWN_VARIABLES" "$FIRST"
}

@test "Also if one of them has libgrpc_unsecure, in either order, or if they are three" {
    needs_unsecure
    works_without_fork "$FIRST" "$UNSECURE_COPY"
    works_without_fork "$UNSECURE_COPY" "$FIRST"
    works_without_fork "$COPY" "$UNSECURE_COPY" "$FIRST"
}

@test "Also with libgrpc and libgrpc_unsecure as they are installed, if never both are in use" {
    needs_installed_unsecure
    works bare turns "$FIRST" "$UNSECURE"
    works preloaded turns "$FIRST" "$UNSECURE"
}

@test "Also if one plugin or both are in C++" {
    works_without_fork "$FIRST" "$CPP_COPY"
    works_without_fork "$CPP" "$COPY"
    works_without_fork "$CPP" "$CPP_OWN_VARIABLES"
}

# --- children -------------------------------------------------------------------------------------

@test "A child uses both cores, what it inherited and new channels" {
    children_work both
    [[ -z $SHARING ]] || works preloaded both "$FIRST" "$SHARING"
    works preloaded both "$OWN_VARIABLES" "$FIRST"
}

@test "A child uses the second core first, and new channels before what it inherited" {
    children_work backwards
}

@test "A child uses the second core alone" {
    children_work second
}

@test "A child that uses none has no descriptor of either, and ends" {
    children_work none
}

@test "A child that has used both ends by exit()" {
    children_work exit
    [[ -z $SHARING ]] || works preloaded exit "$FIRST" "$SHARING"
}

@test "A child shuts down one after the other, and uses both again" {
    children_work close
}

@test "A grandchild uses both when one is its parent's and one its grandparent's, or both are the latter's" {
    children_work grandchild
}

@test "A core that is loaded after the first fork is protected, too" {
    children_work late
}

@test "A core that is loaded in a child alone is protected in a grandchild" {
    children_work in-child
}

@test "One core is shut down at the fork and begins in the child, the other is in use" {
    children_work unequal
}

@test "Cores that take turns are protected in their turns" {
    children_work turns-in-children
    if [[ -n $UNSECURE ]]; then
        fails_bare turns-in-children "$FIRST" "$UNSECURE"
        works preloaded turns-in-children "$FIRST" "$UNSECURE"
    fi
}

@test "Twenty forks while threads call in both" {
    children_work threads
    assert_line 'parent failed_calls 0'
    [[ -z $SHARING ]] || works preloaded threads "$FIRST" "$SHARING"
}

@test "libgrpc and libgrpc_unsecure as they are installed, where both can be in use" {
    local scenario
    needs_installed_unsecure
    export GRPC_DNS_RESOLVER=native
    works bare calls "$FIRST" "$UNSECURE"
    fails_bare both "$FIRST" "$UNSECURE"
    for scenario in both exit grandchild; do
        works preloaded "$scenario" "$FIRST" "$UNSECURE"
        works preloaded "$scenario" "$UNSECURE" "$FIRST"
    done
}

@test "A child of a process with three cores uses all" {
    local scenario
    needs_unsecure
    fails_bare both "$COPY" "$FIRST" "$UNSECURE_COPY"
    for scenario in both exit threads; do
        works preloaded "$scenario" "$COPY" "$FIRST" "$UNSECURE_COPY"
    done
}

@test "Upstream's own fork handlers, of which each core has some, change nothing" {
    export GRPC_ENABLE_FORK_SUPPORT=1
    works bare calls "$FIRST" "$COPY"
    works preloaded both "$FIRST" "$COPY"
    works preloaded exit "$FIRST" "$COPY"
    works preloaded threads "$FIRST" "$COPY"
}

# --- unloaded -------------------------------------------------------------------------------------

# A library that shares with others what C++ has once in a process stays loaded.
needs_unloading() {
    run cores bare 30 unload "$FIRST" "$OWN_VARIABLES"
    [[ $status -eq 0 && $output == *'parent 2 unloaded'* ]] || skip 'without the shim this gRPC can not be unloaded'
}

@test "A plugin may be unloaded with its core, and loaded again" {
    needs_unloading
    works preloaded unload "$FIRST" "$OWN_VARIABLES"
    works preloaded unload "$FIRST" "$COPY"
}

@test "Nothing of a core that was unloaded is touched in a child that does nothing" {
    needs_unloading
    works bare unload-and-fork "$FIRST" "$OWN_VARIABLES"
    assert_line 'parent 2 unloaded'
    works preloaded unload-and-fork "$FIRST" "$OWN_VARIABLES"
}

@test "A child uses one core when the other was unloaded, and unloads it itself" {
    needs_unloading
    children_work unload-in-children
    works preloaded unload-in-children "$FIRST" "$OWN_VARIABLES"
}

# --- C++ ------------------------------------------------------------------------------------------

cpp_children_work() { # SCENARIO
    fails_bare "$1" "$CPP" "$CPP_OWN_VARIABLES"
    works preloaded "$1" "$CPP" "$CPP_OWN_VARIABLES"
    works preloaded "$1" "$CPP_COPY" "$FIRST"
}

@test "A child uses two libgrpc++, or one and a core beside it: stubs, queues and alarms" {
    cpp_children_work both
    works preloaded both "$FIRST" "$CPP_COPY"
}

@test "A child of two plugins in C++ ends by exit()" {
    cpp_children_work exit
}

@test "A grandchild of two plugins in C++ uses both" {
    cpp_children_work grandchild
}

@test "A plugin in C++ that is loaded after the first fork is protected, too" {
    cpp_children_work late
}

@test "Twenty forks while threads call in two plugins in C++" {
    cpp_children_work threads
    assert_line 'parent failed_calls 0'
}

# --- cores that nobody has seen -------------------------------------------------------------------

# UNKNOWN: a plugin with that library of tests/samples/unknown.
make_unknown() { # LIBRARY [COMPILER OPTION...]
    local samples directory=$BATS_TEST_TMPDIR/$1
    samples=$BATS_TEST_DIRNAME/../samples
    mkdir -p "$directory"
    cp "$(sample "librpc_$1.so")" "$directory/librpc_of_tomorrow.so.7"
    UNKNOWN=$directory/unknown_plugin.so
    shift
    gcc -std=gnu11 -shared -fPIC -I "$samples/c" "$@" -o "$UNKNOWN" "$samples/unknown/unknown_plugin.c" \
        -Wl,-rpath,"$directory" "$directory/librpc_of_tomorrow.so.7"
}

assert_left_alone_once() {
    run cat "$BATS_TEST_TMPDIR/stderr"
    assert_equal "${#lines[@]}" 1
    assert_line --regexp '^grpcforkshim\[[0-9]+\]: gRPC in .*librpc_of_tomorrow.* is not protected'
}

@test "A core that can't be protected is left alone, and the one beside it is protected" {
    local scenario
    make_unknown registering_other_code -DLEFT_ALONE
    works bare calls "$FIRST" "$UNKNOWN"
    works bare calls "$UNKNOWN" "$FIRST"
    fails_bare both "$FIRST" "$UNKNOWN"
    for scenario in both exit grandchild; do
        run cores preloaded 60 "$scenario" "$FIRST" "$UNKNOWN"
        assert_success
        assert_left_alone_once
        run cores preloaded 60 "$scenario" "$UNKNOWN" "$FIRST"
        assert_success
        assert_left_alone_once
    done
}

@test "A core of another kind is protected beside a known one" {
    local scenario
    make_unknown registering
    works bare calls "$FIRST" "$UNKNOWN"
    works bare calls "$UNKNOWN" "$FIRST"
    fails_bare both "$FIRST" "$UNKNOWN"
    for scenario in both exit grandchild; do
        works preloaded "$scenario" "$FIRST" "$UNKNOWN"
        works preloaded "$scenario" "$UNKNOWN" "$FIRST"
    done
}

# --- one core after all ---------------------------------------------------------------------------

# The loader finds the program's own libgrpc before the plugin's. The other core must not have been loaded when
# gRPC is initialised: see below.
one_core() { # WAY SECONDS SCENARIO PLUGIN...
    local way=$1 seconds=$2
    shift 2
    HARNESS_BACKTRACES=0 "$way" "$seconds" "$(sample several_cores_linked)" --one-core "$SERVER_ADDRESS" "$@"
}

# BOUND: the plugins with which that works without the shim.
find_bound() {
    local plugin
    BOUND=()
    for plugin in "$COPY" $UNSECURE; do
        run one_core bare 30 one-by-one "$FIRST" "$plugin"
        [[ $status -ne 0 ]] || BOUND+=("$plugin")
    done
    [[ ${#BOUND[@]} -gt 0 ]] || skip 'with this gRPC a second core does not work in such a program'
}

@test "A plugin with another core in a program that is linked with gRPC is bound to the program's" {
    local plugin
    find_bound
    for plugin in "${BOUND[@]}"; do
        run one_core preloaded 60 one-by-one "$FIRST" "$plugin"
        assert_success
        assert_stderr_empty
    done
}

@test "Its children use the program's core, whichever plugin calls" {
    local plugin scenario
    find_bound
    for plugin in "${BOUND[@]}"; do
        for scenario in late in-child; do
            run one_core bare 4 "$scenario" "$FIRST" "$plugin"
            assert_failure
            [[ $status -eq 124 ]] || assert_line 'parent 1 status 0'
            run one_core preloaded 60 "$scenario" "$FIRST" "$plugin"
            assert_success
            assert_stderr_empty
        done
    done
}

# In gRPC 1.51 each library's static constructors put the tracers, which are those of the first library
# for both, into the same list: it becomes a circle, and grpc_tracer_init() goes round for ever.
@test "A program that is linked with libgrpc and with libgrpc_unsecure is no worse under the shim" {
    local libraries
    needs_unsecure
    for libraries in '-lgrpc -lgrpc_unsecure' '-lgrpc_unsecure -lgrpc'; do
        # shellcheck disable=SC2086
        gcc -xc - -o "$BATS_TEST_TMPDIR/program" -Wl,--no-as-needed $libraries <<'END'
void grpc_init(void);
void grpc_shutdown(void);
int main(void) { grpc_init(); grpc_shutdown(); return 0; }
END
        HARNESS_BACKTRACES=0 run bare 4 "$BATS_TEST_TMPDIR/program"
        [[ $status -eq 0 ]] || skip 'with this gRPC such a program does not get through grpc_init() without the shim'
        run preloaded 60 "$BATS_TEST_TMPDIR/program"
        assert_success
        assert_stderr_empty
    done
}

# --- Python ---------------------------------------------------------------------------------------

python_beside() { # INTERPRETER extension|library PLUGIN...
    local interpreter=$1
    shift
    # Without the shim upstream's handlers would make it luck what of a child works.
    GRPC_ENABLE_FORK_SUPPORT=0 HARNESS_BACKTRACES=0 run bare 6 "$interpreter" "$(python_sample beside_library)" \
        "$SERVER_ADDRESS" "$@"
    assert_failure
    [[ $status -eq 124 ]] || assert_line --regexp '^parent extension peer'
    run preloaded 120 "$interpreter" "$(python_sample beside_library)" "$SERVER_ADDRESS" "$@"
    assert_success
    assert_stderr_empty
    assert_line "parent's sockets kept"
}

@test "A child uses Python's grpcio and a library beside it, whichever came first" {
    local name
    for name in debian "$(python_newest_wheel)"; do
        python_beside "$(python_with "$name")" extension "$FIRST"
        assert_line 'children 0 0 0 0 0'
        python_beside "$(python_with "$name")" library "$FIRST"
        assert_line 'children 0 0 0 0 0'
    done
}

@test "A child uses Python's grpcio and two libraries beside it" {
    python_beside "$(python_with "$(python_newest_wheel)")" extension "$FIRST" "$COPY"
    assert_line 'children 0 0 0 0 0 0'
    python_beside "$(python_with debian)" library "$FIRST" "$COPY"
    assert_line 'children 0 0 0 0 0 0'
}

# --- what is told ---------------------------------------------------------------------------------

@test "A process with two cores counts forks and children once, and both cores' channels" {
    local log=$BATS_TEST_TMPDIR/log
    GRPCFORKSHIM_REPORT=1 GRPCFORKSHIM_LOG_FILE=$log works preloaded both "$FIRST" "$COPY"
    run sort <(sed -n 's/^grpcforkshim\[[0-9]*\]: report: form=1 //p' "$log")
    assert_equal "${#lines[@]}" 2
    assert_line --index 0 --partial 'grpc=protected generation=0 forks=1 children_using_grpc=1 descriptors_closed=0 channels_rebuilt=0'
    assert_line --index 1 --regexp '^grpc=protected generation=1 forks=0 .* channels_rebuilt=2 '
}

@test "Of a process with two cores it is told that both are covered" {
    local fifo input pid found
    fifo=$BATS_TEST_TMPDIR/input
    mkfifo "$fifo"
    : >"$BATS_TEST_TMPDIR/output"
    exec {input}<>"$fifo"
    (
        harness_close_descriptors
        exec env LD_PRELOAD="$(shim)" "$(sample several_cores)" "$SERVER_ADDRESS" wait "$FIRST" "$COPY" <"$fifo" \
            >"$BATS_TEST_TMPDIR/output"
    ) &
    pid=$!
    until grep -qx ready "$BATS_TEST_TMPDIR/output"; do
        kill -0 "$pid"
    done
    found=$("$(command_line_tool)" check --json "$pid" |
        jq -c '[.coverage, ([.grpc.cores[] | select(.loaded == "already") | .coverage])]') || true
    exec {input}>&-
    wait "$pid" || true
    assert_equal "$found" '["covered",["covered","covered"]]'
}
