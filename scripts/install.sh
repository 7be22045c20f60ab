#!/usr/bin/env bash
# Builds the extension and puts it into a PostgreSQL: `install.sh system` into the
# machine's own (or PG_CONFIG's), optimized; `install.sh private` into the private copy
# that tests and demo run on, quick to build; `install.sh private-release` there too, but
# optimized, to be measured; `install.sh package DESTDIR` what goes into a package: the
# optimized library and its files under DESTDIR, as they would lie in the machine;
# `install.sh build` only builds what `system` installs.
#
# Cargo builds the library, and the scripts in sql/ are what CREATE EXTENSION runs: a test
# compares them with what the code generates. So nothing but cargo, libclang and the
# server's headers is needed.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

profile=release
destdir=
target=$PG_CONFIG
case ${1:-} in
  system | build) [ "$target" = "$private_pg_config" ] && target=$system_pg_config ;;
  private) profile=dev ;;
  private-release) ;;
  package)
    destdir=${2:?where to?}
    [ "$target" = "$private_pg_config" ] && target=$system_pg_config
    ;;
  *) sed -n '2,7p' "$0" && exit 2 ;;
esac
# What bindgen reads: a private copy has the same headers, at another place.
[ -x "$target" ] || { echo "there is no $target: run make setup" >&2; exit 1; }
PGRX_PG_CONFIG_PATH=$target \
  cargo build --lib --profile "$profile" --no-default-features --features "pg$PG_MAJOR"
built=${CARGO_TARGET_DIR:-target}/${profile/dev/debug}/libworkspace_autobuild.so
[ "$1" != build ] || exit 0

library=$destdir$("$target" --pkglibdir)
extension=$destdir$("$target" --sharedir)/extension
as=()
if [ -n "$destdir" ]; then
  mkdir -p "$library" "$extension"
elif [ ! -w "$library" ] || [ ! -w "$extension" ]; then
  as=(sudo)
fi
# A server may have the old library in use: its file is replaced, never written into.
"${as[@]}" install -m 644 "$built" "$library/workspace-autobuild.so.new"
"${as[@]}" mv "$library/workspace-autobuild.so.new" "$library/workspace-autobuild.so"
# Install scripts of earlier versions, too: a database can be made as it was there,
# restored, and upgraded.
"${as[@]}" install -m 644 workspace-autobuild.control sql/workspace-autobuild--[0-9]*.sql "$extension/"
[ -n "$destdir" ] || echo "workspace-autobuild is in $library and $extension"
