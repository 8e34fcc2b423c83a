#!/usr/bin/env bash
# clang-tidy with the short list of .clang-tidy over every file that is compiled into the library, the
# programs and the layers below. Files with CAF take it ten seconds and more: what it has found good is
# remembered in the build folder by what the file is once preprocessed, comments and all.
# usage: tidy.sh SOURCE_DIR BUILD_DIR (with compile_commands.json)
set -euo pipefail
cd "$1"
if ! command -v clang-tidy-14 >/dev/null; then
  echo "clang-tidy-14 is not installed (./dev setup)"
  if [[ ${CI:-} == true ]]; then exit 1; else exit 77; fi
fi
# g++'s precompiled header means nothing to clang.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -E 's# -Winvalid-pch##g; s# -include [^ "]*cmake_pch\.hxx##g' "$2/compile_commands.json" \
  >"$work/compile_commands.json"
# Of what was configured to be compiled: code for other systems is not in the database. Each file once,
# with its directory and command; those that take longest first.
sed -n 's/^ *"\(directory\|command\|file\)": "\(.*\)",\{0,1\}$/\2/p' "$work/compile_commands.json" |
  sed 's/\\\(.\)/\1/g' | paste -d '\t' - - - |
  awk -F '\t' -v OFS='\t' -v folder="$PWD/" 'index($3, folder) == 1 && !seen[$3]++ {
      path = substr($3, length(folder) + 1)
      if (path ~ /^actors\/app\//) rank = 2; else if (path ~ /^actors\//) rank = 1; else rank = 3
      if (path ~ /^(protocol|tls|system|actors|tools)\//) print rank, path, $1, $2
    }' | sort -s -k 1,1n | cut -f 2- >"$work/files"
count=$(wc -l <"$work/files")
echo "$count files"
[[ $count -gt 0 ]]

export good=$2/tidy work
mkdir -p "$good"
find "$good" -type f -mtime +30 -delete
clang-tidy-14 --version | cat - .clang-tidy >"$work/judge"

# look_at "FILE<tab>DIRECTORY<tab>COMMAND"
look_at() {
  set -euo pipefail
  local file directory command words word sum line=()
  IFS=$'\t' read -r file directory command <<<"$1"
  # As a shell takes it apart, without what it would write.
  eval "words=($command)"
  local skip=0
  for word in "${words[@]}"; do
    if ((skip)); then
      skip=0
    elif [[ $word == -o ]]; then
      skip=1
    elif [[ $word != -c ]]; then
      line+=("$word")
    fi
  done
  (cd "$directory" && "${line[@]}" -E -C) >"$work/$$"
  sum=$(cat "$work/judge" "$work/$$" | sha256sum | cut -d ' ' -f 1)
  rm "$work/$$"
  if [[ -e $good/$sum ]]; then return; fi
  clang-tidy-14 -p "$work" --quiet --warnings-as-errors='*' "$file" 2> >(
    grep -vE 'warnings? generated|^Suppressed|^Use -header-filter|^$' >&2 || true
  )
  touch "$good/$sum"
}
export -f look_at
# shellcheck disable=SC2016 # expanded by the inner shell
tr '\n' '\0' <"$work/files" | xargs -0 -n 1 -P "$(nproc)" bash -c 'look_at "$1"' look_at
