#!/usr/bin/env bash
# Everything, in the order in which it fails soonest; ends with the results of all test
# programs, and how long each step took. The first step that fails ends the run. Each
# step's output is also kept in target/test-logs.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

logs=$project/target/test-logs
pgdata=$private/pgdata
rm -rf "$logs" "$pgdata"
mkdir -p "$logs"
started=$SECONDS
times=()

# Random tests draw the same here each time: what fails then was changed just now. Looking
# further is for `make fuzz`, and for runs of the pure tests by hand.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-20261128} FUZZ_SEED=${FUZZ_SEED:-20261128}

step() {
  local name=$1 begun=$SECONDS
  shift
  say "$name"
  "$@" 2>&1 | tee "$logs/$name.log"
  times+=("$name $((SECONDS - begun)) s")
}

# What cargo names after "Running" is the program whose result comes next. Programs
# without tests say nothing of interest.
results() {
  local log
  for log in "$logs"/*.log; do
    awk -v "step=$(basename "$log" .log)" '
      $1 == "Running" { program = $2 == "unittests" ? $3 : $2 }
      /^test result:/ && !/ 0 passed; 0 failed; 0 ignored/ { print step, program ": " $0 }
    ' "$log"
  done
}

summary() {
  local status=$?
  rm -rf "$pgdata"
  say "results"
  results
  say "$((SECONDS - started)) s: $(IFS=, && echo "${times[*]}")"
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
# The pure tests run here once more, built with the server's half, whose unit tests are
# among them.
pgrx_tests() {
  test_alias
  local as=()
  if [ "$(id -u)" = 0 ]; then
    install -d -o postgres "$pgdata"
    as=(--runas postgres --pgdata "$pgdata")
  fi
  cargo pgrx test "pg$PG_MAJOR" "${as[@]}"
}

# Most of the time these tests wait for ticks: twice as many as cores keep them busy.
on_servers() {
  RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))} \
    cargo test --package workspace-autobuild-tests
}

step lint scripts/lint.sh
step pure cargo test --no-default-features
step fuzz cargo test --package workspace-autobuild-fuzz
step in-server pgrx_tests
step install scripts/install.sh private
step sql-scripts scripts/check-sql.sh
step on-servers on_servers
step on-18 scripts/other-version.sh 18
step bench cargo run --quiet --package workspace-autobuild-bench -- --check
