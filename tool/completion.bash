# Completion of grpcforkshim(1) for bash.
#
# shellcheck shell=bash

_grpcforkshim_settings='--log-level --log-file --report --report=all --report-signal --library --help'

# What stands behind the name of the subcommand: an option's value, an option, or what it is for.
_grpcforkshim_value() { # PREVIOUS CURRENT
    case $1 in
    --log-level) mapfile -t COMPREPLY < <(compgen -W 'off error info debug' -- "$2") ;;
    --log-file | --library) mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
    --report-signal) mapfile -t COMPREPLY < <(compgen -W 'USR1 USR2 RTMIN+5' -- "$2") ;;
    *) return 1 ;;
    esac
}

_grpcforkshim_units() { # CURRENT
    local -a units
    mapfile -t units < <(systemctl list-unit-files --type=service --no-legend --no-pager 2>/dev/null | cut -d ' ' -f 1)
    mapfile -t COMPREPLY < <(compgen -W "${units[*]}" -- "$1")
}

# The program's own completion, once there is a program.
_grpcforkshim_run() { # CURRENT
    local i
    for ((i = 2; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --log-level | --log-file | --report-signal | --library) i=$((i + 1)) ;;
        --) break ;;
        -*) ;;
        *) break ;;
        esac
    done
    [[ ${COMP_WORDS[i]-} != -- ]] || i=$((i + 1))
    if [[ $i -lt $COMP_CWORD ]] && declare -F _command_offset >/dev/null; then
        _command_offset "$i"
    elif [[ $1 == -* && ${COMP_WORDS[i - 1]} != -- ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$_grpcforkshim_settings --" -- "$1")
    else
        mapfile -t COMPREPLY < <(compgen -c -f -- "$1")
    fi
}

_grpcforkshim() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    if [[ $COMP_CWORD -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'run check systemd --help --version' -- "$current")
        return
    fi
    case ${COMP_WORDS[1]} in
    run)
        _grpcforkshim_value "$previous" "$current" || _grpcforkshim_run "$current"
        ;;
    check)
        if [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$current")
        else
            mapfile -t COMPREPLY < <(compgen -c -f -- "$current")
        fi
        ;;
    systemd)
        if _grpcforkshim_value "$previous" "$current"; then
            :
        elif [[ $current == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "--remove --dry-run $_grpcforkshim_settings" -- "$current")
        else
            _grpcforkshim_units "$current"
        fi
        ;;
    esac
}

complete -F _grpcforkshim grpcforkshim
