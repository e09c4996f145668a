# The packages that scripts/package builds, each built once in a run of the tests.
#
#   built_packages KIND        prints the paths of what `scripts/package --KIND` made, one a line
#   packages_log KIND          prints what it said
#   portable_missing KIND      prints why the tarball or wheel can't be built here, or nothing
#   needed_libraries FILE      prints the names of the libraries that a program or library needs
#
# shellcheck shell=bash

# shellcheck source=scripts/lib.bash
source "${BASH_SOURCE[0]%/*}/../../scripts/lib.bash"

built_packages() { # KIND
    local directory=$HARNESS_RUN_DIRECTORY/packages/$1
    mkdir -p "$directory"
    (
        flock 9
        [[ ! -e $directory.list ]] || exit 0
        "$ROOT/scripts/package" "--$1" --output "$directory" >"$directory.made" 2>"$directory.log" || {
            cat "$directory.log" >&2
            exit 1
        }
        mv "$directory.made" "$directory.list"
    ) 9>"$directory.lock" || harness_die "there is no package: $1" || return
    cat "$directory.list"
}

# From elfutils 0.192 on, Debian's libelf.a needs functions that no package has.
portable_missing() { # KIND
    [[ ! -e $HARNESS_RUN_DIRECTORY/packages/$1.list ]] || return 0
    # shellcheck disable=SC2046
    cc -x c -o /dev/null - -Wl,-Bstatic $(pkg-config --static --libs libelf) -Wl,-Bdynamic 2>/dev/null <<'END' ||
void *elf_begin(int, int, void *);
void *elf_getdata_rawchunk(void *, long, unsigned long, int);
int main(void) { return elf_getdata_rawchunk(elf_begin(0, 0, 0), 0, 0, 0) != 0; }
END
        echo "this release's libelf can't be linked statically"
}

packages_log() { # KIND
    cat "$HARNESS_RUN_DIRECTORY/packages/$1.log"
}

needed_libraries() { # FILE
    LC_ALL=C readelf --wide --dynamic "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^ld-linux'
}
