#!/usr/bin/env bash
# Debian packages for the PostgreSQL of this release (15 on Debian 12, 17 on Debian 13) into
# target/deb. Installs what building needs and the machine lacks; Rust must be there.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

# Rust comes from rustup: no release has a new enough one (debian/README.source).
profile=pkg.workspace-autobuild.rustup
work=$project/target/deb-source
packages=$project/target/deb

if ! dpkg-checkbuilddeps --build-profiles="$profile" 2>/dev/null; then
  say "installing what the packages are built with"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get build-dep -y -qq --no-install-recommends \
    --build-profiles="$profile" ./
fi

say "building (details: target/deb-build.log)"
# In a copy: the build writes into its source, and beside it.
rm -rf "$work" "$packages"
mkdir -p "$work/source" "$packages"
tar --create --exclude=./target --exclude=./fuzz/target --exclude=./.git . | tar --extract --directory "$work/source"
cd "$work/source"
# debhelper gives the build another HOME; cargo and rustup go on with ours.
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$project/target}
# The checked-in debian/control is for one release.
export PG_UPDATECONTROL=yes
if ! dpkg-buildpackage --build=binary --unsigned-changes --unsigned-buildinfo \
  --build-profiles="$profile" >"$project/target/deb-build.log" 2>&1; then
  tail -40 "$project/target/deb-build.log"
  exit 1
fi
mv "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo "$packages/"
rm -rf "$work"
say "in target/deb:"
ls -l "$packages"
