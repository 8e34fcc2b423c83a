#!/usr/bin/env bash
# Includes go one way: protocol <- system <- actors <- actors/app, protocol <- tls (docs/design.md). The build can't
# see a wrong one, since the include root is the repository root; this check does.
# usage: layers.sh SOURCE_DIR
set -euo pipefail
cd "$1"
failed=0

# forbid WHY PATTERN FILES...: no line of the files matches the extended regular expression.
forbid() {
  local why=$1 pattern=$2 hits
  shift 2
  if [[ $# -eq 0 ]]; then return; fi
  hits=$(grep -nHE -- "$pattern" "$@" || true)
  if [[ -n $hits ]]; then
    printf '%s:\n%s\n' "$why" "$hits" >&2
    failed=1
  fi
}

sources() { find "$@" -name '*.[ch]pp' | sort; }
mapfile -t protocol < <(sources protocol)
mapfile -t system < <(sources system)
mapfile -t actors < <(sources actors ! -path 'actors/app/*')
mapfile -t tls < <(sources tls)
mapfile -t everything < <(sources protocol tls system actors tests bench examples tools)

include='^[[:space:]]*#[[:space:]]*include[[:space:]]*'
forbid 'protocol/ includes the standard library and "protocol/..." alone' \
  "${include}(\"(tls|system|actors|tests|bench)/|<(caf|boost|sys|linux|net|netinet|arpa)/|<[a-z_]+\\.h>)" \
  "${protocol[@]}"
forbid 'protocol/ has no threads, clocks or streams' \
  "${include}<(thread|mutex|shared_mutex|condition_variable|future|iostream|fstream|filesystem)>|_clock::now\\(" \
  "${protocol[@]}"
mapfile -t flow < <(sources protocol/flow)
mapfile -t native < <(sources protocol/native)
mapfile -t legacy < <(sources protocol/legacy)
mapfile -t sealed < <(sources protocol/sealed)
forbid 'what dialects share knows none of them' \
  "${include}\"protocol/(native|legacy|stream)|profile::" "${flow[@]}"
forbid 'a dialect knows no other: native' \
  "${include}\"protocol/(legacy/|stream\\.hpp)|profile::(legacy|tonel|phantun)" "${native[@]}"
forbid 'a dialect knows no other: legacy' \
  "${include}\"protocol/(native/|stream\\.hpp)|profile::native" "${legacy[@]}"
forbid 'a dialect knows no other: tonel' 'phantun' protocol/legacy/tonel.cpp
forbid 'a dialect knows no other: phantun' 'profile::tonel|may_be_tonel' protocol/legacy/phantun.cpp
for file in "${protocol[@]}"; do
  if [[ $file != protocol/expected.hpp ]]; then
    forbid 'tl::expected comes through protocol/expected.hpp' "${include}<tl/" "$file"
  fi
done
forbid 'protocol/sealed/ knows no stream: whoever has one holds it' \
  "${include}\"protocol/(native|legacy|session|stream)" "${sealed[@]}"
forbid 'tls/ knows protocol/ and OpenSSL' \
  "${include}(\"(system|actors|tests|bench)/|<(caf|boost|sys|linux|net|netinet|arpa)/)" "${tls[@]}"
mapfile -t without_tls < <(sources protocol system tools)
forbid 'OpenSSL is in tls/ alone' "${include}<openssl/" "${without_tls[@]}"
forbid 'system/ knows protocol/ and the operating system' \
  "${include}(\"(actors|tests|bench)/|<(caf|boost)/)" "${system[@]}"
forbid 'actors/ does not know its programs' "${include}\"(actors/app|tests|bench)/" "${actors[@]}"
# allow WHY ROOT PATTERN FILES...: of what is included from ROOT each line goes on with the expression.
allow() {
  local why=$1 root=$2 pattern=$3 hits
  shift 3
  hits=$(grep -nHE -- "${include}\"${root}/" "$@" | grep -vE -- "\"${root}/${pattern}\"" || true)
  if [[ -n $hits ]]; then
    printf '%s:\n%s\n' "$why" "$hits" >&2
    failed=1
  fi
}
# A room of actors/ includes itself and what its line in the table of docs/design.md allows.
while IFS='|' read -r _ room _ allowed _; do
  room=$(tr -d ' `' <<<"$room")
  root=$(dirname "actors/$room")
  mapfile -t files < <(sources "actors/$room")
  allow "actors/$room/ includes what docs/design.md allows" "$root" \
    "(${room#app/}$(tr -d ' `.' <<<"$allowed" | sed -E 's/([a-z]+),?/|\1/g'))/[a-z_]+\.hpp" "${files[@]}"
  rooms="${rooms:-} $room "
done < <(grep -E '^\| .(app/)?[a-z]+/. \|' docs/design.md | sed 's|/. |` |')
for folder in actors/*/ actors/app/*/; do
  folder=${folder#actors/}
  folder=${folder%/}
  if [[ $folder != app && ${rooms:-} != *" $folder "* ]]; then
    echo "actors/$folder/ has no line in the table of rooms in docs/design.md" >&2
    failed=1
  fi
done
if compgen -G 'actors/*.cpp' >/dev/null || compgen -G 'actors/app/*.?pp' >/dev/null; then
  echo "sources of actors/ live in a room (docs/design.md)" >&2
  failed=1
fi
for file in actors/root/{changeover,readiness,reloading,remotes,signals}.?pp; do
  own=$(basename "${file%.?pp}")
  allow 'what the root does besides supervising knows no actor and no other part: the root connects them' \
    actors \
    "(root/$own|root/host|runtime/log|messages/messages|messages/status|supervision/restart)\.hpp" "$file"
done
mapfile -t tools < <(sources tools)
# What a user chose by --wire is wire_choice; who does not translate that has no business with names.
mapfile -t unchosen < <(grep -L 'wire_choice' "${system[@]}" "${tools[@]}" "${actors[@]}")
forbid 'above protocol/ a dialect is named where a user chose it alone' \
  'profile::(legacy|tonel|phantun)' "${unchosen[@]}"
forbid 'tools/ has nothing but the layers below the actors' "${include}(\"(actors|tests|bench)/|<(caf|boost)/)" \
  "${tools[@]}"
forbid 'narrow CAF headers: all.hpp takes ten seconds a file' "${include}<caf/all\\.hpp>" \
  "${everything[@]}"
forbid 'include paths start at the repository root' "${include}\"\\.\\.?/" "${everything[@]}"
forbid 'faults come by the host: actors/app/programs/host_faults.hpp' '(ifn?def|defined).*TONEL_FAULTS' "${everything[@]}"

long=$(wc -l "${everything[@]}" | awk '$2 != "total" && $1 > 600 {print $2 ": " $1 " lines"}')
if [[ -n $long ]]; then
  printf 'over 600 lines a file is split:\n%s\n' "$long" >&2
  failed=1
fi
for file in "${everything[@]}"; do
  if [[ $file == *.hpp ]] && ! grep -q '^#pragma once$' "$file"; then
    echo "$file: no #pragma once" >&2
    failed=1
  fi
done
echo "${#everything[@]} files looked at"
exit "$failed"
