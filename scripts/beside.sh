#!/usr/bin/env bash
# The extension beside what else is found on a server: pg_cron, pgaudit, pg_stat_statements,
# auto_explain and pg_repack in it, PgBouncer before it, and the exporters of Debian 12 and
# 13. On what is built from this checkout. What is not to be had ends the run.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

[ "$PG_CONFIG" = "$private_pg_config" ] || {
  say "only on the private server: extensions are put into it. Unset PG_CONFIG"
  exit 2
}

# Unpacked, since the installed packages would start services; where the servers' user
# can read them.
export AUTOBUILD_BESIDE=$private/beside
bouncer=$AUTOBUILD_BESIDE/pgbouncer
[ -x "$bouncer/usr/sbin/pgbouncer" ] || {
  # Libraries that a server's machine need not have; their names differ by release.
  mapfile -t needed < <(apt-cache depends pgbouncer | sed -n 's/.*Depends: \(libc-\?ares.*\|libevent.*\)/\1/p')
  unpack_packages "$bouncer" pgbouncer "${needed[@]}"
}

library=$private_server/lib/postgresql/$PG_MAJOR
[ -x "$library/bin/pg_repack" ] || {
  unpacked=$AUTOBUILD_BESIDE/extensions
  unpack_packages "$unpacked" "postgresql-$PG_MAJOR-pgaudit" "postgresql-$PG_MAJOR-repack"
  cp "$unpacked/usr/lib/postgresql/$PG_MAJOR/lib"/*.so "$library/lib/"
  cp "$unpacked/usr/share/postgresql/$PG_MAJOR/extension"/* "$private_server/share/postgresql/$PG_MAJOR/extension/"
  cp "$unpacked/usr/lib/postgresql/$PG_MAJOR/bin/pg_repack" "$library/bin/"
}

# The exporter of a release, whichever this machine has: from where its own packages come,
# without a word of it in the machine's own lists.
exporter() {
  local suite=$1 unpacked=$AUTOBUILD_BESIDE/exporter-$1 from lists
  [ -x "$unpacked/usr/bin/prometheus-postgres-exporter" ] && return
  # shellcheck disable=SC2016 # apt's own words
  from=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
    head -n 1)
  # apt throws away what it does not know in the folder of its lists.
  lists=$AUTOBUILD_BESIDE/lists-$suite
  mkdir -p "$lists/partial"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $from $suite main" >"$lists.list"
  echo "Dir::Etc::SourceList \"$lists.list\"; Dir::Etc::SourceParts \"/dev/null\";
    Dir::State::Lists \"$lists\"; Dir::Cache::pkgcache \"\"; Dir::Cache::srcpkgcache \"\";" >"$lists.conf"
  APT_CONFIG=$lists.conf as_root apt-get update -qq
  APT_CONFIG=$lists.conf unpack_packages "$unpacked" prometheus-postgres-exporter
}
exporter bookworm
exporter trixie

scripts/install.sh private
cargo test --package workspace-autobuild-tests --test beside -- --ignored --nocapture --test-threads=1
