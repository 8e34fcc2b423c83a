#!/usr/bin/env bash
# Builds the package for the tests; skipped where Debian's tools are missing.
# usage: build.sh SOURCE_DIR FOLDER
set -euo pipefail
if ! command -v dpkg-buildpackage >/dev/null || ! command -v dh >/dev/null; then
  echo "dpkg-dev or debhelper is not installed (./dev setup)"
  if [[ ${CI:-} == true ]]; then exit 1; else exit 77; fi
fi
# Without a network, where that can be had: a build loads nothing.
offline=(unshare --net)
if [[ $(id -u) -ne 0 ]]; then offline=(unshare --user --map-current-user --net); fi
if ! "${offline[@]}" true 2>/dev/null; then offline=(); fi
exec "${offline[@]}" "$1/packaging/build-deb" "$2"
