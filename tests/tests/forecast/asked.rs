//! What may be asked, by whom, and how the answer is cut into buckets.

use workspace_autobuild_tests::autobuild::{install, on_each_version, refused};
use workspace_autobuild_tests::product::{HOUR, Value, texts};
use workspace_autobuild_tests::{Transition, Version};

use super::scene::try_forecast;

const SINCE: &str = "2024-01-01 00:00+00";

#[test]
fn a_day_is_foreseen_on_every_version() {
    on_each_version(|product, operator| {
        let template = product.template("docker").create();
        let workspace = template
            .workspace("dev")
            .schedule("30 9 * * *")
            .ttl(8 * HOUR);
        workspace.create_stopped("2023-12-31 22:00+00");
        template
            .workspace("other")
            .create_started("2023-12-31 22:00+00", "2024-01-01 03:00:01+00");
        let rows = operator.rows(&format!(
            "SELECT extract(hour FROM bucket_start AT TIME ZONE 'UTC'), group_id, starts, stops,
                    deletes, dormant, running_most
               FROM autobuild_forecast('{SINCE}', '2024-01-02 00:00+00', '6 hours')"
        ));
        let rows: Vec<String> = rows
            .into_iter()
            .map(|row| {
                row.iter()
                    .map(|value| value.as_deref().unwrap_or("-"))
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        let expected = [
            "0 - 0 1 0 0 1",
            "6 - 1 0 0 0 1",
            "12 - 0 1 0 0 1",
            "18 - 0 0 0 0 0",
        ];
        assert_eq!(rows, expected, "{}", product.version());
    });
}

#[test]
fn what_is_before_since_is_played_from_now_on() {
    let product = install(Version::V2026_06);
    let template = product.template("docker").create();
    let stopped = template.workspace("dev").schedule("* * * * *").ttl(HOUR);
    stopped.create_stopped(Value::sql("now() - interval '1 minute'"));
    let operator = product.operator();
    // Started at once, it is stopped and started again each hour.
    let rows = operator.rows(
        "SELECT sum(starts) BETWEEN 23 AND 25, sum(stops) BETWEEN 23 AND 25, max(running_most)
           FROM autobuild_forecast(now() + interval '10 days', now() + interval '11 days')",
    );
    assert_eq!(
        rows,
        [[
            Some("t".to_owned()),
            Some("t".to_owned()),
            Some("1".to_owned())
        ]]
    );
}

#[test]
fn what_cannot_be_foreseen_is_refused() {
    let product = install(Version::V2026_06);
    let template = product.template("docker").create();
    template.workspaces(3, Transition::Stop).create();
    let session = &mut product.superuser();
    let mut is_refused = |args: &str, seen: &str| {
        let sql = format!("SELECT * FROM autobuild_forecast({args})");
        refused(session, &sql, "22023", seen);
    };
    let day = "'2024-01-01', '2024-01-02'";
    is_refused(
        &format!("{day}, '0'"),
        "\"bucket\" must be longer than nothing",
    );
    is_refused(
        &format!("{day}, '-1 hour'"),
        "\"bucket\" must be longer than nothing",
    );
    is_refused(
        &format!("{day}, '1 day -24 hours'"),
        "\"bucket\" must be longer than nothing",
    );
    is_refused(
        &format!("{day}, '1 month'"),
        "\"bucket\" must not have months",
    );
    is_refused(
        &format!("{day}, by => 'owner'"),
        "\"by\" must not be \"owner\"",
    );
    is_refused(
        "'-infinity', '2024-01-02'",
        "\"since\" must be a finite time",
    );
    is_refused(
        "'2024-01-01', 'infinity'",
        "\"until\" must be a finite time",
    );
    is_refused("'2024-01-02', '2024-01-01'", "is before \"since\"");
    is_refused("'2024-01-01', '2034-01-02'", "too far ahead");
    is_refused("'294276-12-31', '294276-12-31 12:00'", "too far ahead");
    is_refused("'2024-01-01', '2025-01-01', '1 second'", "31622400 rows");
    is_refused(
        "'2024-01-01', '2025-01-01', '1 microsecond', 'template'",
        "more than 1000000",
    );
}

#[test]
fn it_ends_where_it_begins_or_has_a_row_for_each_bucket() {
    let product = install(Version::V2026_06);
    let session = &mut product.superuser();
    for (args, rows) in [
        ("'2024-01-01', '2024-01-01'", "0"),
        ("'2024-01-01', '2024-01-02'", "24"),
        ("'2024-01-01', '2024-01-02 00:00:00.000001'", "25"),
        ("'2024-01-01', '2024-01-02', '40000 days'", "1"),
        ("'2024-01-01', '2024-01-02', by => 'template'", "0"),
        ("NULL, '2024-01-02'", "0"),
    ] {
        let sql = format!("SELECT count(*) FROM autobuild_forecast({args})");
        assert_eq!(texts(session, &sql), [[Some(rows.to_owned())]], "{args}");
    }
}

#[test]
fn whoever_may_not_read_is_told_so() {
    let product = install(Version::V2026_06);
    let session = &mut product.superuser();
    let template = product.template("docker").create();
    template.workspaces(3, Transition::Stop).create();
    assert_eq!(try_forecast(session).expect("a forecast"), 2);
    let role = format!("reader_{}", product.database().replace('-', "_"));
    session
        .batch_execute(&format!(
            "CREATE ROLE {role}; GRANT USAGE ON SCHEMA public TO {role}; SET ROLE {role}"
        ))
        .expect("a role");
    let error = try_forecast(session).expect_err("no right");
    assert_eq!(error.code().map(|code| code.code()), Some("42501"));
    session
        .batch_execute(&format!(
            "RESET ROLE; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; SET ROLE {role}"
        ))
        .expect("rights");
    assert_eq!(try_forecast(session).expect("a forecast"), 2);
    session
        .batch_execute(&format!(
            "RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}"
        ))
        .expect("as before");
}
