#!/usr/bin/env bash
# Known vulnerabilities, unmaintained and yanked versions among the crates we depend on.
# Not a part of `make test`: the list of advisories is fetched each time, so that a new
# one would fail a change that has nothing to do with it.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

"$linters/bin/cargo-deny" --workspace check advisories
