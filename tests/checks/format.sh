#!/usr/bin/env bash
# Every source file is as clang-format 14 would write it; `./dev format` makes it so.
# usage: format.sh SOURCE_DIR
set -euo pipefail
cd "$1"
if ! command -v clang-format-14 >/dev/null; then
  echo "clang-format-14 is not installed (./dev setup)"
  if [[ ${CI:-} == true ]]; then exit 1; else exit 77; fi
fi
failed=0
while IFS= read -r -d '' file; do
  if ! clang-format-14 "$file" | cmp -s - "$file"; then
    echo "$file"
    failed=1
  fi
done < <(find protocol tls system actors tests bench examples tools -name '*.[ch]pp' -print0 | sort -z)
if ((failed)); then echo "those above: run ./dev format" >&2; fi
exit "$failed"
