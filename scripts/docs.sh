#!/usr/bin/env bash
# The pages as a site in target/docs, by mdBook: index.html is README.md, and its list of
# pages is the table of contents. Fails if a link of the site leads nowhere.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

# Every link of the pages is checked below against what this version writes.
MDBOOK_VERSION=0.5.4
mdbook=$project/target/mdbook/bin/mdbook

if [ "$("$mdbook" --version 2>/dev/null)" != "mdbook v$MDBOOK_VERSION" ]; then
  say "installing mdbook $MDBOOK_VERSION (some minutes)"
  # Without its server, which needs most of its dependencies.
  cargo install mdbook --version "$MDBOOK_VERSION" --locked --no-default-features \
    --features search --root "$project/target/mdbook"
fi

book=$project/target/book
rm -rf "$book" "$project/target/docs"
mkdir -p "$book/src"

{
  echo '# Summary'
  echo
  echo '[What is it?](README.md)'
  sed -n '/^## Pages, by question$/,/^## Licence$/{s/^### /# /p; /^- /p; /^$/p}' README.md
} >"$book/src/SUMMARY.md"

# What a page links to in the project.
links() {
  { grep -o '](\([^)#]\+\)' "$1" || true; } | sed 's/^](//; /^https:/d' | sort -u |
    while read -r target; do realpath -ms --relative-to=. "$(dirname "$1")/$target"; done
}

# Links are relative: the book is laid out as the project is. Files that are no pages go
# along where a page links to them.
for page in $(links "$book/src/SUMMARY.md" | sed "s|^target/book/src/||"); do
  for file in "$page" $(links "$page" | grep -v '\.md$'); do
    install -D -m 644 "$file" "$book/src/$file"
  done
done

cat >"$book/book.toml" <<'BOOK'
[book]
title = "workspace-autobuild"
language = "en"

[build]
build-dir = "../docs"
# A page that the list names and nobody wrote is an error.
create-missing = false
# One of them makes index.html of each README.md, and leaves links to README.html behind.
use-default-preprocessors = false

[output.html]
no-section-label = true
BOOK

"$mdbook" build "$book"
/usr/bin/python3 scripts/links.py target/docs
say "target/docs/index.html"
