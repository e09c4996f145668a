#!/usr/bin/env bats
# bats runs every test in a subshell, and sets status and output there.
# Shells in the container expand their own variables, and unit files have backslashes.
# shellcheck disable=SC2030,SC2031,SC2016,SC1003
#
# grpcforkshim systemd, with a real systemd in a container: a legacy daemon that fails without the
# shim, and what stands in the way of others.

load ../lib/harness
# shellcheck source=tests/lib/container.bash
source "$HARNESS_DIRECTORY/container.bash"

setup_file() {
    # Each test is skipped by itself: bats 1.8 takes a skip here for a failure.
    CONTAINER_MISSING=$(container_missing)
    export CONTAINER_MISSING
    [[ -z $CONTAINER_MISSING ]] || return 0
    # shellcheck disable=SC2119
    start_server
    start_container
}

teardown_file() {
    stop_container
    stop_servers
}

setup() {
    [[ -z $CONTAINER_MISSING ]] || skip "$CONTAINER_MISSING"
    grpcforkshim=$(command_line_tool)
    library=$(realpath "$(shim)")
    state=$CONTAINER_SHARED/state.$BATS_TEST_NUMBER
    : >"$state"
}

teardown() {
    [[ -z $CONTAINER_MISSING ]] || return 0
    in_container sh -c 'systemctl stop "legacy*"; systemctl reset-failed
        rm -rf /etc/systemd/system/legacy*; systemctl daemon-reload' 2>/dev/null || true
}

# Writes standard input to a file in the container.
put() { # PATH
    in_container sh -c 'mkdir -p "${1%/*}" && cat >"$1"' put "$1"
}

put_service() { # KIND [LINE...]
    local kind=$1
    shift
    {
        printf '[Unit]\nDescription=A legacy daemon\nDocumentation=https://example.org\n[Service]\nType=%s\n' "$kind"
        printf 'ExecStart=%s %s %s %s /run/legacy.pid\n' "$(sample legacy_daemon)" "$SERVER_ADDRESS" "$kind" "$state"
        printf 'ExecReload=/bin/sh -c "kill -HUP $MAINPID"\nTimeoutStartSec=60\nTimeoutStopSec=60\n'
        [[ $kind != forking ]] || echo 'PIDFile=/run/legacy.pid'
        [[ $# -eq 0 ]] || printf '%s\n' "$@"
    } | put /etc/systemd/system/legacy.service
    in_container systemctl daemon-reload
}

workers() {
    grep -c '^worker [0-9]* ok$' "$state" 2>/dev/null || true
}

await_workers() { # COUNT
    for _ in {1..1200}; do
        [[ $(workers) -lt $1 ]] || return 0
        sleep 0.05
    done
    in_container systemctl status legacy.service >&2 || true
    in_container journalctl --no-pager -u legacy.service >&2 || true
    return 1
}

await_state() { # STATE...
    local is
    for _ in {1..1200}; do
        is=$(in_container systemctl is-active legacy.service) || true
        [[ " $* " != *" $is "* ]] || return 0
        sleep 0.05
    done
    fail "the service is $is, not $*"
}

# Without the shim the worker may hang, and its master with it, which need not be waited for as long as
# for a slow machine. A simple service counts as started all the same: hence RuntimeMaxSec.
fails_to_run() {
    printf '[Service]\nTimeoutStartSec=5\nRuntimeMaxSec=5\nTimeoutStopSec=2\n' | put /etc/systemd/system/legacy.service.d/20-timeout.conf
    in_container systemctl daemon-reload
    in_container systemctl start legacy.service || true
    await_state failed inactive
    run in_container systemctl is-failed legacy.service
    assert_output failed
    assert_equal "$(workers)" 0
    in_container systemctl reset-failed legacy.service
    in_container rm -r /etc/systemd/system/legacy.service.d
    in_container systemctl daemon-reload
}

service() { # KIND
    local unit
    put_service "$1"
    unit=$(in_container sha256sum /etc/systemd/system/legacy.service)
    fails_to_run

    run in_container "$grpcforkshim" systemd legacy
    assert_success
    assert_line --partial "$(sample legacy_daemon): covered"
    assert_line 'wrote /etc/systemd/system/legacy.service.d/50-grpcforkshim.conf'
    assert_line 'now: systemctl daemon-reload && systemctl restart legacy.service'
    refute_output --partial warning
    run in_container systemd-analyze verify /etc/systemd/system/legacy.service
    assert_success
    assert_output ''
    run in_container systemctl daemon-reload
    assert_success

    in_container systemctl start legacy.service
    await_workers 1
    await_state active
    in_container systemctl restart legacy.service
    await_workers 2
    in_container systemctl reload legacy.service
    await_workers 3
    await_state active
    assert_counters "$1"
    in_container systemctl stop legacy.service
    run in_container systemctl show legacy.service -p ActiveState -p Result
    assert_line ActiveState=inactive
    assert_line Result=success
    # Once for the restart and once for the stop.
    assert_equal "$(grep -c '^master [0-9]* ended$' "$state")" 2
    run in_container journalctl --no-pager -u legacy.service -g grpcforkshim
    refute_output --partial 'grpcforkshim['

    run in_container "$grpcforkshim" systemd --remove legacy
    assert_success
    assert_line 'removed /etc/systemd/system/legacy.service.d/50-grpcforkshim.conf'
    run in_container ls /etc/systemd/system/legacy.service.d
    assert_failure
    assert_equal "$(in_container sha256sum /etc/systemd/system/legacy.service)" "$unit"
    in_container systemctl daemon-reload
    : >"$state"
    fails_to_run
}

# The master of a running service, by its pid in the container and by that outside.
assert_counters() { # KIND
    local main
    main=$(in_container systemctl show legacy.service -p MainPID --value)
    run in_container "$grpcforkshim" check "$main"
    assert_success
    assert_line --index 0 --partial 'the shim protects its gRPC'
    assert_line --regexp 'forks +2$'
    assert_line --regexp 'children_using_grpc +2$'
    main=$(pgrep --ns "$CONTAINER" --nslist pid --oldest --exact legacy_daemon)
    run "$grpcforkshim" check "$main"
    assert_success
}

@test "A forking daemon fails without the shim and runs with the drop-in: restart, reload, stop" {
    service forking
}

@test "A simple service fails without the shim and runs with the drop-in: restart, reload, stop" {
    service simple
}

@test "A notifying service fails without the shim and runs with the drop-in: restart, reload, stop" {
    service notify
}

@test "The settings asked for are in the service's environment, and a log file is written" {
    put_service simple
    run in_container "$grpcforkshim" systemd --report --log-level info \
        --log-file "$CONTAINER_SHARED/shim 100%.log" legacy.service
    assert_success
    in_container systemctl daemon-reload
    run in_container systemd-analyze verify /etc/systemd/system/legacy.service
    assert_output ''
    in_container systemctl start legacy.service
    await_workers 1
    in_container systemctl stop legacy.service
    grep -q 'protecting gRPC' "$CONTAINER_SHARED/shim 100%.log"
    grep -q 'report: form=1 grpc=protected generation=0 forks=1 children_using_grpc=1' "$CONTAINER_SHARED/shim 100%.log"
}

@test "An LD_PRELOAD that the unit or a drop-in sets is kept, and writing twice changes nothing" {
    put_service simple 'Environment=A=1 "LD_PRELOAD=libdl.so.2" B=2'
    in_container "$grpcforkshim" systemd legacy
    run in_container cat /etc/systemd/system/legacy.service.d/50-grpcforkshim.conf
    assert_line "Environment=\"LD_PRELOAD=$library:libdl.so.2\""
    run in_container "$grpcforkshim" systemd legacy
    assert_success
    run in_container grep -c "$library:libdl.so.2\"" /etc/systemd/system/legacy.service.d/50-grpcforkshim.conf
    assert_output 1
    printf '[Service]\nEnvironment=LD_PRELOAD=libm.so.6\n' | put /etc/systemd/system/legacy.service.d/20-other.conf
    in_container "$grpcforkshim" systemd legacy
    run in_container cat /etc/systemd/system/legacy.service.d/50-grpcforkshim.conf
    assert_line "Environment=\"LD_PRELOAD=$library:libm.so.6\""
    # Others' drop-ins stay.
    in_container "$grpcforkshim" systemd --remove legacy
    run in_container ls /etc/systemd/system/legacy.service.d
    assert_output 20-other.conf
}

@test "What the unit says by specifiers stays what it is" {
    put_service simple 'Environment=LD_PRELOAD=/usr/lib/%i%n.so' 'Environment=A=100%%'
    in_container "$grpcforkshim" systemd legacy
    in_container systemctl daemon-reload
    run in_container systemctl show legacy -p Environment
    assert_output --partial "LD_PRELOAD=$library:/usr/lib/legacy.service.so"
}

@test "A drop-in that is read later and takes the library away is warned of" {
    put_service simple
    printf '[Service]\nEnvironment=LD_PRELOAD=libm.so.6\n' | put /etc/systemd/system/legacy.service.d/90-other.conf
    printf '[Service]\nEnvironment=\n' | put /etc/systemd/system/legacy.service.d/91-another.conf
    run in_container "$grpcforkshim" systemd legacy
    assert_success
    assert_line --partial 'warning: /etc/systemd/system/legacy.service.d/90-other.conf is read after the drop-in and sets LD_PRELOAD'
    assert_line --partial 'warning: /etc/systemd/system/legacy.service.d/91-another.conf is read after the drop-in and empties'
    # As it is.
    in_container systemctl daemon-reload
    run in_container systemctl show legacy -p Environment
    refute_output --partial "$library"
    printf '[Service]\nEnvironment=B=1\n' | put /etc/systemd/system/legacy.service.d/90-other.conf
    in_container rm /etc/systemd/system/legacy.service.d/91-another.conf
    run in_container "$grpcforkshim" systemd legacy
    refute_output --partial warning
}

@test "A file of that name that somebody else wrote is neither replaced nor removed" {
    put_service simple
    printf '[Service]\nEnvironment=A=1\n' | put /etc/systemd/system/legacy.service.d/50-grpcforkshim.conf
    local option
    for option in '' --dry-run --remove; do
        # shellcheck disable=SC2086
        run in_container "$grpcforkshim" systemd $option legacy
        assert_failure 1
        assert_output --partial 'not written by this command'
    done
    run in_container cat /etc/systemd/system/legacy.service.d/50-grpcforkshim.conf
    assert_line 'Environment=A=1'
}

@test "An alias leads to the service, and to its drop-ins" {
    put_service simple
    in_container ln -s legacy.service /etc/systemd/system/legacy-alias.service
    in_container systemctl daemon-reload
    printf '[Service]\nEnvironment=LD_PRELOAD=libm.so.6\n' | put /etc/systemd/system/legacy.service.d/20-other.conf
    run in_container "$grpcforkshim" systemd legacy-alias
    assert_success
    assert_line 'wrote /etc/systemd/system/legacy.service.d/50-grpcforkshim.conf'
    in_container systemctl daemon-reload
    run in_container systemctl show legacy -p Environment
    assert_output --partial "LD_PRELOAD=$library:libm.so.6"
    run in_container "$grpcforkshim" systemd --remove legacy-alias
    assert_line 'removed /etc/systemd/system/legacy.service.d/50-grpcforkshim.conf'
}

@test "Every program of the unit is checked, where systemd would look for it" {
    local sample
    sample=$(sample legacy_daemon)
    {
        printf '[Service]\nType=oneshot\nExecStart=/bin/true ; -%s one \\; two ; @/bin/sh sh -c x\n' "$sample"
        printf 'ExecStart=+false a;b\n'
    } | put /etc/systemd/system/legacy.service
    # systemd does not look in anybody's working directory.
    run in_container sh -c 'cd /tmp && cp "$1" false && "$2" systemd --dry-run legacy' - "$sample" "$grpcforkshim"
    assert_success
    assert_line 'warning: /bin/true: not covered: there is no gRPC in it'
    assert_line "$sample: covered: gRPC is linked dynamically"
    assert_line --regexp '^warning: /bin/sh: '
    assert_line '  the programs that dash runs get the shim, too: check those'
    assert_line 'warning: /usr/bin/false: not covered: there is no gRPC in it'
    assert_equal "$(grep -c covered <<<"$output")" 4
}

@test "A library that the service's user can't reach is warned of" {
    in_container sh -c 'install -D -m 644 "$1" /srv/private/libgrpcforkshim.so && chmod 700 /srv/private' - "$library"
    put_service simple 'User=nobody'
    run in_container "$grpcforkshim" systemd --dry-run --library /srv/private/libgrpcforkshim.so legacy
    assert_success
    assert_line "warning: /srv/private is not open to all: the service's user nobody may be unable to load /srv/private/libgrpcforkshim.so"
    in_container chmod 755 /srv/private
    run in_container "$grpcforkshim" systemd --dry-run --library /srv/private/libgrpcforkshim.so legacy
    refute_output --partial warning
    # root may.
    in_container chmod 700 /srv/private
    put_service simple
    run in_container "$grpcforkshim" systemd --dry-run --library /srv/private/libgrpcforkshim.so legacy
    refute_output --partial warning
}

@test "A service that is locked up as far as systemd can works with the drop-in" {
    in_container install -D -m 644 "$library" /usr/lib/grpcforkshim/libgrpcforkshim.so
    in_container install -m 755 "$(sample legacy_daemon)" /usr/local/bin/legacy_daemon
    in_container mkdir -p /srv/shared
    put_service simple 'User=nobody' 'NoNewPrivileges=yes' 'ProtectSystem=strict' 'ProtectHome=yes' 'PrivateTmp=yes' \
        'PrivateDevices=yes' 'ProtectKernelTunables=yes' 'ProtectControlGroups=yes' 'ProtectProc=invisible' \
        'ProcSubset=pid' 'RestrictNamespaces=yes' 'RestrictRealtime=yes' 'RestrictSUIDSGID=yes' 'LockPersonality=yes' \
        'MemoryDenyWriteExecute=yes' 'SystemCallArchitectures=native' 'SystemCallFilter=@system-service' \
        'CapabilityBoundingSet=' 'UMask=0077' 'NoExecPaths=/' 'ExecPaths=/usr' 'RestrictAddressFamilies=AF_INET AF_UNIX' \
        "BindPaths=$CONTAINER_SHARED:/srv/shared" 'ExecStart=' \
        "ExecStart=/usr/local/bin/legacy_daemon $SERVER_ADDRESS simple /srv/shared/${state##*/}"
    chmod 755 "$CONTAINER_SHARED"
    chmod 666 "$state"
    fails_to_run
    run in_container "$grpcforkshim" systemd --library /usr/lib/grpcforkshim/libgrpcforkshim.so legacy
    assert_success
    refute_output --partial warning
    in_container systemctl daemon-reload
    in_container systemctl start legacy.service
    await_workers 1
    await_state active
    in_container systemctl stop legacy.service
    run in_container journalctl --no-pager -u legacy.service -g 'grpcforkshim|LD_PRELOAD'
    refute_output --regexp 'grpcforkshim\[|cannot be preloaded'
}

@test "A dry run writes and removes nothing" {
    put_service simple
    run in_container "$grpcforkshim" systemd --dry-run legacy
    assert_success
    assert_line 'would write /etc/systemd/system/legacy.service.d/50-grpcforkshim.conf:'
    assert_line "Environment=\"LD_PRELOAD=$library\""
    run in_container ls /etc/systemd/system/legacy.service.d
    assert_failure
    in_container "$grpcforkshim" systemd legacy
    run in_container "$grpcforkshim" systemd --remove --dry-run legacy
    assert_success
    assert_line --partial 'would remove'
    run in_container ls /etc/systemd/system/legacy.service.d
    assert_output 50-grpcforkshim.conf
}

warns() { # PATTERN LINE...
    local pattern=$1
    shift
    put_service simple "$@"
    run in_container "$grpcforkshim" systemd --dry-run legacy
    assert_success
    assert_line --regexp "^warning: .*$pattern"
}

@test "What would hide the library, or take LD_PRELOAD away, is warned of" {
    echo 'LD_PRELOAD=libother.so' | put /run/legacy.environment
    warns 'EnvironmentFile=/run/legacy.environment sets LD_PRELOAD' 'EnvironmentFile=-/run/legacy.environment'
    warns 'UnsetEnvironment=' 'UnsetEnvironment=A LD_PRELOAD'
    warns 'root directory' 'RootDirectory=/srv/root'
    warns 'InaccessiblePaths=' "InaccessiblePaths=-${library%/*}"
    warns 'TemporaryFileSystem=' "TemporaryFileSystem=${library%/*}:ro"
    warns 'AppArmorProfile= must allow' 'AppArmorProfile=legacy'
    warns 'NoExecPaths=' 'NoExecPaths=/' 'ExecPaths=/srv'
    # What is opened again inside of it.
    put_service simple 'NoExecPaths=/' "ExecPaths=/srv ${library%/*}" "TemporaryFileSystem=${library%/*/*}" \
        "BindReadOnlyPaths=$library"
    run in_container "$grpcforkshim" systemd --dry-run legacy
    refute_output --partial warning
    # Empty assignments take back what came before.
    put_service simple 'UnsetEnvironment=LD_PRELOAD' 'UnsetEnvironment=' "InaccessiblePaths=${library%/*}" \
        'InaccessiblePaths='
    run in_container "$grpcforkshim" systemd --dry-run legacy
    refute_output --partial warning
}

@test "A setuid program is warned of, and what NoNewPrivileges does to it" {
    in_container sh -c 'cp "$1" /usr/local/bin/privileged && chmod u+s /usr/local/bin/privileged' \
        - "$(sample legacy_daemon)"
    warns 'is setuid: the loader ignores LD_PRELOAD' 'ExecStart=' 'ExecStart=-@/usr/local/bin/privileged privileged'
    refute_output --partial 'NoNewPrivileges'
    warns 'with NoNewPrivileges= it does not get them' 'NoNewPrivileges=yes' 'ExecStart=' \
        'ExecStart=/usr/local/bin/privileged'
    # As it is.
    run in_container setpriv --reuid 65534 --clear-groups env LD_PRELOAD="$library" GRPCFORKSHIM_REPORT=all \
        /usr/local/bin/privileged
    refute_output --partial report
    run in_container setpriv --reuid 65534 --clear-groups --no-new-privs env LD_PRELOAD="$library" \
        GRPCFORKSHIM_REPORT=all /usr/local/bin/privileged
    assert_output --partial report
}

@test "A program without gRPC, and one that is not there, are warned of" {
    warns 'there is no gRPC in it' 'ExecStart=' 'ExecStart=/bin/true'
    warns 'could not tell' 'ExecStart=' 'ExecStart=/usr/bin/nothing'
    warns "can't tell which program" 'ExecStart=' 'ExecStart=%h/program'
}

@test "Continued lines, comments between them and other sections are read as systemd reads them" {
    printf '%s\n' '[Unit]' 'ExecStart=/bin/true' '[Service]' '# ExecStart=/bin/true' 'ExecStart=/bin/sh \' \
        '; a comment' '  -c true' 'ExecStart=' "ExecStart= \\" "# another" "  $(sample legacy_daemon) \\" '  argument' |
        put /etc/systemd/system/legacy.service
    run in_container "$grpcforkshim" systemd --dry-run legacy
    assert_success
    assert_line --partial "$(sample legacy_daemon): covered"
    refute_output --partial warning
}

# Services that are nothing but their environment: one for each text, which is put behind [Service].
put_values() { # TEXT...
    local i=0 text
    for text in "$@"; do
        printf '[Service]\nType=oneshot\nStandardOutput=truncate:%s\nExecStart=/usr/bin/env -0\n%b\n' \
            "$CONTAINER_SHARED/environment.$i" "$text" | put "/etc/systemd/system/legacy-value$i.service"
        i=$((i + 1))
    done
    in_container systemctl daemon-reload
    VALUES=$i
}

# What LD_PRELOAD is in each of them: EFFECTIVE.
run_values() {
    local i variable
    local -a services=()
    for ((i = 0; i < VALUES; i++)); do
        : >"$CONTAINER_SHARED/environment.$i"
        services+=("legacy-value$i.service")
    done
    in_container systemctl start "${services[@]}"
    EFFECTIVE=()
    for ((i = 0; i < VALUES; i++)); do
        grep -qz '^PATH=' "$CONTAINER_SHARED/environment.$i"
        EFFECTIVE[i]=
        while IFS= read -r -d '' variable; do
            [[ $variable != LD_PRELOAD=* ]] || EFFECTIVE[i]=${variable#LD_PRELOAD=}
        done <"$CONTAINER_SHARED/environment.$i"
    done
}

# As %b has them: two backslashes for one, and one in front of what is to be a character.
VALUE_TEXTS=(
    'Environment=LD_PRELOAD=/a.so:/b.so'
    'Environment="LD_PRELOAD=/a\\x2db.so"'
    'Environment=LD_PRELOAD=/a\\x2db\\055c\\s.so'
    "Environment='LD_PRELOAD=/with\"quote.so'"
    'Environment=LD_PRELOAD="/mid quoted.so"'
    'Environment="LD_PRELOAD=/a\\tb\\nc\\\\d\\"e.so"'
    'Environment=LD_PRELOAD=/u\\u00e9\\u20ac\\U0001F600.so'
    'Environment=LD_PRELOAD=/before.so B=\\q LD_PRELOAD=/behind.so'
    'Environment=LD_PRELOAD=/before.so "LD_PRELOAD=/open'
    'Environment=LD_PRELOAD=/control\\x1b.so'
    'Environment=LD_PRELOAD=/nul\\x00.so'
    'Environment=LD_PRELOAD=/percent%%n%n.so'
    'Environment=LD_PRELOAD=/percent\\x25n.so'
    'Environment=LD_PRELOAD=/a.so \\\n  LD_PRELOAD=/b.so'
    'Environment=LD_PRELOAD=/a.so\\\\\nEnvironment=A=1 \\\n; LD_PRELOAD=/c.so\n LD_PRELOAD=/d.so'
    'Environment=LD_PRELOAD=/a.so B=\\\\\nEnvironment=LD_PRELOAD=/b.so'
    'Environment=LD_PRELOAD=/a.so \\ \n'
    'Environment=LD_PRELOAD=/a.so \\\r\n B=1\r\nEnvironment=A=2 LD_PRELOAD=/b.so\r'
    'Environment=LD_PRELOAD='
    'Environment=LD_PRELOAD=/a.so\nEnvironment=LD_PRELOAD=\\x'
    'Environment=LD_PRELOAD=/a.so\nEnvironment=LD_PRELOAD=/latin\\xe9.so'
    "Environment=LD_PRELOAD='/it'\\\\''s.so'"
    ' Environment = LD_PRELOAD=/spaces.so  '
    'Environment="LD_PRELOAD=/two words.so" "A=1"LD_PRELOAD=/glued.so'
    'Environment=LD_PRELOAD=/a.so\nEnvironment=\nEnvironment=C=1'
    'Environment=LD_PRELOAD=/octal\\777.so\n'
    'Environment=LD_PRELOAD=/a.so LD_PRELOAD=/surrogate\\ud800.so'
)

@test "An LD_PRELOAD that a unit has is read, and written again, as systemd reads it" {
    local i wanted
    local -a before
    put_values "${VALUE_TEXTS[@]}"
    run_values
    before=("${EFFECTIVE[@]}")
    # They are not all nothing.
    assert_equal "${before[1]}" /a-b.so
    assert_equal "${before[5]}" $'/a\tb\nc\\d"e.so'
    for ((i = 0; i < VALUES; i++)); do
        in_container "$grpcforkshim" systemd "legacy-value$i" >/dev/null
    done
    in_container systemctl daemon-reload
    run_values
    for ((i = 0; i < VALUES; i++)); do
        wanted=$library${before[i]:+:${before[i]}}
        [[ ${EFFECTIVE[i]} == "$wanted" ]] ||
            fail "$(printf 'case %d, %s: %q, not %q' "$i" "${VALUE_TEXTS[i]}" "${EFFECTIVE[i]}" "$wanted")"
    done
}

@test "A file of variables is warned of where systemd would take LD_PRELOAD from it, and not the shim" {
    local i warned effective
    local -a settings=() texts=(
        "LD_PRELOAD=$library" "LD_PRELOAD=\"$library\"" "LD_PRELOAD='/x.so':$library" " LD_PRELOAD = $library  "
        '#LD_PRELOAD=/x.so' '; LD_PRELOAD=/x.so' 'A=1 \\\nLD_PRELOAD=/x.so' 'LD_PRELOAD=/x.so'
        "LD_PRELOAD=/x.so\nLD_PRELOAD=$library" "LD_PRELOAD=$library\nLD_PRELOAD=\"/x.so"
        'export LD_PRELOAD=/x.so' "LD_PRELOAD=/a\\\\\n:$library" 'A="\nLD_PRELOAD=/x.so\n"' "A='\nLD_PRELOAD=/x.so\n'"
        "A='\\\\'\nLD_PRELOAD=/x.so" 'LD_PRELOAD=""' 'LD_PRELOAD' 'LD_PRELOAD=\\\n/x.so' "LD_PRELOAD=\\${library}"
        "LD_PRELOAD=\"${library/g/\\\\g}\"" "LD_PRELOAD=${library/g/\\\\g}" "LD_PRELOAD=\"a\\\\\"\" $library"
        "A=1\r\nLD_PRELOAD=/x.so\r\n" "\tLD_PRELOAD=$library\\\\ b" "LD_PRELOAD='$library' 'b'" "LD_PRELOAD=x'$library'"
    )
    for i in "${!texts[@]}"; do
        printf '%b\n' "${texts[i]}" | put "/run/legacy/$i.environment"
        settings+=("EnvironmentFile=/run/legacy/$i.environment")
    done
    put_values "${settings[@]}"
    for ((i = 0; i < VALUES; i++)); do
        run in_container "$grpcforkshim" systemd "legacy-value$i"
        assert_success
        warned[i]=$(grep -c '^warning: EnvironmentFile=.* sets LD_PRELOAD' <<<"$output") || true
    done
    in_container systemctl daemon-reload
    run_values
    for ((i = 0; i < VALUES; i++)); do
        [[ " ${EFFECTIVE[i]//:/ } " == *" $library "* ]] && effective=0 || effective=1
        [[ ${warned[i]} == "$effective" ]] ||
            fail "$(printf 'case %d, %q: LD_PRELOAD is %q, warnings: %d' "$i" "${texts[i]}" "${EFFECTIVE[i]}" "${warned[i]}")"
    done
    # A pattern, of which nothing needs to be there.
    put_service simple 'EnvironmentFile=-/run/legacy/7*.environment' 'EnvironmentFile=-/run/legacy/nothing*'
    run in_container "$grpcforkshim" systemd --dry-run legacy
    assert_line --partial 'warning: EnvironmentFile=/run/legacy/7.environment sets LD_PRELOAD'
    assert_equal "$(grep -c warning <<<"$output")" 1
}

# With the memory and the time that it may take.
within_bounds() { # ARGUMENT...
    run in_container prlimit --as=400000000 timeout 20 "$grpcforkshim" systemd "$@"
    [[ $status -lt 124 ]] || fail "status $status: $output"
}

@test "Files that a unit names may be anything: fifos, devices, without an end" {
    local name
    in_container sh -c 'mkdir -p /run/legacy && cd /run/legacy && mkfifo fifo && ln -sf /dev/zero zero &&
        ln -sf /dev/tty tty && truncate -s 1T sparse && mkdir -p directory'
    for name in fifo zero tty sparse directory; do
        put_service simple "EnvironmentFile=-/run/legacy/$name"
        within_bounds --dry-run legacy
        assert_success
        assert_line --regexp "^warning: EnvironmentFile=/run/legacy/$name: .*: whether it sets LD_PRELOAD is not known"
        put_service simple 'ExecStart=' "ExecStart=/run/legacy/$name"
        within_bounds --dry-run legacy
        assert_success
        assert_line --regexp "^warning: /run/legacy/$name: could not tell"
    done
    put_service simple
    in_container mkdir /etc/systemd/system/legacy.service.d
    for name in fifo zero sparse; do
        in_container ln -s "/run/legacy/$name" "/etc/systemd/system/legacy.service.d/10-$name.conf"
    done
    within_bounds --dry-run legacy
    assert_success
    assert_line --partial '10-fifo.conf: not a regular file, not read'
    assert_line --partial '10-sparse.conf: File too large, not read'
    # A device hides what other directories have.
    refute_output --partial 10-zero.conf
    # The drop-in itself.
    in_container mkfifo /etc/systemd/system/legacy.service.d/50-grpcforkshim.conf
    for name in legacy '--remove legacy'; do
        # shellcheck disable=SC2086
        within_bounds $name
        assert_failure 1
        assert_output --partial 'not written by this command'
    done
    in_container rm -r /etc/systemd/system/legacy.service.d
    for name in fifo sparse directory; do
        in_container sh -c 'rm /etc/systemd/system/legacy.service; ln -s "$1" /etc/systemd/system/legacy.service' - "/run/legacy/$name"
        within_bounds legacy
        assert_failure 1
        assert_output --regexp '^grpcforkshim: /etc/systemd/system/legacy.service: (not a regular file|File too large)$'
    done
    # What systemd takes for masked.
    in_container sh -c 'rm /etc/systemd/system/legacy.service; ln -s /dev/zero /etc/systemd/system/legacy.service'
    within_bounds legacy
    assert_failure 1
    assert_output --partial 'is masked'
    in_container systemctl daemon-reload
    run in_container systemctl show legacy.service -p LoadState --value
    assert_output masked
}

@test "A command line of prefixes alone is warned of, and prefixes inside of quotes are found" {
    local line
    for line in '!!' - '@' '+ ; -' '"-"'; do
        warns "ExecStart=.* names no program" 'ExecStart=' "ExecStart=$line"
        # As it is.
        in_container systemctl daemon-reload
        run in_container systemctl show legacy -p ExecStart --value
        assert_output ''
    done
    put_service simple 'ExecStart=' "ExecStart=\"-$(sample legacy_daemon)\" a \\; b" "Environment=A=1"
    run in_container "$grpcforkshim" systemd --dry-run legacy
    assert_line "$(sample legacy_daemon): covered: gRPC is linked dynamically"
    refute_output --partial warning
}

@test "Nothing of a unit gets at the terminal, and what systemd would not take is not written" {
    local bad=$'\e[31mred\xc2\x9b\a'
    put_service simple "ExecStart=/usr/bin/$bad" "EnvironmentFile=/run/$bad" "RootDirectory=/srv/$bad" "User=$bad" \
        "Environment=LD_PRELOAD=/usr/lib/ok.so"
    printf '[Service]\nEnvironment=LD_PRELOAD=/x.so\n' | put "/etc/systemd/system/legacy.service.d/60-$bad.conf"
    in_container mkfifo "/run/$bad"
    run in_container "$grpcforkshim" systemd --dry-run legacy
    assert_success
    assert_equal "$(tr -d '[:print:]\n' <<<"$output")" ''
    assert_line --partial 'is read after the drop-in'
    assert_line --partial '[31mred'
    in_container rm "/run/$bad"
    put_service simple
    run in_container "$grpcforkshim" systemd --log-file $'/var/log/\xff' legacy
    assert_failure 1
    assert_line --partial '/var/log/?: systemd takes no value that is not UTF-8'
    run in_container ls /etc/systemd/system/legacy.service.d/50-grpcforkshim.conf
    assert_failure
    # Control characters it takes.
    put_values Environment=A=1
    run in_container "$grpcforkshim" systemd --log-file $'/run/a\n[Unit]\e"b' legacy-value0
    assert_success
    in_container systemctl daemon-reload
    run_values
    grep -qzx 'GRPCFORKSHIM_LOG_FILE=/run/a' <(tr '\n' '\0' <"$CONTAINER_SHARED/environment.0")
    grep -qzxF $'[Unit]\e"b' <(tr '\n' '\0' <"$CONTAINER_SHARED/environment.0")
}

@test "A template is served as a whole and by instance" {
    put_service simple
    in_container mv /etc/systemd/system/legacy.service /etc/systemd/system/legacy@.service
    run in_container "$grpcforkshim" systemd legacy@one
    assert_success
    assert_line 'wrote /etc/systemd/system/legacy@one.service.d/50-grpcforkshim.conf'
    run in_container "$grpcforkshim" systemd legacy@.service
    assert_success
    assert_line 'wrote /etc/systemd/system/legacy@.service.d/50-grpcforkshim.conf'
    assert_line --partial 'systemctl restart legacy@INSTANCE.service'
    in_container systemctl daemon-reload
    run in_container systemctl show legacy@one -p Environment
    assert_output --partial "LD_PRELOAD=$library"
    run in_container systemctl show legacy@two -p Environment
    assert_output --partial "LD_PRELOAD=$library"
}

@test "Units that are not there, masked or no services are refused, and nothing is written" {
    local unit
    in_container ln -s /dev/null /etc/systemd/system/legacy-masked.service
    for unit in nothing legacy-masked dbus.socket ../etc/passwd '' proc-sys-fs-binfmt_misc.automount $'legacy\nx'; do
        run in_container "$grpcforkshim" systemd "$unit"
        assert_failure 1
        assert_output --regexp '^grpcforkshim: '
    done
    run in_container sh -c 'ls -d /etc/systemd/system/*.d'
    refute_output --regexp 'nothing|masked|dbus'
    run in_container "$grpcforkshim" systemd --remove nothing
    assert_failure 1
}

@test "Who may not write there is told so" {
    put_service simple
    run in_container setpriv --reuid 65534 --clear-groups "$grpcforkshim" systemd legacy
    assert_failure 1
    assert_output --partial 'Permission denied'
}
