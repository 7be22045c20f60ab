#!/usr/bin/env bash
# Formatting, spelling, licences, lints and documentation: of the pure half, the
# extension, the tests, the other crates, the scripts. The quickest come first; what
# fails says what to do.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

# gate ADVICE COMMAND...
gate() {
  local advice=$1
  shift
  "$@" && return
  printf '\nlint: %s failed. %s\n' "$*" "$advice" >&2
  exit 1
}

clippy() {
  gate "Mend what it says; a lint that is wrong in one place is allowed there, with a reason." \
    cargo clippy --quiet "$@" --all-targets -- -D warnings
}

documentation() {
  RUSTDOCFLAGS="-D warnings" gate "Mend the comments that it names." \
    cargo doc --quiet --no-deps "$@"
}

gate "Run: cargo fmt --all" cargo fmt --all --check
gate "Run: $linters/bin/taplo fmt" env RUST_LOG=error "$linters/bin/taplo" fmt --check --diff
gate "Mend the word; one that is right is added to _typos.toml." "$linters/bin/typos"
gate "Run: shellcheck scripts/*.sh" shellcheck scripts/*.sh .ci/run debian/tests/tick
for script in prerm postinst; do
  gate "Mend debian/$script.in or debian/clusters.bash." \
    shellcheck <(debian/assemble "debian/$script.in")
done
gate "Take another crate, or say in deny.toml why this one is right." \
  "$linters/bin/cargo-deny" --workspace check bans licenses sources
clippy --no-default-features
clippy --no-default-features --features "pg$PG_MAJOR pg_test"
clippy --package workspace-autobuild-tests
clippy --package workspace-autobuild-bench
clippy --package workspace-autobuild-fuzz
documentation --no-default-features
documentation --no-default-features --features "pg$PG_MAJOR"
documentation --package workspace-autobuild-tests
