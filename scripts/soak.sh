#!/usr/bin/env bash
# The soak in its long form: SOAK_TICKS ticks (default 10000) on SOAK_WORKSPACES
# workspaces (default 20000) that live; some minutes to half an hour.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

export SOAK_TICKS=${SOAK_TICKS:-10000} SOAK_WORKSPACES=${SOAK_WORKSPACES:-20000}
scripts/install.sh private-release
cargo test --package workspace-autobuild-tests --test soak -- --nocapture
