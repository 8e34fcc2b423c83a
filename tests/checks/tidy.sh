#!/usr/bin/env bash
# clang-tidy with the short list of .clang-tidy over protocol/, system/ and those files of actors/
# where a slip costs most. Actor files include CAF, which takes clang-tidy half a minute a file, so
# not all of them.
# usage: tidy.sh SOURCE_DIR BUILD_DIR (with compile_commands.json)
set -euo pipefail
cd "$1"
if ! command -v clang-tidy-14 >/dev/null; then
  echo "clang-tidy-14 is not installed (./dev setup)"
  if [[ ${CI:-} == true ]]; then exit 1; else exit 77; fi
fi
# g++'s precompiled header means nothing to clang.
database=$(mktemp -d)
trap 'rm -rf "$database"' EXIT
sed -E 's# -Winvalid-pch##g; s# -include [^ "]*cmake_pch\.hxx##g' "$2/compile_commands.json" \
  >"$database/compile_commands.json"
# Of what was configured to be compiled: code for other systems is not in the database.
mapfile -t files < <(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$2/compile_commands.json" |
  grep -E "^$PWD/(protocol/|system/|actors/(reactor|tun_queue|shard_supervisor)\\.cpp|actors/app/validate\\.cpp)" |
  sort -u)
echo "${#files[@]} files"
[[ ${#files[@]} -gt 0 ]]
printf '%s\0' "${files[@]}" |
  xargs -0 -n 2 -P "$(nproc)" clang-tidy-14 -p "$database" --quiet --warnings-as-errors='*' 2> >(
    grep -vE 'warnings? generated|^Suppressed|^Use -header-filter|^$' >&2 || true
  )
