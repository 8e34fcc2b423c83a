# Completion for tonelc and tonels in bash; sourced from /usr/share/bash-completion/completions.
# The names come from the program's own --help, so that they are never out of date.
# shellcheck shell=bash

_tonel() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  local interfaces=(/sys/class/net/*)
  local -A values=(
    [--auto-rule]="auto ${interfaces[*]##*/}"
    # derived from the rows: words
    [--accept]="native legacy native,legacy"
    [--firewall]="auto bpf owned nft iptables"
    [--log-format]="text json"
    [--log-level]="off error warn info debug trace"
    [--nat]="conntrack stateless"
    [--reply-by]="route arrival"
    [--wire]="auto native tonel phantun"
    # end of what is derived
  )
  case $before in
    # derived from the rows: files
    --handshake-packet | --encryption-file | --log-output | --control | --pcap | --config | \
      --pid-file | --state-directory)
    # end of what is derived
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    --*)
      if [[ -n ${values[$before]:-} ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${values[$before]}" -- "$word")
        return
      fi
      ;;
  esac
  if [[ $word == -* ]]; then
    local names
    names=$("${COMP_WORDS[0]}" --help 2>/dev/null | grep -oE -- '^ +(-[a-zA-Z4], |    )--[a-z0-9-]+' |
      grep -oE -- '--[a-z0-9-]+' | sort -u)
    mapfile -t COMPREPLY < <(compgen -W "$names" -- "$word")
  fi
}

complete -F _tonel tonelc tonels
