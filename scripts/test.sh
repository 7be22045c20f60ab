#!/usr/bin/env bash
# Everything, in the order in which it fails soonest; ends with the result lines of all
# test programs. The first step that fails ends the run. Each step's output is also kept
# in target/test-logs.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

logs=$project/target/test-logs
pgdata=$private/pgdata
rm -rf "$logs" "$pgdata"
mkdir -p "$logs"
started=$SECONDS

step() {
  local name=$1
  shift
  say "$name"
  "$@" 2>&1 | tee "$logs/$name.log"
}

summary() {
  local status=$?
  rm -rf "$pgdata"
  say "results after $((SECONDS - started)) s"
  # Programs without tests say nothing of interest.
  grep -H '^test result:' "$logs"/*.log 2>/dev/null | grep -v ' 0 passed; 0 failed; 0 ignored' |
    sed "s|^$logs/||; s|\.log:|: |" || true
  if [ "$status" = 0 ]; then say "all passed"; else say FAILED; fi
  exit "$status"
}
trap summary EXIT

# pgrx's test framework creates the extension under the crate's name, which has an
# underscore where the extension has a hyphen.
test_alias() {
  local extension
  extension=$("$PG_CONFIG" --sharedir)/extension
  cat >"$extension/workspace_autobuild.control" <<'CONTROL'
comment = 'stands for workspace-autobuild in tests'
default_version = '1'
requires = '"workspace-autobuild"'
CONTROL
  echo '-- nothing of its own' >"$extension/workspace_autobuild--1.sql"
}

# Root's server runs as postgres, who needs a folder of his own for the data.
# The pure tests have run by then: here only those that need to be inside a server.
pgrx_tests() {
  test_alias
  local as=()
  if [ "$(id -u)" = 0 ]; then
    install -d -o postgres "$pgdata"
    as=(--runas postgres --pgdata "$pgdata")
  fi
  cargo pgrx test "pg$PG_MAJOR" "${as[@]}" in_server
}

step lint scripts/lint.sh
step pure cargo test --no-default-features
step fuzz cargo test --package workspace-autobuild-fuzz
step in-server pgrx_tests
step install scripts/install.sh private
step sql-scripts scripts/check-sql.sh
step on-servers cargo test --package workspace-autobuild-tests
step bench cargo run --quiet --package workspace-autobuild-bench -- --check
