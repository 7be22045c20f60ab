#!/usr/bin/env bash
# A forecast of FORECAST_DAYS days (default 30) of FORECAST_WORKSPACES workspaces (default 2000),
# and the ticks themselves, which must do the same; some ten minutes.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

export FORECAST_DAYS=${FORECAST_DAYS:-30} FORECAST_WORKSPACES=${FORECAST_WORKSPACES:-2000}
scripts/install.sh private-release
cargo test --package workspace-autobuild-tests --test forecast -- --exact --nocapture \
  simulated::counts_are_those_of_the_ticks_that_follow
