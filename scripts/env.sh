# shellcheck shell=bash disable=SC2034
# Where things are; sourced by the other scripts, and by hand before cargo commands
# that need PostgreSQL: `. scripts/env.sh; cargo build`.
#
# Tests and demo run on a private copy of the installed PostgreSQL, so that they never
# write into the machine's own server, and two checkouts never meet. Its place is
# target/private; for root, whose server runs as the user postgres and who may sit in a
# folder that postgres can't enter, it is a folder of its own under /var/lib.
#
# PG_CONFIG, when it is set, names another PostgreSQL (15 to 18), which is then used as
# it is. Else it is the one that this release of Debian or Ubuntu has.

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ "$(id -u)" = 0 ]; then
  private=/var/lib/workspace-autobuild/$(printf %s "$project" | cksum | cut -d ' ' -f 1)
else
  private=$project/target/private
fi
# What this file exported before, in the same shell, names no other PostgreSQL.
case ${PG_CONFIG:-} in "$private"/pg[0-9]*) PG_CONFIG= ;; esac
if [ -n "${PG_CONFIG:-}" ]; then
  PG_MAJOR=$("$PG_CONFIG" --version | sed 's/^[^0-9]*//; s/[^0-9].*//')
else
  case $(. /etc/os-release && echo "${ID:-} ${VERSION_ID:-}") in
    "debian 13") PG_MAJOR=17 ;;
    "ubuntu 24.04") PG_MAJOR=16 ;;
    *) PG_MAJOR=15 ;;
  esac
fi
system_pg_config=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config
private_server=$private/pg$PG_MAJOR
private_pg_config=$private_server/lib/postgresql/$PG_MAJOR/bin/pg_config
PG_CONFIG=${PG_CONFIG:-$private_pg_config}
# pgrx asks this pg_config, in place of notes that `cargo pgrx init` would write; its home
# is for the data of the in-server tests.
PGRX_PG_CONFIG_PATH=$PG_CONFIG
PGRX_HOME=$private/pgrx
# cargo-pgrx's own flag for the linker keeps what nobody uses: the library is twice the
# size with it, and what was built without would be built anew. Its SQL entities stay
# without it, too (a test compares them with the install script).
CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND=1
# Linters, each of a version of its own (scripts/setup.sh).
linters=$project/target/linters
export PG_MAJOR PG_CONFIG PGRX_PG_CONFIG_PATH PGRX_HOME CARGO_PGRX_DISABLE_GC_SECTIONS_WORKAROUND

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

# Installs those of the packages that this machine lacks.
install_packages() {
  local lacking=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || lacking+=("$package")
  done
  [ ${#lacking[@]} = 0 ] && return
  say "installing ${lacking[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lacking[@]}"
}
