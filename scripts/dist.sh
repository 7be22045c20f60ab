#!/usr/bin/env bash
# The archive for PGXN: what is committed, and nothing that was built, as
# target/dist/workspace-autobuild-VERSION.zip. Its META.json is checked as PGXN checks it.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

PGXN_META=0.7.0
checker=$project/target/pgxn
if [[ $("$checker/bin/pgxn_meta" --version 2>/dev/null) != *" $PGXN_META" ]]; then
  say "building pgxn_meta $PGXN_META, which checks META.json (a minute or two)"
  cargo install pgxn_meta --version "$PGXN_META" --locked --debug --quiet --root "$checker" --target-dir "$checker/build"
  rm -rf "$checker/build"
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
name=workspace-autobuild-$version
archive=$project/target/dist/$name.zip
[ -z "$(git status --porcelain)" ] || say "what is not committed is not in it"
rm -rf target/dist
mkdir -p target/dist
git show HEAD:META.json >target/dist/META.json
"$checker/bin/pgxn_meta" target/dist/META.json
rm target/dist/META.json
git archive --format=zip --prefix="$name/" --output="$archive" HEAD
say "$archive"
