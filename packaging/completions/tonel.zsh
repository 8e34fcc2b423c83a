#compdef tonelc tonels
# Completion for tonelc and tonels in zsh. The names come from the program's own --help, so that they
# are never out of date.

_tonel() {
  local line value
  local -a specs
  for line in ${(f)"$(_call_program options ${words[1]} --help 2>/dev/null)"}; do
    [[ $line =~ '^  (-[a-zA-Z4], |    )(--[a-z0-9-]+)( ([^ ]+))?' ]] || continue
    case $match[2] in
      --log-level) value='(off error warn info debug trace)' ;;
      --log-format) value='(text json)' ;;
      *)
        case $match[4] in
          PATH | FILE) value=_files ;;
          *) value=' ' ;;
        esac
        ;;
    esac
    if [[ -n $match[4] ]]; then
      specs+=("$match[2]=:${match[4]//:/-}:$value")
    else
      specs+=("$match[2]")
    fi
  done
  _arguments : $specs
}

_tonel "$@"
