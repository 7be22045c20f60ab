#!/usr/bin/env bash
# Removes what was built and the private server; what `make setup` installed stays.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

scripts/demo.sh stop
cargo clean
rm -rf --one-file-system "$private"
