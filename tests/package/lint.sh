#!/usr/bin/env bash
# Passes the built package through lintian.
# usage: lint.sh FOLDER
set -euo pipefail
if ! command -v lintian >/dev/null; then
  echo "lintian is not installed (./dev setup)"
  if [[ ${CI:-} == true ]]; then exit 1; else exit 77; fi
fi
lintian --allow-root --fail-on error,warning --tag-display-limit 0 "$1"/tonel_*.changes
