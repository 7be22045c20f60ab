#!/usr/bin/env bash
# Looks at the page of autobuild_report in a real browser, Chromium without a window: narrow and
# wide, light and dark. The pictures are in target/report, to be looked at; with "keep" the wide
# one becomes that of the docs. Whatever the browser complains of is a failure.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

install_packages chromium fonts-dejavu-core
scripts/install.sh private
cargo build --quiet --package workspace-autobuild-tests --bin record
report=$project/target/report
rm -rf "$report"
mkdir -p "$report"
target/debug/record page >"$report/page.html"

# look NAME WIDTH,HEIGHT SCHEME: what it draws, and what it says of the page.
look() {
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run \
    --user-data-dir="$report/profile" --enable-logging=stderr --v=0 \
    --blink-settings="preferredColorScheme=$3" --window-size="$2" \
    --screenshot="$report/$1.png" "file://$report/page.html" >"$report/$1.log" 2>&1
  if grep CONSOLE "$report/$1.log"; then
    echo "report: the browser complains of the page ($1)" >&2
    exit 1
  fi
  [ -s "$report/$1.png" ] || { cat "$report/$1.log" >&2; exit 1; }
}
look wide 1100,1900 1
look narrow 390,2600 1
look wide-dark 1100,1900 0
look narrow-dark 390,2600 0
rm -rf "$report/profile"
if [ "${1-}" = keep ]; then
  cp "$report/wide.png" docs/pictures/report.png
fi
say "look at them: $report/*.png"
