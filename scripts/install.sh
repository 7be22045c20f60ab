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

# Upgrade scripts it copies as well. Those of earlier versions, too: a database can be made
# as it was there, restored, and upgraded.
extension=$("$target" --sharedir)/extension
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
for script in sql/workspace-autobuild--[0-9]*.sql; do
  case $script in
    *--*--*.sql | *--"$version".sql) ;;
    *)
      if [ -w "$extension" ]; then cp "$script" "$extension/"; else sudo cp "$script" "$extension/"; fi
      ;;
  esac
done
