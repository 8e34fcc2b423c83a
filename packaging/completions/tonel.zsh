#compdef tonelc tonels
# Completion for tonelc and tonels in zsh. The names come from the program's own --help, so that they
# are never out of date.

_tonel() {
  local line value
  local -a specs
  local -A values=(
    # derived from the rows: words
    --accept 'native legacy native,legacy'
    --firewall 'auto bpf owned nft iptables'
    --log-format 'text json'
    --log-level 'off error warn info debug trace'
    --nat 'conntrack stateless'
    --reply-by 'route arrival'
    --wire 'auto native tonel phantun'
    # end of what is derived
  )
  for line in ${(f)"$(_call_program options ${words[1]} --help 2>/dev/null)"}; do
    [[ $line =~ '^  (-[a-zA-Z4], |    )(--[a-z0-9-]+)( ([^ ]+))?' ]] || continue
    if [[ -n ${values[$match[2]]} ]]; then
      value="(${values[$match[2]]})"
    elif [[ $match[2] == --auto-rule ]]; then
      value='(auto '${(j: :)${(@f)"$(print -l /sys/class/net/*(N:t))"}}')'
    elif [[ $match[4] == (PATH|FILE) ]]; then
      value=_files
    else
      value=' '
    fi
    if [[ -n $match[4] ]]; then
      specs+=("$match[2]=:${match[4]//:/-}:$value")
    else
      specs+=("$match[2]")
    fi
  done
  _arguments : $specs
}

_tonel "$@"
