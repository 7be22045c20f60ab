# shellcheck shell=bash disable=SC2034
# Where things are; sourced by the other scripts, and by hand before cargo commands
# that need PostgreSQL: `. scripts/env.sh; cargo pgrx test pg15`.
#
# Tests and demo run on a private copy of the installed PostgreSQL, so that they never
# write into the machine's own server, and two checkouts never meet. Its place is
# target/private; for root, whose server runs as the user postgres and who may sit in a
# folder that postgres can't enter, it is a folder of its own under /var/lib.
#
# PG_CONFIG, when it is set, names another PostgreSQL (15 to 18), which is then used as
# it is.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -n "${PG_CONFIG:-}" ]; then
  PG_MAJOR=$("$PG_CONFIG" --version | sed 's/^[^0-9]*//; s/[^0-9].*//')
else
  PG_MAJOR=15
fi
system_pg_config=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config
if [ "$(id -u)" = 0 ]; then
  private=/var/lib/workspace-autobuild/$(printf %s "$project" | cksum | cut -d ' ' -f 1)
else
  private=$project/target/private
fi
private_server=$private/pg$PG_MAJOR
private_pg_config=$private_server/lib/postgresql/$PG_MAJOR/bin/pg_config
PG_CONFIG=${PG_CONFIG:-$private_pg_config}
# pgrx's own notes of where a PostgreSQL is; `init` for one forgets the others.
PGRX_HOME=$private/pgrx
[ "$PG_CONFIG" = "$private_pg_config" ] || PGRX_HOME=$private/pgrx-$PG_MAJOR
# Linters, each of a version of its own (scripts/setup.sh).
linters=$project/target/linters
export PG_MAJOR PG_CONFIG PGRX_HOME

# Says what is done, on a line of its own.
say() { printf '\n== %s\n' "$*"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Unpacks Debian packages into a folder, without installing them.
unpack_packages() {
  local folder=$1
  shift
  say "unpacking $* into $folder"
  rm -rf "$folder"
  mkdir -p "$folder"
  (
    cd "$folder" || exit
    apt-get download -qq "$@" 2>/dev/null ||
      { as_root apt-get update -qq && apt-get download -qq "$@"; }
    for package in ./*.deb; do dpkg -x "$package" .; done
    rm ./*.deb
  )
}
