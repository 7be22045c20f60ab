#!/usr/bin/env bash
# The fault suite in its long form: FAULTS_ROUNDS rounds (default 100) of each fault, on
# what is built from this checkout. FAULTS_SEED repeats a run; FAULTS_STOP_SECONDS says
# for how long a process stands still (default 1).
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

export FAULTS_ROUNDS=${FAULTS_ROUNDS:-100}
scripts/install.sh private
cargo test --package workspace-autobuild-tests --test faults -- --nocapture --test-threads=2
