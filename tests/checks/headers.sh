#!/usr/bin/env bash
# Each header compiles alone, with the project's warnings as errors.
# usage: headers.sh SOURCE_DIR COMPILER
set -euo pipefail
cd "$1"
export compiler=$2

check_one() {
  # -include of the header into an empty file, since "#pragma once in main file" is a warning.
  "$compiler" -std=c++17 -fsyntax-only -I. -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
    -Wold-style-cast -Wnon-virtual-dtor -Werror -DBOOST_ALL_DYN_LINK=1 \
    -include "$1" -x c++ /dev/null || {
    echo "$1: does not compile alone" >&2
    return 1
  }
}
export -f check_one
# shellcheck disable=SC2016 # expanded by the inner shell
find protocol tls system actors tests bench -name '*.hpp' ! -path '*/macos/*' -print0 |
  xargs -0 -r -n 1 -P "$(nproc)" bash -c 'check_one "$0"'
