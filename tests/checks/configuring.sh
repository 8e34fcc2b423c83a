#!/usr/bin/env bash
# What cmake says to hosts that lack something, or have another version of it.
# usage: configuring.sh SOURCE_DIR CMAKE CXX
set -euo pipefail
source=$1 cmake=$2 compiler=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

# says WORDS ARGUMENT...: configuring with the arguments prints the words.
says() {
  local words=$1
  shift
  rm -rf "$folder/build"
  "$cmake" -S "$source" -B "$folder/build" -DCMAKE_CXX_COMPILER="$compiler" "$@" \
    >"$folder/said" 2>&1 || true
  if tr -s ' \n' ' ' <"$folder/said" | grep -qF -- "$words"; then
    echo "ok: $words"
  else
    printf 'FAILED: %s is not said with %s:\n' "$words" "$*" >&2
    cat "$folder/said" >&2
    failed=1
  fi
}

mkdir -p "$folder/newer/lib/cmake/CAF" "$folder/older/caf"
cat >"$folder/newer/lib/cmake/CAF/CAFConfig.cmake" <<'END'
set(CAF_VERSION 0.18.5)
add_library(CAF::core INTERFACE IMPORTED)
END
touch "$folder/older/caf/event_based_actor.hpp"
echo '#define CAF_VERSION 1605' >"$folder/older/caf/config.hpp"
says 'CAF 0.18.5 is installed; needed is 0.17.6' -DCMAKE_PREFIX_PATH="$folder/newer"
says 'CAF 0.16.5 is installed; needed is 0.17.6' -DCAF_INCLUDE_DIR="$folder/older"

# As on a host without scdoc, and without Python.
hidden=(-DTONEL_SCDOC= -DCMAKE_DISABLE_FIND_PACKAGE_Python3=ON)
CI='' says 'No man pages. They need: apt-get install python3 scdoc' "${hidden[@]}"
CI='' says 'Most tests are left out. They need: apt-get install python3' "${hidden[@]}"
says 'apt-get install python3 scdoc' -DTONEL_MAN=ON -DTONEL_TESTS=OFF "${hidden[@]}"
CI=true says 'Libraries are missing. Install them with: apt-get install python3 scdoc' "${hidden[@]}"

# Without a compiler for eBPF.
hidden=(-DTONEL_BPF_CLANG= -DCMAKE_DISABLE_FIND_PACKAGE_Libbpf=ON)
CI='' says 'No direct path (--firewall bpf). It needs: apt-get install clang libbpf-dev' "${hidden[@]}"
CI='' says 'Build files have been written' "${hidden[@]}"
says 'apt-get install clang libbpf-dev' -DTONEL_BPF=ON "${hidden[@]}"

says 'Libraries are missing. Install them with: apt-get install libssl-dev' \
  -DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON
says 'Build files have been written' -DTONEL_TLS=OFF -DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON
says 'Build files have been written' -DBUILD_TESTING=OFF
if grep -rqs add_test "$folder/build" --include=CTestTestfile.cmake; then
  echo 'FAILED: BUILD_TESTING=OFF has tests' >&2
  failed=1
fi
exit "$failed"
