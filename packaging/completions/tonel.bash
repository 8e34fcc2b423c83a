# Completion for tonelc and tonels in bash; sourced from /usr/share/bash-completion/completions.
# The names come from the program's own --help, so that they are never out of date.
# shellcheck shell=bash

_tonel() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  case $before in
    --log-level)
      mapfile -t COMPREPLY < <(compgen -W "off error warn info debug trace" -- "$word")
      return
      ;;
    --wire)
      mapfile -t COMPREPLY < <(compgen -W "auto native tonel phantun" -- "$word")
      return
      ;;
    --accept)
      mapfile -t COMPREPLY < <(compgen -W "native legacy native,legacy" -- "$word")
      return
      ;;
    --auto-rule)
      local interfaces=(/sys/class/net/*)
      mapfile -t COMPREPLY < <(compgen -W "auto ${interfaces[*]##*/}" -- "$word")
      return
      ;;
    --nat)
      mapfile -t COMPREPLY < <(compgen -W "conntrack stateless" -- "$word")
      return
      ;;
    --firewall)
      mapfile -t COMPREPLY < <(compgen -W "auto owned nft iptables" -- "$word")
      return
      ;;
    --log-format)
      mapfile -t COMPREPLY < <(compgen -W "text json" -- "$word")
      return
      ;;
    --config | --encryption-file | --handshake-packet | --log-output | --pid-file | --control)
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
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
