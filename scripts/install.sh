#!/usr/bin/env bash
# Builds the extension and puts it into a PostgreSQL: `install.sh system` into the
# machine's own (or PG_CONFIG's), optimized; `install.sh private` into the private copy
# that tests and demo run on, quick to build; `install.sh private-release` there too, but
# optimized, to be measured.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

options=(--no-default-features --features "pg$PG_MAJOR")
case ${1:-} in
  system)
    target=$PG_CONFIG
    [ "$target" = "$private_pg_config" ] && target=$system_pg_config
    options+=(--release)
    [ -w "$("$target" --pkglibdir)" ] || options+=(--sudo)
    ;;
  private) target=$PG_CONFIG ;;
  private-release)
    target=$PG_CONFIG
    options+=(--release)
    ;;
  *) sed -n '2,5p' "$0" && exit 2 ;;
esac
cargo pgrx install --pg-config "$target" "${options[@]}"

# With upgrade scripts, which it copies, the scripts of released versions: a database that
# had one can be restored as it was, and then upgraded.
released=(sql/workspace-autobuild--0.1.0.sql)
extension=$("$target" --sharedir)/extension
if [ -w "$extension" ]; then
  cp "${released[@]}" "$extension/"
else
  sudo cp "${released[@]}" "$extension/"
fi
