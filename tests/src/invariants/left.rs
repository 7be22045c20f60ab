//! What a tick must not leave behind, and an agenda that must agree with a scan.

use postgres::Client;

use crate::product::{extension_schema, texts};

use super::broken;

const WORKERS: &str = "backend_type = 'workspace-autobuild worker'";

/// Is no tick worker of this database alive?
pub(super) fn is_quiet(client: &mut Client) -> bool {
    let sql =
        format!("SELECT FROM pg_stat_activity WHERE datname = current_database() AND {WORKERS}");
    texts(client, &sql).is_empty()
}

/// What is left behind while no tick is under way, a line each.
pub(super) fn behind(client: &mut Client) -> Vec<String> {
    let rules = [
        (
            "no transaction of the extension's is open between ticks",
            "SELECT pid, backend_type, xact_start, state FROM pg_stat_activity
              WHERE backend_type LIKE 'workspace-autobuild%'
                AND (xact_start IS NOT NULL OR backend_xid IS NOT NULL
                     OR backend_xmin IS NOT NULL)"
                .to_owned(),
        ),
        (
            // The launcher of a database that was started by hand keeps the lock that
            // says which one it is.
            "no lock of the extension's is held between ticks",
            "SELECT l.pid, a.backend_type, l.locktype, l.relation::regclass, l.mode
               FROM pg_locks l JOIN pg_stat_activity a USING (pid)
              WHERE a.backend_type LIKE 'workspace-autobuild%' AND l.locktype <> 'userlock'"
                .to_owned(),
        ),
        (
            "no lock is held by a process that is gone",
            "SELECT l.pid, l.locktype, l.relation::regclass, l.mode FROM pg_locks l
              WHERE l.pid IS NOT NULL
                AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.pid)"
                .to_owned(),
        ),
        (
            "no transaction is prepared",
            "SELECT gid, prepared FROM pg_prepared_xacts WHERE database = current_database()"
                .to_owned(),
        ),
        (
            "there are no temporary objects",
            "SELECT oid::regclass, relkind FROM pg_class WHERE relpersistence = 't'".to_owned(),
        ),
        (
            "there are no replication slots of the extension's",
            "SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE '%autobuild%'"
                .to_owned(),
        ),
    ];
    rules
        .iter()
        .flat_map(|(rule, sql)| broken(client, rule, sql))
        .collect()
}

/// Where the agenda is in use, it must foresee what a scan foresees: at this moment, and
/// a day from now.
pub(super) fn agenda(client: &mut Client) -> Vec<String> {
    let Some(schema) = extension_schema(client) else {
        return Vec::new();
    };
    let ready = format!("SELECT FROM {schema}.autobuild_agenda_state WHERE ready");
    if texts(client, &ready).is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for ahead in ["0", "24 hours"] {
        // All under one snapshot; what is detached is attached again by the rollback.
        let rows = texts(
            client,
            &format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ;
                 CREATE TEMP TABLE by_agenda AS
                     SELECT * FROM {schema}.autobuild_preview(now() + interval '{ahead}');
                 CREATE TEMP TABLE detached AS SELECT {schema}.autobuild_detach();
                 CREATE TEMP TABLE by_scan AS
                     SELECT * FROM {schema}.autobuild_preview(now() + interval '{ahead}');
                 SELECT 'scan', * FROM (TABLE by_scan EXCEPT TABLE by_agenda) s
                  UNION ALL
                 SELECT 'agenda', * FROM (TABLE by_agenda EXCEPT TABLE by_scan) a;
                 ROLLBACK"
            ),
        );
        lines.extend(rows.into_iter().map(|row| {
            let row: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            format!(
                "not so: the agenda agrees with a scan, {ahead} ahead: only {}",
                row.join(" ")
            )
        }));
    }
    lines
}
