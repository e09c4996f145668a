# A container with a real systemd, for the tests of services.
#
#   container_missing          prints why there can be none on this machine, or nothing
#   start_container            boots it; CONTAINER is the pid of its systemd
#   in_container COMMAND...    runs COMMAND in it
#   stop_container             shuts it down, with all that runs in it
#   in_fresh_root COMMAND...   runs COMMAND in the same root without systemd, as it was made
#
# The root is made once by mmdebstrap, of this machine's own release, and kept in the cache that the
# matrix uses; what the tests write in it goes to memory and ends with the container.  The tree and
# the build directory are there, read-only, under their own paths; so is $CONTAINER_SHARED, which is
# writable.  The network is this machine's, so that servers are reached on the loopback interface.
#
# shellcheck shell=bash

# shellcheck source=scripts/lib.bash
source "${BASH_SOURCE[0]%/*}/../../scripts/lib.bash"
# shellcheck source=scripts/roots.bash
source "${BASH_SOURCE[0]%/*}/../../scripts/roots.bash"

CONTAINER_SECONDS=180

container_missing() {
    if [[ $EUID -ne 0 ]]; then
        echo 'a container needs root'
    elif ! command -v systemd-nspawn >/dev/null || ! command -v mmdebstrap >/dev/null; then
        echo 'systemd-nspawn and mmdebstrap are needed'
    elif [[ -d /matrix || ! -w /sys/fs/cgroup ]]; then
        echo 'a container needs control groups, which the roots of the matrix have not'
    elif ! unshare --mount --pid --fork mount -t tmpfs tmpfs /mnt 2>/dev/null; then
        echo 'this machine allows no namespaces'
    fi
}

container_root() {
    roots_directory systemd
}

# The packages of this machine's gRPC, which the samples are linked with.
container_packages() {
    local library
    for library in $(ldd "$(sample unary)" "$(sample pluck_client)" |
        awk '/lib(grpc|protobuf|absl|cares|ssl|re2|stdc)/ { print $3 }' | sort -u); do
        dpkg-query --search "$(realpath "$library")" | cut -d : -f 1
    done | sort -u
}

make_container_root() {
    local root release packages
    root=$(container_root)
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    packages=$(container_packages | paste -sd,)
    mkdir -p "${root%/*}"
    (
        flock 9
        [[ $(cat "$root/.complete" 2>/dev/null) != "$release $packages" ]] || exit 0
        rm -rf --one-file-system -- "$root"
        # Its helpers are told numbers of descriptors, and dash knows those of one digit only.
        # shellcheck disable=SC2016
        (
            harness_close_descriptors
            exec mmdebstrap --quiet --variant=minbase \
                --include="systemd,systemd-sysv,dbus,libelf1,libjansson4,$packages" \
                --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
                --aptopt='Acquire::Retries "5"' \
                --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
                --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin' \
                "$release" "$root" "deb $(roots_mirror) $release main"
        ) || exit
        # What a container of some seconds does not need.
        ln -sf /dev/null "$root/etc/systemd/system/systemd-resolved.service"
        ln -sf /dev/null "$root/etc/systemd/system/console-getty.service"
        echo "$release $packages" >"$root/.complete"
    ) 9>"$root.lock"
}

container_leader() { # PID
    pgrep --parent "$1" 2>/dev/null | head -n 1
}

start_container() {
    local root i state
    root=$(container_root)
    make_container_root || return
    CONTAINER_SHARED=$HARNESS_RUN_DIRECTORY/container
    mkdir -p "$CONTAINER_SHARED"
    (
        harness_close_descriptors
        # Not from a service manager: nspawn would register the container with it.
        exec env -u LD_PRELOAD systemd-nspawn --quiet --boot --directory="$root" --volatile=overlay \
            --register=no --keep-unit --machine="grpcforkshim-$BASHPID" --link-journal=no \
            --bind-ro="$ROOT" --bind-ro="$GRPCFORKSHIM_BUILD" --bind="$CONTAINER_SHARED" \
            --console=pipe </dev/null >"$CONTAINER_SHARED/console" 2>&1
    ) &
    CONTAINER_MANAGER=$!
    export CONTAINER_SHARED CONTAINER_MANAGER
    for ((i = 0; i < CONTAINER_SECONDS * 10; i++)); do
        CONTAINER=$(container_leader "$CONTAINER_MANAGER")
        export CONTAINER
        state=$([[ -z $CONTAINER ]] || in_container systemctl is-system-running 2>/dev/null) || true
        case $state in
        running | degraded) return 0 ;;
        esac
        kill -0 "$CONTAINER_MANAGER" 2>/dev/null || break
        sleep 0.1
    done
    cat "$CONTAINER_SHARED/console" >&2
    harness_die "the container does not run: ${state:-no state}"
}

# What the command changes in the root is forgotten.
in_fresh_root() {
    make_container_root || return
    CONTAINER_SHARED=$HARNESS_RUN_DIRECTORY/container
    mkdir -p "$CONTAINER_SHARED"
    env -u LD_PRELOAD systemd-nspawn --quiet --directory="$(container_root)" --volatile=overlay \
        --register=no --keep-unit --machine="grpcforkshim-$BASHPID" --pipe --as-pid2 \
        --bind-ro="$ROOT" --bind-ro="$GRPCFORKSHIM_BUILD" --bind="$CONTAINER_SHARED" -- "$@"
}

in_container() {
    nsenter --target "$CONTAINER" --mount --uts --ipc --pid --cgroup -- \
        /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 SYSTEMD_PAGER= SYSTEMD_COLORS=0 "$@"
}

stop_container() {
    [[ -n ${CONTAINER_MANAGER-} ]] || return 0
    # Its init takes this for an orderly halt (systemd(1), SIGRTMIN+4 is for poweroff).
    [[ -z ${CONTAINER-} ]] || kill -s RTMIN+4 "$CONTAINER" 2>/dev/null || true
    timeout "$CONTAINER_SECONDS" tail --pid="$CONTAINER_MANAGER" -f /dev/null ||
        kill -KILL "$CONTAINER_MANAGER" 2>/dev/null || true
    CONTAINER_MANAGER=
}
