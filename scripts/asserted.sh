#!/usr/bin/env bash
# Tests on a PostgreSQL with its assertions switched on, built from Debian's source: what the extension does wrong to the server ends it there.
# Every test on real servers, or those programs of them that are named (`asserted.sh
# ticks worker`). ASSERTED_FLAGS are the compiler's.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

asserted=$private/asserted
flags=${ASSERTED_FLAGS:--O1 -g -DUSE_VALGRIND}

# Debian's own source, by an apt that looks for sources beside the packages: the newest that
# is to be had (a mirror may lack what it lists).
source_of_debian() {
  local apt=$asserted/apt
  mkdir -p "$apt/lists/partial" "$apt/parts"
  find /etc/apt -name '*.sources' -exec sed 's/^Types:.*/Types: deb-src/' {} + >"$apt/parts/all.sources"
  find /etc/apt -name '*.list' -exec sed -n 's/^deb /deb-src /p' {} + >"$apt/parts/all.list"
  local options=(-o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$apt/parts"
    -o "Dir::State::lists=$apt/lists" -o "APT::Sandbox::User=root" -qq)
  # One of the sources may have no source packages.
  apt-get "${options[@]}" update 2>/dev/null || true
  local version
  cd "$asserted"
  for version in $(apt-cache "${options[@]}" showsrc "postgresql-$PG_MAJOR" | sed -n 's/^Version: //p' | sort -Vru); do
    if apt-get "${options[@]}" --download-only source "postgresql-$PG_MAJOR=$version"; then
      return
    fi
  done
  echo "no source of postgresql-$PG_MAJOR is to be had" >&2
  return 1
}

if [ "$(cat "$asserted/flags" 2>/dev/null)" != "$flags" ]; then
  say "building PostgreSQL $PG_MAJOR with assertions into $asserted (some minutes)"
  rm -rf "$asserted"
  mkdir -p "$asserted"
  install_packages gcc make bison flex dpkg-dev valgrind libreadline-dev zlib1g-dev
  (source_of_debian)
  (
    mkdir "$asserted/source"
    cd "$asserted/source"
    tar -xf ../postgresql-"$PG_MAJOR"_*.orig.tar.* --strip-components=1
    ./configure --quiet --prefix="$asserted/installed" --enable-cassert --enable-debug --without-icu \
      CFLAGS="$flags"
    make --silent -j2 install
    make --silent -C contrib -j2 install
  ) >"$asserted/build.log" 2>&1 || { tail -40 "$asserted/build.log" && exit 1; }
  chmod -R go+rX "$asserted"
  echo "$flags" >"$asserted/flags"
fi
export PG_CONFIG=$asserted/installed/bin/pg_config
[ "${1:-}" = --build-only ] && exit
. "$(dirname "$0")/env.sh"
say "building for $("$PG_CONFIG" --version) with assertions"
scripts/install.sh private
say "testing"
programs=("${@/#/--test=}")
cargo test --no-fail-fast --package workspace-autobuild-tests "${programs[@]}"
