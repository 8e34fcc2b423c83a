# Completion for tonelctl in bash; sourced from /usr/share/bash-completion/completions.
# shellcheck shell=bash

_tonelctl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} each command=
  COMPREPLY=()
  case $before in
    --socket | --config | start)
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
  esac
  for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $each in
      status | sessions | counters | reload | close | pcap | doctor)
        command=$each
        break
        ;;
    esac
  done
  local names="--socket --json --help --version"
  case $command in
    "") names+=" status sessions counters reload close pcap doctor" ;;
    status) names+=" --all" ;;
    sessions) names+=" --most" ;;
    counters) names+=" --watch" ;;
    reload) names+=" --pid" ;;
    pcap) names+=" start stop --limit" ;;
    doctor) names+=" client server --config --tun --local --remote --mtu" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$names" -- "$word")
}

complete -F _tonelctl tonelctl
