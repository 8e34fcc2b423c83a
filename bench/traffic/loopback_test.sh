#!/bin/sh
# The tool against itself over the loopback device: what is sent must be what is counted.
#   loopback_test.sh PATH_OF_TONEL_TRAFFIC
set -eu
traffic=$1
dir=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || :
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

# serve COMMAND ADDR OPTIONS...: starts a server in the background; sets $server and $at.
serve() {
  command=$1
  shift
  : >"$dir/err" # what the last one said must be gone before the next is asked
  "$traffic" "$command" "$@" >"$dir/out" 2>"$dir/err" &
  server=$!
  tries=0
  until at=$(sed -n 's/^listening //p' "$dir/err") && [ -n "$at" ]; do
    tries=$((tries + 1))
    if ! kill -0 "$server" || [ "$tries" -ge 1000 ]; then fail "no server: $(cat "$dir/err")"; fi
  done
}

fail() {
  echo "FAIL $name: $*" >&2
  exit 1
}

expect() { # expect TEXT PATTERN...
  text=$1
  shift
  for pattern; do
    case $text in
    *"$pattern"*) ;;
    *) fail "no '$pattern' in $text" ;;
    esac
  done
}

clean='"gaps": 0, "duplicates": 0, "reordered": 0, "altered": 0, "wrong_length": 0'

for address in 127.0.0.1:0 "[::1]:0"; do
  for how in --single --mmsg --gso; do
    for sizes in 1400 1200 200 40 20 2 1 0; do
      name="$address $how $sizes"
      serve sink "$address" --count 500 --idle-ms 5000 --seconds 20
      "$traffic" send "$at" $how --size $sizes --count 500 >"$dir/sent"
      wait "$server"
      server=
      expect "$(cat "$dir/sent")" '"sent": 500,' '"errors": 0'
      expect "$(cat "$dir/out")" "\"received\": 500, \"bytes\": $((500 * sizes)), $clean"
    done
  done
  [ "$address" != 127.0.0.1:0 ] || ip -6 address show dev lo 2>/dev/null | grep -q ::1 || break
done

name="mixed sizes, many sources"
serve sink 127.0.0.1:0 --count 20000 --idle-ms 5000 --seconds 20 --per-source
"$traffic" send "$at" --mmsg --sizes 0-1472 --count 20000 --sources 20 --rate-pps 200k >"$dir/sent"
wait "$server"
server=
expect "$(cat "$dir/out")" '"received": 20000' "$clean" '"streams": 20, "sources": 20' per_source

name="spun, stamped"
serve sink 127.0.0.1:0 --count 201 --idle-ms 5000 --seconds 20 --coalesce-us 0
"$traffic" send "$at" --spin --stamp --rate-pps 10k --count 200 --all-at-end >"$dir/sent"
wait "$server"
server=
expect "$(cat "$dir/sent")" '"sent": 201,' '"behind_s": ' '"late_percent": '
expect "$(cat "$dir/out")" '"received": 201' "$clean" delay_median_us delay_p99_us

name="sent on request"
serve send 127.0.0.1:0 --serve --count 300 --size 200
"$traffic" sink 127.0.0.1:0 --request "$at" --count 300 --idle-ms 5000 --seconds 20 \
  >"$dir/sunk" 2>/dev/null
wait "$server"
server=
expect "$(cat "$dir/out")" '"sent": 300,' '"errors": 0'
expect "$(cat "$dir/sunk")" '"received": 300' "$clean"

name="sockets that come and go"
serve echo 127.0.0.1:0
"$traffic" churn "$at" --rate-pps 500 --life-ms 100 --seconds 0.5 --calm-pps 50 \
  --calm-seconds 0.2 --trace >"$dir/churn"
"$traffic" pulse "$at" --interval-us 10000 --seconds 0.2 --trace >"$dir/pulse"
kill "$server"
wait "$server"
server=
expect "$(cat "$dir/churn")" '"unanswered": 0, "errors": 0' '"trace": [['
expect "$(cat "$dir/pulse")" '"lost": 0, "strangers": 0' '"trace": [['

name="echo"
serve echo 127.0.0.1:0
"$traffic" send "$at" --gso --sizes 100,100,300 --count 3000 --rate-pps 100k --expect-echo \
  >"$dir/sent"
expect "$(cat "$dir/sent")" '"sent": 3000' '"echo": {"received": 3000' "$clean"
"$traffic" ping "$at" --count 100 >"$dir/ping"
expect "$(cat "$dir/ping")" '"received": 100, "lost": 0' median_us p99_us
kill "$server"
wait "$server"
server=
expect "$(cat "$dir/out")" '"received": 3100' '"errors": 0'

name="wrong options"
for wrong in "--size 70000" "--rate-pps x" "--gso --mmsg" "--nothing 1" "--size"; do
  code=0
  # shellcheck disable=SC2086 # several words
  "$traffic" send 127.0.0.1:1 $wrong 2>"$dir/err" || code=$?
  [ $code -eq 2 ] || fail "exit code $code for $wrong"
done
echo "all passed"
