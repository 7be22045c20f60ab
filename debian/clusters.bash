# The clusters of this package's major version: prerm and postinst begin with this text
# (debian/rules puts it there). Nothing here waits for long, and nothing is taken from the
# caller's environment or from what a database's owner can set.
package='#PACKAGE#'
major=${package#postgresql-}
major=${major%%-*}
bin=/usr/lib/postgresql/$major/bin
# A cluster's owner may not enter the folder that this was called in, and psql would say so.
cd /

say() { printf '%s\n' "$@" >&2; }

# Every cluster's folder of configuration. pg_lsclusters is not asked: where the
# configuration of one cluster can't be read, it names none at all.
configurations() {
  local file
  for file in "/etc/postgresql/$major"/*/postgresql.conf; do
    [ ! -f "$file" ] || dirname "$file"
  done
}

# Sets what is known of a cluster from its files.
enter() {
  configuration=$1
  cluster=$major/${configuration##*/}
  owner=$(stat -c %U "$configuration/postgresql.conf")
  [ "$owner" != root ] || owner=postgres
  data=$(configured data_directory) ||
    data=$(sed -n "s/^[[:space:]]*data_directory[[:space:]]*=\?[[:space:]]*'\(.*\)'.*/\1/p" \
      "$configuration/postgresql.conf" | tail -n 1)
  [ ! -d "$data" ] || owner=$(stat -c %U "$data")
}

as_owner() {
  timeout --kill-after=5 30 runuser -u "$owner" -- env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$@" </dev/null
}

# A setting as the server would start with it: it reads the files itself, with what they
# include and postgresql.auto.conf, and starts nothing.
configured() { as_owner "$bin/postgres" -D "$configuration" -C "$1" 2>/dev/null; }

# Is the server up? Its port and socket are then what it wrote when it started: the files
# may say something else by now.
is_running() {
  local written
  as_owner "$bin/pg_ctl" status -D "$data" >/dev/null 2>&1 || return
  mapfile -t written <"$data/postmaster.pid"
  port=${written[3]-}
  # Without a socket it listens at an address.
  host=${written[4]:-${written[5]-}}
}

# ask DATABASE SQL: puts the answer's rows into `rows`; if there is none, says false and
# puts the reason there.
ask() {
  mapfile -d '' -t rows < <(psql_as_owner "$1" "$2"; printf '%s\0' "$?")
  local status=${rows[-1]}
  unset 'rows[-1]'
  [ "$status" != 0 ] || return 0
  rows=("${rows[*]:-no answer within 30 seconds}")
  return 1
}

psql_as_owner() {
  local options='-c search_path=pg_catalog -c statement_timeout=10s -c lock_timeout=5s'
  options+=' -c session_preload_libraries= -c local_preload_libraries='
  # A trigger on login may do anything.
  [ "$major" -lt 17 ] || options+=' -c event_triggers=off'
  # The database is named in the environment: an argument may be taken for a connection
  # string. Rows end with a NUL, and no encoding is asked for: a name may be anything else.
  as_owner PGHOST="$host" PGPORT="$port" PGDATABASE="$1" PGOPTIONS="$options" PGCONNECT_TIMEOUT=10 \
    PGCLIENTENCODING=SQL_ASCII PGAPPNAME="$package" \
    "$bin/psql" -XAtqw0 -v ON_ERROR_STOP=1 -c "$2" 2>&1
}

# Asks what every database of the cluster knows.
ask_cluster() { ask postgres "$1" || ask template1 "$1"; }

# Every database, with a + or, where nobody can connect to it, a - at its end. Of one that
# was dropped by half (-2) nothing is left to be used.
DATABASES="SELECT datname || CASE WHEN datallowconn THEN '+' ELSE '-' END
             FROM pg_database WHERE datname <> 'template0' AND datconnlimit <> -2 ORDER BY datname"

# A text on one line, in quotes.
quoted() { printf %s "${1@Q}"; }

# Does a list of libraries name ours?
named_in() { [[ ,$1, =~ [[:space:],/\"]workspace-autobuild(\.so)?[[:space:],\"] ]]; }
