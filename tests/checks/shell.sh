#!/usr/bin/env bash
# Runs shellcheck over every shell script of the repository, found by its first line.
# usage: shell.sh SOURCE_DIR
set -euo pipefail
cd "$1"
if ! command -v shellcheck >/dev/null; then
  echo "shellcheck is not installed (./dev setup)"
  if [[ ${CI:-} == true ]]; then exit 1; else exit 77; fi
fi
mapfile -t scripts < <(find . -path ./build -prune -o -path './build-*' -prune -o -path ./.git -prune \
  -o -type f -size -200k -print0 |
  xargs -0 awk 'FNR == 1 && /^#!.*(\/|env )(ba|da)?sh([[:space:]]|$)/ {print FILENAME} FNR > 1 {nextfile}' | sort)
printf '%s\n' "${scripts[@]}"
shellcheck -x "${scripts[@]}"

# Not a dialect that shellcheck knows.
for script in packaging/completions/*.zsh; do
  if command -v zsh >/dev/null; then
    echo "$script"
    zsh -n "$script"
  elif [[ ${CI:-} == true ]]; then
    echo "zsh is not installed (./dev setup)"
    exit 1
  fi
done
