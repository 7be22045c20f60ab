#!/usr/bin/env bash
# Runs a command in this tree as it would run on Debian 13: `debian-13.sh make demo`. A folder
# of the private one is made with debootstrap and kept; this machine's Rust and cargo's
# downloads are used in it, `target` is its own. It takes root.
set -euo pipefail
# In there it is Debian 13's own server that is used.
unset PG_CONFIG
. "$(dirname "$0")/env.sh"
cd "$project"
[ $# -gt 0 ] || { sed -n '2,4p' "$0" && exit 2; }

machine=$private/debian-13
included=ca-certificates,gcc,libc6-dev,make,procps

# Whoever can't have it is told so, and no test counts as passed.
refuse() {
  printf 'Nothing was run on Debian 13: %s\n' "$*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || refuse "it takes root to make a folder with it."
toolchain=$(rustc --print sysroot)
if [ "$toolchain" = /usr ] || [ ! -x "$toolchain/bin/cargo" ]; then
  refuse "there is no Rust in a folder of its own, as rustup installs it, to be used there."
fi

# Mounts and processes of its own, which end with the command, however it ends.
if [ "${DEBIAN_13_ALONE:-}" != "$machine" ]; then
  unshare --mount --pid true || refuse "this machine allows no mounts (unshare, CAP_SYS_ADMIN)."
  exec env DEBIAN_13_ALONE="$machine" unshare --mount --pid --fork --kill-child "scripts/${0##*/}" "$@"
fi

# What this machine's apt takes Debian from, and how it gets there.
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -1)
mirror=${mirror:-http://deb.debian.org/debian/}
made_of="trixie $mirror $included"
if [ "$(cat "$machine/made-of" 2>/dev/null)" != "$made_of" ]; then
  say "making a folder with Debian 13 in $machine"
  install_packages debootstrap
  rm -rf --one-file-system "$machine"
  mkdir -p "$machine"
  debootstrap --variant=minbase --include="$included" trixie "$machine" "$mirror" >"$private/debian-13.log" ||
    { tail -20 "$private/debian-13.log" >&2 && refuse "debootstrap failed."; }
  apt-config dump | grep '^Acquire' >"$machine/etc/apt/apt.conf.d/00-as-outside"
  cp -a /etc/ssl/certs/. "$machine/etc/ssl/certs/"
  # No package starts a service in here.
  printf '#!/bin/sh\nexit 101\n' >"$machine/usr/sbin/policy-rc.d"
  chmod +x "$machine/usr/sbin/policy-rc.d"
  echo "$made_of" >"$machine/made-of"
fi
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do
  [ ! -e "$file" ] || cp -L "$file" "$machine$file"
done

mount -t proc proc "$machine/proc"
mount --rbind /dev "$machine/dev"
bind() {
  mkdir -p "$1" "$machine$2"
  mount --bind "$1" "$machine$2"
}
cargo_home=${CARGO_HOME:-$HOME/.cargo}
bind "$toolchain" "$toolchain"
bind "$cargo_home" "$cargo_home"
bind "$project" "$project"
bind "$machine/var/target" "$project/target"
unset PG_CONFIG PG_MAJOR PGRX_HOME DEBIAN_13_ALONE
export CARGO_HOME=$cargo_home LANG=C.UTF-8
PATH=$toolchain/bin:$cargo_home/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# shellcheck disable=SC2016
exec chroot "$machine" sh -c 'cd "$0" && exec "$@"' "$project" "$@"
