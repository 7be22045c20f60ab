#!/usr/bin/env bash
# An upgrade as an operator makes it, from the library of 0.1.0, built from its commit:
# the server still has that one loaded when the package is there already, goes on with it
# until the restart, and is whole after ALTER EXTENSION UPDATE. Asks for a clone with the
# history of the project.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

RELEASED=c6b0045e90b46be470a27e5d374990a436d7f20c
old=$private/released
library=$old/target/debug/libworkspace_autobuild.so
if [ ! -e "$library" ]; then
  say "building 0.1.0 from $RELEASED into $old"
  rm -rf "$old"
  mkdir -p "$old"
  git archive "$RELEASED" | tar -x -C "$old"
  (cd "$old" && cargo build --lib --no-default-features --features "pg$PG_MAJOR")
fi
scripts/install.sh private
AUTOBUILD_OLD_LIBRARY=$library cargo test --package workspace-autobuild-tests --test copies -- \
  --include-ignored --skip pg_upgrade upgrade
