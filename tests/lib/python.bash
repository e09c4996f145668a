# The interpreters that the Python tests use: Debian's python3-grpcio, and a virtual environment for
# each of tests/python/*.txt, made on first use under the build directory.
#
#   python_with NAME        prints the interpreter that has the grpcio of NAME: `debian`, or the
#                           name of a file of tests/python/ without its .txt
#   python_wheels           prints the names of the wheels that this release's Python can have, oldest
#                           first; never none
#   python_newest_wheel     prints the name of the last of them
#   python_grpcios          prints the names of all that this release can run
#   python_sample NAME      prints the path of a sample program
#   python_has_aio          whether there is grpc.aio in all of them
#   needs_aio               skips the test where there is not
#   python_fits NAME        whether what is in tests/python/NAME.txt is made for this release's Python
#   needs_programs          skips the test where the programs and packages are not
#   bare_start NAME SECONDS PROGRAM [ARG...]
#                           starts a Python program without the shim; `wait` for all that were started
#   bare_result NAME        its output and status
#
# shellcheck shell=bash

PYTHON_TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")/../python" && pwd)
# Not whatever `python3` is first on the PATH: Debian's packages are for Debian's.
DEBIAN_PYTHON=/usr/bin/python3
# From 3.12 on Python tells a main module that forks with threads what it thinks of that.
export PYTHONWARNINGS='ignore:This process:DeprecationWarning'

# The first line of a requirements file says what it is made for: `# Python 3.9 to 3.11`. One that
# does not is an error, not a reason to leave something out.
python_fits() { # NAME
    local status=0
    "$DEBIAN_PYTHON" - "$PYTHON_TESTS/$1.txt" <<'END' || status=$?
import re, sys
try:
    first, last = re.fullmatch(r"# Python 3\.(\d+) to 3\.(\d+)\n", open(sys.argv[1]).readline()).groups()
except (OSError, AttributeError):
    sys.exit(2)
sys.exit(not int(first) <= sys.version_info[1] <= int(last))
END
    [[ $status -le 1 ]] || harness_die "$1.txt does not say which Python it is made for"
    return "$status"
}

python_wheels() {
    local name found=0 status
    for name in $(cd "$PYTHON_TESTS" && printf '%s\n' grpcio-*.txt | sed 's/\.txt$//' | sort -V); do
        status=0
        python_fits "$name" || status=$?
        [[ $status -le 1 ]] || return 1
        if [[ $status -eq 0 ]]; then
            echo "$name"
            found=1
        fi
    done
    [[ $found -eq 1 ]] || harness_die "no wheel of grpcio is tested with this Python"
}

python_newest_wheel() {
    local wheels
    wheels=$(python_wheels) || return 1
    echo "${wheels##*$'\n'}"
}

python_sample() { # NAME
    local path
    path=$(cd "$PYTHON_TESTS/../samples/python" && pwd)/$1.py
    [[ -r $path ]] || harness_die "no sample program $path" || return 1
    echo "$path"
}

# Makes the environment if its requirements have changed since. Complete or absent: it is made under
# another name.
python_make() { # NAME
    local requirements=$PYTHON_TESTS/$1.txt directory=$GRPCFORKSHIM_BUILD/python/$1
    [[ -r $requirements ]] || harness_die "no $requirements" || return 1
    mkdir -p "$GRPCFORKSHIM_BUILD/python"
    (
        flock 9
        cmp -s "$requirements" "$directory/requirements.txt" && exit 0
        rm -rf "$directory"
        "$DEBIAN_PYTHON" -m venv "$directory" &&
            "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --retries 10 --timeout 60 \
                --only-binary :all: --requirement "$requirements" &&
            cp "$requirements" "$directory/requirements.txt"
    ) 9>"$directory.lock" >"$directory.log" 2>&1 || {
        cat "$directory.log" >&2
        harness_die "can't make the Python environment $1"
    }
}

python_with() { # NAME
    if [[ $1 == debian ]]; then
        echo "$DEBIAN_PYTHON"
        return
    fi
    python_make "$1" || return 1
    echo "$GRPCFORKSHIM_BUILD/python/$1/bin/python"
}

needs_programs() {
    local status=0
    python_fits programs || status=$?
    [[ $status -ne 1 ]] || skip "the programs' releases are not made for this Python"
    return "$status"
}

# Whether Debian's has it; the wheels that are tested do.
python_has_aio() {
    "$DEBIAN_PYTHON" -c 'import grpc.aio' 2>/dev/null
}

needs_aio() {
    python_has_aio || skip "Debian's grpcio here has no grpc.aio, which came with 1.32"
}

# Those that this release can run.
python_grpcios() {
    local wheels
    wheels=$(python_wheels) || return 1
    echo debian
    echo "$wheels"
}

# Most programs hang without the shim, so they run side by side. Upstream's fork handlers, of which the
# core's are on unless told otherwise, would make it luck which of a child's calls fail: they close what the
# parent's channels had open, and some children connect anew before they notice.
bare_start() { # NAME SECONDS PROGRAM [ARG...]
    local name=$1
    shift
    (
        status=0
        export HARNESS_STDERR=$BATS_TEST_TMPDIR/bare.$name.stderr
        GRPC_ENABLE_FORK_SUPPORT=${GRPC_ENABLE_FORK_SUPPORT-0} HARNESS_BACKTRACES=0 bare "$@" \
            >"$BATS_TEST_TMPDIR/bare.$name" 2>"$BATS_TEST_TMPDIR/bare.$name.messages" || status=$?
        echo "$status" >"$BATS_TEST_TMPDIR/bare.$name.status"
    ) &
}

bare_result() { # NAME
    echo "# $1"
    cat "$BATS_TEST_TMPDIR/bare.$1" "$BATS_TEST_TMPDIR/bare.$1.messages"
    return "$(cat "$BATS_TEST_TMPDIR/bare.$1.status")"
}

# The child got no answer, or one that came by the connection of WHO, the process that it was forked from.
refute_own_connection() { # CHILD WHO
    local peer
    peer=$(value "$1 peer") || return 0
    assert_equal "$peer" "$(value "$2 peer")"
}
