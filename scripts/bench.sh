#!/usr/bin/env bash
# The benchmarks, on the private server with an optimized extension: a table, and the
# same as JSON in target/bench.json. BENCH_SIZES, BENCH_REPEAT and BENCH_ONLY choose
# (bench/src/main.rs). BENCH_BEFORE names the library of a build before, an optimized one,
# to be measured beside this one on the same data. The private server keeps the optimized build until the next install.
set -euo pipefail
. "$(dirname "$0")/env.sh"
# Of where the command was given, not of the project.
if [ -n "${BENCH_BEFORE:-}" ]; then
  BENCH_BEFORE=$(realpath -e "$BENCH_BEFORE")
  export BENCH_BEFORE
fi
cd "$project"

say "building, optimized (details: target/bench-build.log)"
mkdir -p "$project/target"
if ! { scripts/install.sh private-release &&
  cargo build --release --package workspace-autobuild-bench; } >"$project/target/bench-build.log" 2>&1; then
  tail -40 "$project/target/bench-build.log"
  exit 1
fi
"$project/target/release/bench" "$project/target/bench.json"
say "the same as JSON: target/bench.json"
