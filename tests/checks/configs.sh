#!/usr/bin/env bash
# Every configuration in configs/ is good, and so are the settings that are commented out in it.
# usage: configs.sh SOURCE_DIR BIN_DIR
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
count=0
for file in "$1"/configs/*.conf "$1"/configs/examples/*.conf; do
  case $(basename "$file" .conf) in
    *client) program=tonelc ;;
    *server) program=tonels ;;
    *)
      echo "$file: its name tells no program"
      exit 1
      ;;
  esac
  "$2/$program" --config "$file" --check >/dev/null
  sed -E '/encryption-file/!s/^#([a-z0-9-]+ = )/\1/' "$file" >"$folder/all.conf"
  "$2/$program" --config "$folder/all.conf" --check >/dev/null
  count=$((count + 1))
done
echo "$count configurations looked at"
