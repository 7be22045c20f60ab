#!/usr/bin/env bash
# Two servers under Patroni, with etcd: failover, switchover and the loss of Patroni, each
# in the midst of a storm, HA_ROUNDS rounds of them (default 2), without and with a
# synchronous standby; and what Patroni does to our settings. On what is built from this
# checkout. FAULTS_SEED repeats a run.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

# Unpacked, since the installed packages would start services; where the servers' user
# can read them. Python and libpq are the machine's.
export AUTOBUILD_PATRONI=$private/patroni
[ -x "$AUTOBUILD_PATRONI/usr/bin/etcd" ] || {
  mapfile -t needed < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts \
    --no-breaks --no-replaces --no-enhances patroni |
    grep -xE 'python3-(cdiff|ydiff|click|dateutil|dnspython|etcd|prettytable|psutil|psycopg2|six|urllib3|wcwidth|yaml)')
  unpack_packages "$AUTOBUILD_PATRONI" patroni etcd-server "${needed[@]}"
}

export FAULTS_ROUNDS=${HA_ROUNDS:-2}
scripts/install.sh private
# One after the other: two clusters on a small machine would time each other out.
cargo test --package workspace-autobuild-tests --test faults -- \
  --ignored high_availability --nocapture --test-threads=1
