# Debian roots in which the matrix runs: made once by mmdebstrap, entered with a mount and a process
# namespace of their own, so that nothing that runs or is mounted in them outlives the command.
#
#   make_root NAME             makes it if it is missing or incomplete
#   in_root NAME COMMAND...    runs COMMAND in it; NAME's work directory is /matrix there
#   roots_work NAME            prints the work directory
#
# Needs root.  What is made is in $ROOTS_CACHE.
#
# shellcheck shell=bash

# shellcheck disable=SC2034
ROOTS=(bullseye bookworm trixie experimental)
ROOTS_CACHE=${XDG_CACHE_HOME:-/var/cache}/grpcforkshim

roots_work() { # NAME
    echo "$ROOTS_CACHE/work/$1"
}

roots_directory() { # NAME
    echo "$ROOTS_CACHE/roots/$1"
}

# This machine's own: the first source of Debian's that is not the one of security updates.
roots_mirror() {
    local mirror
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 !~ /-/ { print $3; exit }')
    [[ -n $mirror ]] || die "apt knows no mirror of Debian's; try apt-get update"
    echo "$mirror"
}

# The Release files of archived and frozen mirrors have expired.
ROOTS_APT_OPTIONS=(Acquire::Check-Valid-Until=false APT::Install-Recommends=false Dpkg::Use-Pty=0)

roots_apt_get() { # NAME ARGUMENT...
    local name=$1
    shift
    in_root "$name" env DEBIAN_FRONTEND=noninteractive apt-get --yes --quiet \
        "${ROOTS_APT_OPTIONS[@]/#/--option=}" "$@"
}

roots_bootstrap() { # NAME DIRECTORY
    local mirror name suite=$1
    local -a sources
    mirror=$(roots_mirror)
    [[ $1 != experimental ]] || suite=sid
    for name in $suite $([[ $1 != experimental ]] || echo experimental); do
        sources+=("deb $mirror $name main")
    done
    mmdebstrap --quiet --variant=apt --include=ca-certificates \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
        "$suite" "$2" "${sources[@]}"
}

# Experimental's packages are not taken unless asked for.  The abseil that its gRPC was built with is
# sid's.
roots_add_experimental_grpc() {
    roots_apt_get experimental update
    roots_apt_get experimental --target-release=experimental install libgrpc-dev libgrpc++-dev \
        protobuf-compiler-grpc protobuf-compiler libprotobuf-dev libprotoc-dev libabsl-dev/sid
}

make_root() { # NAME
    local directory
    directory=$(roots_directory "$1")
    mkdir -p "$(roots_work "$1")"
    [[ ! -e $directory/.complete ]] || return 0
    say "making the root $1"
    rm -rf --one-file-system -- "$directory"
    mkdir -p "${directory%/*}"
    roots_bootstrap "$1" "$directory"
    [[ $1 != experimental ]] || roots_add_experimental_grpc
    : >"$directory/.complete"
}

# In the namespaces: $1 is the root, $2 its work directory.  The kernel ends and unmounts all of it
# when this process has ended.
# shellcheck disable=SC2016
ROOTS_ENTER='
set -e
root=$1 work=$2
shift 2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind -o ro /sys "$root/sys"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/matrix"
mount --bind "$work" "$root/matrix"
# How this machine reaches the package registries.
for file in /etc/resolv.conf /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    if [ -e "$file" ]; then
        [ -e "$root$file" ] || : >"$root$file"
        mount --bind "$(realpath "$file")" "$root$file"
    fi
done
exec chroot "$root" "$@"
'

in_root() { # NAME COMMAND...
    local name=$1 variable
    local -a environment=(HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
    shift
    for variable in http_proxy https_proxy no_proxy PIP_INDEX_URL PIP_TRUSTED_HOST; do
        [[ -z ${!variable-} ]] || environment+=("$variable=${!variable}")
    done
    unshare --mount --propagation private --pid --fork --kill-child=KILL -- \
        /bin/sh -c "$ROOTS_ENTER" enter "$(roots_directory "$name")" "$(roots_work "$name")" \
        /usr/bin/env -i "${environment[@]}" "$@"
}
