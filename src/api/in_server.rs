//! Tests that run inside a server, in a transaction that is rolled back: what needs both
//! the server's own functions and ours.
//!
//! Built only with the feature `pg_test` (`cargo pgrx test`): the schema that pgrx wants
//! for them is in no script that is installed.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::columns::{COLUMNS, Kind, required_tables};
    use crate::schedule::{Zone, ZoneSource};
    use crate::server::query::{Access, for_each_row};
    use crate::server::zones::ServerZones;

    /// The rows' first column, as text.
    fn column(sql: &str) -> Vec<Option<String>> {
        Spi::connect(|client| {
            client
                .select(sql, None, &[])
                .unwrap()
                .map(|row| row.get::<String>(1).unwrap())
                .collect()
        })
    }

    fn one(sql: &str) -> Option<String> {
        let mut rows = column(sql);
        assert_eq!(rows.len(), 1, "{sql}");
        rows.remove(0)
    }

    #[pg_test]
    fn a_schedule_gives_its_next_runs() {
        let runs = column(
            "SELECT (r AT TIME ZONE 'UTC')::text FROM autobuild_schedule_next(
                 'CRON_TZ=America/New_York 30 2 * * *', '2024-03-09 12:00:00+00', 2) AS r",
        );
        let expected = ["2024-03-11 06:30:00", "2024-03-12 06:30:00"];
        assert_eq!(runs, expected.map(|run| Some(run.to_owned())));
        assert!(column("SELECT r::text FROM autobuild_schedule_next(', 9 * * *') AS r").is_empty());
    }

    /// Bytes of memory that this server process has asked for.
    fn memory() -> usize {
        // SAFETY: adds up what the contexts say of themselves.
        unsafe { pg_sys::MemoryContextMemAllocated(pg_sys::TopMemoryContext, true) }
    }

    #[pg_test]
    fn a_result_is_never_held_as_a_whole() {
        let sql = "SELECT repeat('x', 1000 + g % 2) FROM generate_series(1, 100000) AS g";
        let (mut rows, mut most) = (0, 0);
        let before = memory();
        let count = for_each_row(sql, Access::Read, vec![], |row| {
            assert!(row.text(0)?.is_some_and(|text| text.len() >= 1000));
            rows += 1;
            most = most.max(memory());
            Ok(())
        });
        assert_eq!((count.expect("rows"), rows), (100_000, 100_000));
        assert!(most < before + 20_000_000, "{before} bytes, then {most}");
    }

    #[pg_test]
    fn an_error_at_a_row_ends_the_statement() {
        Spi::run("CREATE TEMPORARY SEQUENCE made").unwrap();
        let sql = "SELECT nextval('made') FROM generate_series(1, 1000)";
        let result = for_each_row(sql, Access::Write, vec![], |row| match row.bigint(0)? {
            Some(3) => row.text(0).map(|_| ()),
            _ => Ok(()),
        });
        assert_eq!(result.expect_err("no text").sqlstate().as_str(), "42804");
        assert_eq!(one("SELECT nextval('made')::text"), Some("4".to_owned()));
    }

    #[pg_test(error = "\"count\" must not be negative, not -1")]
    fn a_negative_count_is_refused() {
        Spi::run("SELECT autobuild_schedule_next('0 9 * * *', now(), -1)").unwrap();
    }

    #[pg_test(error = "\"after\" must be a finite time, not -infinity")]
    fn an_infinite_time_is_refused() {
        Spi::run("SELECT autobuild_schedule_next('0 9 * * *', '-infinity')").unwrap();
    }

    #[pg_test]
    fn every_setting_that_a_session_can_have_for_itself_is_listed() {
        let mut listed = crate::settings::OF_A_SESSION.map(|name| Some(name.to_owned()));
        listed.sort();
        let there = column(
            "SELECT name FROM pg_settings WHERE name LIKE 'workspace\\_autobuild.%'
                AND context <> 'sighup' ORDER BY name COLLATE \"C\"",
        );
        assert_eq!(there, listed);
    }

    #[pg_test]
    fn a_check_never_raises() {
        for (schedule, valid) in [
            ("'CRON_TZ=Europe/Berlin 30 9 * * 1-5'", Some("true")),
            ("'CRON_TZ=europe/berlin 30 9 * * 1-5'", Some("false")),
            ("repeat('x', 100000)", Some("false")),
            ("''", Some("false")),
            ("NULL", None),
        ] {
            let sql = format!("SELECT valid::text FROM autobuild_schedule_check({schedule})");
            assert_eq!(one(&sql).as_deref(), valid, "{schedule}");
        }
    }

    /// Random instants in every zone of the server's list, each with the offset that
    /// `AT TIME ZONE` gives. An abbreviation there (`MET`) means a fixed offset.
    const OFFSETS: &str = "
        SELECT name, s, extract(epoch FROM (to_timestamp(s) AT TIME ZONE name)
                                           - (to_timestamp(s) AT TIME ZONE 'UTC'))::bigint
          FROM pg_timezone_names,
               LATERAL (SELECT (random() * 4500000000)::bigint - 2300000000 AS s
                          FROM generate_series(1, 20), (SELECT name) AS anew) AS instants
         WHERE NOT EXISTS (SELECT FROM pg_timezone_abbrevs WHERE abbrev = name)";

    #[pg_test]
    fn zones_have_the_offsets_of_at_time_zone() {
        let zones = ServerZones;
        let (mut compared, mut names) = (0, std::collections::HashSet::new());
        Spi::connect(|client| {
            for row in client.select(OFFSETS, None, &[]).unwrap() {
                let name: String = row.get(1).unwrap().unwrap();
                let at: i64 = row.get(2).unwrap().unwrap();
                let offset: i64 = row.get(3).unwrap().unwrap();
                let Some(zone) = zones.zone(&name) else {
                    continue;
                };
                let span = zone.span_at(at);
                assert_eq!(i64::from(span.offset), offset, "{name} at {at}");
                if let Some(until) = span.until {
                    assert!(until > at, "{name} at {at} until {until}");
                    let last = zone.span_at(until - 1);
                    assert_eq!(last.offset, span.offset, "{name} at {at} until {until}");
                }
                compared += 1;
                names.insert(name);
            }
        });
        assert!(
            compared > 8_000 && names.len() > 400,
            "{compared} in {}",
            names.len()
        );
    }

    /// The least that the extension asks of the product's schema, as it says itself.
    fn tiny_product() {
        let mut sql = String::from("CREATE SCHEMA tiny;");
        for table in required_tables() {
            let columns: Vec<String> = COLUMNS
                .iter()
                .filter(|column| column.required && column.table == table)
                .map(|column| {
                    let kind = match column.kind {
                        Kind::Uuid => "uuid",
                        Kind::Uuids => "uuid[]",
                        Kind::Bool => "boolean DEFAULT true",
                        Kind::Integer => "bigint",
                        Kind::Text | Kind::Enum => "text DEFAULT ''",
                        Kind::Time => "timestamptz",
                        Kind::Json => "jsonb",
                        Kind::Bytes => "bytea",
                    };
                    format!("{} {kind}", column.name)
                })
                .collect();
            sql += &format!("CREATE TABLE tiny.{table} ({});", columns.join(", "));
        }
        sql += "
            INSERT INTO tiny.users (id, status) VALUES (md5('u')::uuid, 'active');
            INSERT INTO tiny.templates (id, organization_id) VALUES (md5('t')::uuid, md5('o')::uuid);
            INSERT INTO tiny.workspaces (id, owner_id, organization_id, template_id, deleted,
                                         autostart_schedule, last_used_at)
            VALUES (md5('w')::uuid, md5('u')::uuid, md5('o')::uuid, md5('t')::uuid, false,
                    'CRON_TZ=UTC 0 9 * * *', '2024-01-01');
            INSERT INTO tiny.provisioner_jobs (id, completed_at, error)
            VALUES (md5('j')::uuid, '2024-03-04 18:00:00+00', NULL);
            INSERT INTO tiny.workspace_builds (id, workspace_id, job_id, build_number, transition,
                                               created_at, deadline)
            VALUES (md5('b')::uuid, md5('w')::uuid, md5('j')::uuid, 1, 'stop',
                    '2024-03-04 18:00:00+00', '0001-01-01 00:00:00+00')";
        Spi::run(&sql).unwrap();
        // The setting is there once the library is loaded.
        Spi::run("SELECT autobuild_schedule_check('')").unwrap();
        Spi::run("SET LOCAL workspace_autobuild.product_schema = 'tiny'").unwrap();
    }

    const NEXT: &str = "SELECT concat_ws(' ', transition, reason, next_transition_at AT TIME ZONE 'UTC', due, skip_reason)
                          FROM autobuild_next_transition(md5('w')::uuid, ";

    #[pg_test]
    fn the_next_transition_follows_the_rows_as_they_stand() {
        tiny_product();
        let next = |at: &str| one(&format!("{NEXT} '{at}')")).unwrap();
        let start = "start autostart 2024-03-05 09:00:00";
        assert_eq!(next("2024-03-05 08:59:59+00"), format!("{start} f"));
        // Due, and the version to be built is not there.
        assert_eq!(
            next("2024-03-05 09:00:59+00"),
            format!("{start} t version_missing")
        );
        Spi::run(
            "UPDATE tiny.workspace_builds SET transition = 'start', deadline = '2024-03-05 10:00:00+00'",
        )
        .unwrap();
        assert_eq!(
            next("2024-03-05 09:00:00+00"),
            "stop autostop 2024-03-05 10:00:00 f"
        );
        Spi::run("UPDATE tiny.workspaces SET deleted = true").unwrap();
        assert_eq!(next("2024-03-05 10:00:00+00"), "f deleted");
    }

    #[pg_test(error = "workspace 00000000-0000-0000-0000-000000000000 does not exist")]
    fn an_unknown_workspace_is_an_error() {
        tiny_product();
        Spi::run("SELECT autobuild_next_transition('00000000-0000-0000-0000-000000000000')")
            .unwrap();
    }
}
