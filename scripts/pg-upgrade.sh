#!/usr/bin/env bash
# pg_upgrade from this machine's own PostgreSQL, 15 on Debian 12 and 17 on Debian 13, to
# 18.6, which comes from a Python wheel: as new as those, so that it knows what they dump.
# From Debian 12, 17 is had by `scripts/debian-13.sh make test-pg-upgrade`.
set -euo pipefail
unset PG_CONFIG
. "$(dirname "$0")/env.sh"
cd "$project"

scripts/install.sh private
export OLD_PG_CONFIG=$PG_CONFIG
PG_CONFIG=$(unset PG_CONFIG && scripts/wheel.sh 18.6)
export PG_CONFIG
scripts/setup.sh build
scripts/install.sh private
say "pg_upgrade from $("$OLD_PG_CONFIG" --version) to $("$PG_CONFIG" --version)"
cargo test --package workspace-autobuild-tests --test copies -- --ignored pg_upgrade
