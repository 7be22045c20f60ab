#!/usr/bin/env bash
# Draws docs/pictures anew (scripts/pictures.py): a day and the dashboard from real
# servers, a quarter of an hour in all, the costs from bench/results.json. What was
# recorded is kept in target/pictures: remove a file there to have it recorded again.
# `pictures.sh cost` draws one alone.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

MATPLOTLIB=matplotlib==3.11.2
pictures=$project/target/pictures
mkdir -p "$pictures"
if [ "$(cat "$pictures/venv/version" 2>/dev/null)" != "$MATPLOTLIB" ]; then
  say "installing $MATPLOTLIB"
  /usr/bin/python3 -m venv --clear "$pictures/venv"
  "$pictures/venv/bin/pip" install --quiet --disable-pip-version-check "$MATPLOTLIB"
  echo "$MATPLOTLIB" >"$pictures/venv/version"
fi
scripts/install.sh private
cargo build --quiet --package workspace-autobuild-tests --bin record
"$pictures/venv/bin/python" scripts/pictures.py target/debug/record "$pictures" "$@"
