# Plugins with gRPC cores of their own, for tests with several cores in a process. After harness.bash.
#
#   with_own_core NAME PLUGIN [LIBRARY...]
#                     prints the path of a copy of PLUGIN that is linked with copies of gRPC's libraries: of
#                     those whose names begin so (`libgrpc.so`, `libgpr.so` ...), and by default of all. In their
#                     names NAME, three letters long, takes the place of "lib".
#   with_own_variables NAME PLUGIN [LIBRARY...]
#                     the same, and what C++ has once in a process each has for itself
#   libraries_of FILE NAME...
#                     prints the paths of the libraries that it is linked with whose names begin so
#
# Copies are made in CORES_DIRECTORY, once for each NAME.
#
# shellcheck shell=bash

CORES_LIBRARY=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ALL_OF_GRPC=(libgrpc libgpr. libaddress_sorting. libupb)

libraries_of() { # FILE NAME...
    local file=$1
    shift
    ldd "$file" | awk -v names="$*" '
        BEGIN { count = split(names, name, " ") }
        { for (i = 1; i <= count; i++) if (index($1, name[i]) == 1) print $3 }'
}

# The loader takes libraries of one SONAME, and files of one inode, for one.
copy_core() { # [OPTION] NAME PLUGIN [LIBRARY...]
    local option=() plugin name directory files
    if [[ $1 == --* ]]; then
        option=("$1")
        shift
    fi
    name=$1 plugin=$2
    shift 2
    [[ $# -gt 0 ]] || set -- "${ALL_OF_GRPC[@]}"
    directory=$CORES_DIRECTORY/$name
    if [[ ! -e $directory/${plugin##*/} ]]; then
        mkdir -p "$directory"
        mapfile -t files < <(libraries_of "$plugin" "$@")
        cp "${files[@]}" "$plugin" "$directory/" || return 1
        python3 "$CORES_LIBRARY/rename_libraries.py" "${option[@]}" "$name" "$directory"/* || return 1
    fi
    echo "$directory/${plugin##*/}"
}

with_own_core() { # NAME PLUGIN [LIBRARY...]
    copy_core "$@"
}

with_own_variables() { # NAME PLUGIN [LIBRARY...]
    copy_core --own-variables "$@"
}
