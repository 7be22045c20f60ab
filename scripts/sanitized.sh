#!/usr/bin/env bash
# Under valgrind: a server with assertions (scripts/asserted.sh), on which one storm is
# built by the worker and every SQL function is called with random arguments
# (SANITIZED_CALLS, default 300). A report of valgrind's in any process of the server's is a
# failure; PostgreSQL's own list says which of its own reports are known. A quarter of an hour or more.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

scripts/asserted.sh --build-only
asserted=$private/asserted
installed=$asserted/installed
reports=$asserted/valgrind
rm -rf "$reports"
install -d -m 777 "$reports"

# The same server, but for its program: a script that runs it under valgrind. What initdb
# runs, and what only asks for the version, runs as it is.
watched=$asserted/watched
rm -rf "$watched"
cp -as "$installed" "$watched"
rm "$watched"/bin/*
cp "$installed"/bin/* "$watched/bin/"
mv "$watched/bin/postgres" "$watched/bin/postgres.watched"
cat >"$watched/bin/postgres" <<SCRIPT
#!/bin/sh
case " \$* " in
  *" -p "*)
    exec valgrind --quiet --leak-check=no --num-callers=40 --time-stamp=yes --trace-children=yes \\
      --error-markers=REPORT-BEGIN,REPORT-END --suppressions="$asserted/source/src/tools/valgrind.supp" \\
      --log-file="$reports/%p" "$watched/bin/postgres.watched" "\$@"
    ;;
esac
exec "$watched/bin/postgres.watched" "\$@"
SCRIPT
chmod +x "$watched/bin/postgres"
chmod -R go+rX "$watched"

export PG_CONFIG=$installed/bin/pg_config
. "$(dirname "$0")/env.sh"
say "building for $("$PG_CONFIG" --version) with assertions"
scripts/install.sh private
# Links to what was there before it was installed do not show what came since.
cp -asf "$installed/lib" "$installed/share" "$watched/"
export PG_CONFIG=$watched/bin/pg_config

tests() { cargo test --package workspace-autobuild-tests "$@"; }
say "a storm under valgrind"
tests --test faults a_storm_without_a_fault
say "every SQL function under valgrind"
SQL_FUZZ_CALLS=${SANITIZED_CALLS:-300} SQL_FUZZ_GROWTH_MB=4096 tests --test bad_input sql_fuzz
say "what valgrind says"
processes=$(find "$reports" -type f | wc -l)
if grep -l REPORT-BEGIN "$reports"/*; then
  grep -h -A 30 REPORT-BEGIN "$reports"/* | head -200
  exit 1
fi
[ "$processes" -gt 0 ] || { echo "no process was watched" >&2; exit 1; }
echo "nothing, in $processes processes"
