#!/usr/bin/env bash
# Tries the packages of target/deb, and nothing else of what was built: installed by apt,
# used, upgraded, kept while a server needs them, removed without a trace. For a machine
# that may be changed: it installs PostgreSQL and makes clusters of its own, as root.
# No Rust is needed. `deb-check.sh lint` also runs lintian and the package's own test
# (autopkgtest), which have to be installed for that.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"
[ "$(id -u)" = 0 ] || { echo "deb-check.sh installs and removes packages: run it as root" >&2; exit 1; }

package=postgresql-$PG_MAJOR-workspace-autobuild
new=$(ls "$project/target/deb/${package}"_*_*.deb)
work=$(mktemp -d /tmp/deb-check.XXXXXX)
chmod 755 "$work"
old=$work/old.deb
clusters=(one two)
said=$work/said

clean_up() {
  local cluster
  for cluster in "${clusters[@]}"; do
    kill -CONT "$(head -n 1 "/var/lib/postgresql/$PG_MAJOR/$cluster/postmaster.pid")" 2>/dev/null || true
    pg_dropcluster --stop "$PG_MAJOR" "$cluster" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap clean_up EXIT

# rule TEXT: what is tried from here on.
rule() { printf '\n-- %s\n' "$*"; }

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  cat "$said" >&2
  exit 1
}

# The last step's output has this text.
says() { grep -qF -- "$1" "$said" || fail "it should say: $1"; }

says_not() { ! grep -qF -- "$1" "$said" || fail "it should not say: $1"; }

install() { apt-get install -y -qq --allow-downgrades "$@" >"$said" 2>&1 </dev/null || fail "apt-get install $*"; }

remove() { apt-get remove -y -qq "$package" >"$said" 2>&1 </dev/null; }

refused() {
  ! remove || fail "the package was removed"
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package")" = installed ] || fail "the package is half removed"
  says "$1"
  says "Nothing was changed."
}

# In a cluster: in CLUSTER DATABASE psql's arguments.
in_cluster() {
  local cluster=$1 database=$2
  shift 2
  runuser -u postgres -- env PGDATABASE="$database" psql --cluster "$PG_MAJOR/$cluster" -XAtq -v ON_ERROR_STOP=1 "$@"
}

one() { in_cluster one "$@"; }

restart() { pg_ctlcluster "$PG_MAJOR" "$1" restart; }

# await TEXT SECONDS COMMAND...: until the command prints t.
await() {
  local what=$1 end=$((SECONDS + $2))
  shift 2
  until [ "$("$@" 2>&1)" = t ]; do
    [ $SECONDS -lt $end ] || { "$@" >"$said" 2>&1 || true; fail "in vain waited for: $what"; }
    sleep 0.5
  done
}

# The product's tables and a workspace to start each minute, in a new database.
product() {
  one postgres -v name="$1" <<<'CREATE DATABASE :"name" OWNER product;'
  (cd "$work/source" && runuser -u postgres -- env PGDATABASE="$1" PGOPTIONS='-c role=product' \
    psql --cluster "$PG_MAJOR/one" -X -f debian/tests/product.sql)
}

# An older package: what 0.1.0 would have been with this library.
older_package() {
  local unpacked=$work/old
  dpkg-deb --raw-extract "$new" "$unpacked"
  sed -i 's/^Version: .*/Version: 0.1.0-1/' "$unpacked/DEBIAN/control"
  local extension=$unpacked/usr/share/postgresql/$PG_MAJOR/extension
  sed -i "s/^default_version.*/default_version = '0.1.0'/" "$extension/workspace-autobuild.control"
  find "$extension" -name '*.sql' ! -name '*--0.1.0.sql' -delete
  (cd "$unpacked" && find usr -type f -exec md5sum {} + >DEBIAN/md5sums)
  dpkg-deb --root-owner-group --build "$unpacked" "$old" >/dev/null
}

# Files of the machine, to be compared before and after.
files() {
  find / -xdev \( -path "$project" -o -path "$work" -o -path /proc -o -path /tmp -o -path /var/lib/workspace-autobuild \) -prune \
    -o -name '*workspace[-_]autobuild*' -print | sort
}

checks() {
  # Where the user postgres may be.
  cd "$work"
  rule "installed by apt alone"
  install "$old"
  says "add workspace-autobuild to shared_preload_libraries"
  local cluster
  # By sockets alone: no port of the machine is taken.
  for cluster in "${clusters[@]}"; do pg_createcluster "$PG_MAJOR" "$cluster" --pgoption listen_addresses= --start >/dev/null; done
  echo "shared_preload_libraries = 'pg_stat_statements, workspace-autobuild'" >"/etc/postgresql/$PG_MAJOR/one/conf.d/autobuild.conf"
  restart one
  one postgres -c "CREATE ROLE product"
  product coder
  one coder -c 'CREATE EXTENSION "workspace-autobuild"'

  rule "an upgrade names the server to restart, and the database to UPDATE; it restarts nothing"
  local started
  started=$(one postgres -c 'SELECT pg_postmaster_start_time()')
  install "$new"
  says "    cluster $PG_MAJOR/one"
  says_not "    cluster $PG_MAJOR/two"
  says "cluster $PG_MAJOR/one, database 'coder', which has 0.1.0"
  says 'ALTER EXTENSION "workspace-autobuild" UPDATE;'
  [ "$(one postgres -c 'SELECT pg_postmaster_start_time()')" = "$started" ] || fail "the server was restarted"
  restart one
  one coder -c 'ALTER EXTENSION "workspace-autobuild" UPDATE'
  [ "$(one coder -c "SELECT extversion FROM pg_extension WHERE extname = 'workspace-autobuild'")" != 0.1.0 ] ||
    fail "UPDATE changed nothing"

  rule "the library is stripped, small, and says nothing of where it was built"
  local library=/usr/lib/postgresql/$PG_MAJOR/lib/workspace-autobuild.so
  [ "$(stat -c %s "$library")" -le 7800000 ] || fail "the library has $(stat -c %s "$library") bytes"
  ! grep -aoE "($project|$HOME)/[[:alnum:]._/-]+" "$library" >"$said" || fail "paths are left in the library"

  rule "the worker starts the workspace that is due"
  await "the start of a workspace" 130 one coder -c "SELECT count(*) = 1 FROM workspace_builds WHERE build_number = 2 AND reason = 'autostart'"

  rule "an upgrade to the same version says nothing"
  apt-get install -y -qq --reinstall "$new" >"$said" 2>&1 || fail reinstall
  says_not UPDATE

  rule "it stays while it is in a server's configuration"
  refused "cluster $PG_MAJOR/one: the library is named by shared_preload_libraries (/etc/postgresql/$PG_MAJOR/one/conf.d/autobuild.conf:1)"
  pg_ctlcluster "$PG_MAJOR" one stop
  refused "cluster $PG_MAJOR/one: the library is named by shared_preload_libraries"
  rm "/etc/postgresql/$PG_MAJOR/one/conf.d/autobuild.conf"
  mkdir "$work/elsewhere"
  echo 'shared_preload_libraries = '\''"workspace-autobuild"'\' >"$work/elsewhere/some.conf"
  echo "include_dir = '$work/elsewhere'" >>"/etc/postgresql/$PG_MAJOR/one/postgresql.conf"
  refused "cluster $PG_MAJOR/one: the library is named by shared_preload_libraries"
  rm "$work/elsewhere/some.conf"
  echo "local_preload_libraries = 'workspace-autobuild'" >>"/var/lib/postgresql/$PG_MAJOR/one/postgresql.auto.conf"
  refused "the library is named by local_preload_libraries (/var/lib/postgresql/$PG_MAJOR/one/postgresql.auto.conf"
  echo "this line is not right" >"/etc/postgresql/$PG_MAJOR/one/conf.d/broken.conf"
  refused "the library is named by a configuration that the server can't read"
  sed -i '/workspace-autobuild/d' "/var/lib/postgresql/$PG_MAJOR/one/postgresql.auto.conf"
  rm "/etc/postgresql/$PG_MAJOR/one/conf.d/broken.conf"
  pg_ctlcluster "$PG_MAJOR" one start

  rule "it stays while capture triggers stand, in a database of whatever name"
  local hostile=$'host=nowhere "x" \'y\'; $(touch /tmp/deb-check-ran)\nz'
  product "$hostile"
  one "$hostile" -c 'CREATE EXTENSION "workspace-autobuild"' -c 'SELECT autobuild_attach()' >/dev/null
  refused "capture triggers stand on public."
  says "SELECT public.autobuild_detach();"
  says 'host=nowhere "x"'
  [ ! -e /tmp/deb-check-ran ] || fail "a database's name was run"

  rule "an upgrade, a reinstallation and a downgrade go through meanwhile"
  apt-get install -y -qq --reinstall "$new" >"$said" 2>&1 || fail reinstall
  install "$old"
  install "$new"
  one "$hostile" -c 'SELECT autobuild_detach()' >/dev/null

  rule "it stays while a constraint, a role or a database needs it"
  one coder -c 'CREATE TABLE mine (s text, CONSTRAINT "right" CHECK ((autobuild_schedule_check(s)).valid))'
  refused 'Run there: ALTER TABLE public.mine DROP CONSTRAINT "right";'
  one coder -c 'DROP TABLE mine' -c 'ALTER ROLE product SET session_preload_libraries = "workspace-autobuild"'
  refused "session_preload_libraries of ROLE product names the library. Run there: ALTER ROLE product RESET session_preload_libraries;"
  one coder -c 'ALTER ROLE product RESET session_preload_libraries' \
    -c 'ALTER DATABASE coder SET session_preload_libraries = "workspace-autobuild"'
  refused "Run there: ALTER DATABASE coder RESET session_preload_libraries;"
  one coder -c 'ALTER DATABASE coder RESET session_preload_libraries'

  rule "it stays while a server has it loaded, whatever its files say by now"
  one postgres -c "ALTER SYSTEM SET shared_preload_libraries = 'workspace-autobuild'"
  restart one
  one postgres -c "ALTER SYSTEM RESET shared_preload_libraries"
  refused "it still has the library loaded"
  restart one

  rule "it stays where nobody can look, and does not wait for that for long"
  local process begun=$SECONDS
  process=$(head -n 1 "/var/lib/postgresql/$PG_MAJOR/two/postmaster.pid")
  kill -STOP "$process"
  refused "cluster $PG_MAJOR/two: it is running and can't be looked into"
  kill -CONT "$process"
  [ $((SECONDS - begun)) -lt 60 ] || fail "it took $((SECONDS - begun)) s"

  rule "it goes where only the extension is left, which it says; so it does of a database that lets nobody in"
  one postgres -c 'CREATE DATABASE shut ALLOW_CONNECTIONS false'
  remove || fail "it was not removed"
  says "cluster $PG_MAJOR/one, database 'coder': the extension is left behind"
  says "cluster $PG_MAJOR/one, database 'shut': nobody can connect to it"
  one coder -c 'DROP EXTENSION "workspace-autobuild"'
  restart one
  one coder -c "INSERT INTO organizations (id, name, created_at, updated_at, description) VALUES (gen_random_uuid(), 'second', now(), now(), '')"

  rule "nothing of it is left"
  dpkg --purge "$package" >"$said" 2>&1 || fail purge
  files >"$work/after"
  diff "$work/before" "$work/after" >"$said" || fail "files are left"
}

lint() {
  cd "$work/source"
  rule "lintian: no error, and every warning has its reason"
  # With --show-overrides it would fail for what is overridden, too.
  lintian --fail-on error,warning --tag-display-limit 0 "$project"/target/deb/*.deb
  rule "the package's own test"
  # The checked-in debian/control is for one release.
  sed "s/PGVERSION/$PG_MAJOR/" debian/control.in >debian/control
  autopkgtest --no-built-binaries "$new" . -- null
}

# The schema's lists and the test, where the user postgres can read them.
mkdir "$work/source"
tar --create --exclude=./target --exclude=./fuzz --exclude=./.git . | tar --extract --no-same-owner --directory "$work/source"
chmod -R a+rX "$work/source"

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
say "installing PostgreSQL $PG_MAJOR"
wanted=("postgresql-$PG_MAJOR")
[ "${1:-}" != lint ] || wanted+=(lintian autopkgtest)
mkdir -p /etc/postgresql-common/createcluster.d
[ -e /etc/postgresql ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/deb-check.conf
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${wanted[@]}" >"$said" 2>&1 || fail "apt-get install ${wanted[*]}"
files >"$work/before"
say "trying $(basename "$new")"
older_package
checks
[ "${1:-}" != lint ] || lint
say "all of it holds: $(basename "$new"), $(stat -c %s "$new") bytes"
