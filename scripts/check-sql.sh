#!/usr/bin/env bash
# Checks the install script and the upgrade scripts, as they are in the private server,
# for statements that somebody's objects in the search path could hijack.
set -euo pipefail
. "$(dirname "$0")/env.sh"

extension=$("$PG_CONFIG" --sharedir)/extension
shopt -s nullglob
scripts=("$extension"/workspace-autobuild--*.sql)
[ ${#scripts[@]} -gt 0 ] || { echo "no script in $extension: install the extension first" >&2; exit 1; }
for script in "${scripts[@]}"; do
  basename "$script"
  ignored=()
  # An upgrade has to replace functions and views that others' objects depend on; the server
  # refuses where the one that is there is not the extension's own.
  [[ $script == *--*--* ]] && ignored=(--ignore PS002 --ignore PS015)
  "$linters/bin/pgspot" "${ignored[@]}" "$script"
done
