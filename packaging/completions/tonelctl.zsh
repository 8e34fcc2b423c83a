#compdef tonelctl
# Completion for tonelctl in zsh.

_tonelctl() {
  local command=${words[(r)(status|sessions|counters|reload|close|pcap|doctor)]}
  local -a specs=('--socket=:socket:_files' --json --help --version)
  case $command in
    '') specs+=('1:command:(status sessions counters reload close pcap doctor)') ;;
    status) specs+=(--all) ;;
    sessions) specs+=('--most=:number: ') ;;
    reload) specs+=('--pid=:number: ') ;;
    counters) specs+=(--watch) ;;
    pcap) specs+=('--limit=:mib: ' '2:what:(start stop)' '3:file:_files') ;;
    doctor)
      specs+=('*--config=:file:_files' '--tun=:name: ' '--local=:address: ' '--remote=:address: '
        '--mtu=:bytes: ' '2:side:(client server)')
      ;;
  esac
  _arguments : $specs
}

_tonelctl "$@"
