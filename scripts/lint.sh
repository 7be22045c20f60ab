#!/usr/bin/env bash
# Formatting and lints: the pure half, the extension, the tests, the other crates, the
# scripts.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

clippy() { cargo clippy --quiet "$@" --all-targets -- -D warnings; }

cargo fmt --all --check
clippy --no-default-features
clippy --no-default-features --features "pg$PG_MAJOR pg_test"
clippy --package workspace-autobuild-tests
clippy --package workspace-autobuild-bench
clippy --package workspace-autobuild-fuzz
shellcheck scripts/*.sh .ci/run
