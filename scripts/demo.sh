#!/usr/bin/env bash
# The demo: `demo.sh run` ends by itself (DEMO_SECONDS) and leaves nothing behind;
# `demo.sh keep` leaves the server up; `demo.sh stop` ends a server that was kept.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

kept=$project/target/demo-kept

stop() {
  [ -f "$kept" ] || return 0
  local folder pid
  folder=$(cat "$kept")
  if read -r pid _ <"$folder/data/postmaster.pid" && [ "$(readlink "/proc/$pid/cwd")" = "$folder/data" ]; then
    kill -INT "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  fi 2>/dev/null
  rm -rf "$folder" "$kept"
  echo "The kept demo server is gone."
}

case ${1:-} in
  run) options=() ;;
  keep)
    stop
    options=(--keep "$kept")
    ;;
  stop)
    stop
    exit
    ;;
  *) sed -n '2,3p' "$0" && exit 2 ;;
esac
log=$project/target/demo-build.log
mkdir -p "$project/target"
# The demo's own program needs no PostgreSQL: it is built while that is installed.
cargo build --package workspace-autobuild-tests --bin demo >"$log" 2>&1 &
program=$!
scripts/setup.sh build || { kill "$program" && exit 1; }
say "building and installing into the private server (details: target/demo-build.log)"
if ! { wait "$program" && scripts/install.sh private; } >>"$log" 2>&1; then
  tail -40 "$log"
  exit 1
fi
exec cargo run --quiet --package workspace-autobuild-tests --bin demo -- "${options[@]}"
