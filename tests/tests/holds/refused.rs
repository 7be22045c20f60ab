//! What is refused, and to whom.

use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::autobuild::{counted, install, on_each_version, refusal, refused};

const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";

#[test]
fn what_makes_no_hold_is_refused_with_what_to_do() {
    let product = install(Version::NEWEST);
    let mut session = product.superuser();
    let day = "NULL, '2024-02-01', '2024-02-02'";
    let by = |rule: &str| format!("'all', {day}, recurrence => '{rule}'");
    for (arguments, sqlstate, seen) in [
        ("'everybody'".to_owned(), "22023", "everybody"),
        ("NULL".to_owned(), "22023", "scope"),
        (format!("'all', '{NOBODY}'"), "22023", "all"),
        ("'owner'".to_owned(), "22023", "scope_id"),
        (format!("'owner', '{NOBODY}'"), "P0002", NOBODY),
        (format!("'workspace', '{NOBODY}'"), "P0002", NOBODY),
        (format!("'template', '{NOBODY}'"), "P0002", NOBODY),
        (format!("'organization', '{NOBODY}'"), "P0002", NOBODY),
        (
            format!("'all', {day}, ARRAY[]::text[]"),
            "22023",
            "transitions",
        ),
        (format!("'all', {day}, ARRAY['remind']"), "22023", "remind"),
        (
            format!("'all', {day}, ARRAY['start', NULL]"),
            "22023",
            "transitions",
        ),
        (
            "'all', NULL, '2024-02-01', '2024-02-01'".to_owned(),
            "22023",
            "ends_at",
        ),
        (
            "'all', NULL, '2024-02-02', '2024-02-01'".to_owned(),
            "22023",
            "ends_at",
        ),
        ("'all', NULL, '-infinity'".to_owned(), "22023", "starts_at"),
        (
            "'all', NULL, now(), 'infinity'".to_owned(),
            "22023",
            "ends_at",
        ),
        (
            "'all', recurrence => 'FREQ=DAILY'".to_owned(),
            "22023",
            "ends_at",
        ),
        (by("FREQ=SOMETIMES"), "22023", "SOMETIMES"),
        (by("FREQ=SECONDLY"), "22023", "SECONDLY"),
        (by("TZID=Mars/Olympus;FREQ=DAILY"), "22023", "Mars/Olympus"),
        // From now on is from this minute's tick on, and still an end has to come.
        ("'all', ends_at => now()".to_owned(), "22023", "ends_at"),
        (
            "'all', NULL, now(), now() - interval '1 microsecond'".to_owned(),
            "22023",
            "ends_at",
        ),
        (
            "'all', reason => repeat('x', 1001)".to_owned(),
            "22023",
            "reason is longer than 1000 bytes",
        ),
        (
            by("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
            "22023",
            "100 years",
        ),
    ] {
        let sql = format!("SELECT autobuild_hold({arguments})");
        refused(&mut session, &sql, sqlstate, seen);
    }
    counted(&mut session, "SELECT FROM autobuild_holds_made", "0");
}

#[test]
fn a_calendar_is_taken_whole_or_refused_with_its_line() {
    let product = install(Version::NEWEST);
    let mut session = product.superuser();
    let event = "BEGIN:VEVENT\nDTSTART;VALUE=DATE:20240501\nEND:VEVENT";
    let ics = format!(
        "BEGIN:VCALENDAR\n{event}\nBEGIN:VEVENT\nDTSTART:yesterday\nEND:VEVENT\nEND:VCALENDAR"
    );
    let sql = format!("SELECT autobuild_hold_calendar('{ics}', 'all')");
    refused(&mut session, &sql, "22023", "line 6");
    let ics = format!("BEGIN:VCALENDAR\n{event}\nEND:VCALENDAR");
    for (arguments, sqlstate, seen) in [
        (
            "'all', zone => 'Mars/Olympus'".to_owned(),
            "22023",
            "Mars/Olympus",
        ),
        ("'everybody'".to_owned(), "22023", "everybody"),
        (format!("'owner', '{NOBODY}'"), "P0002", NOBODY),
        (
            "'all', reason => repeat('x', 1001)".to_owned(),
            "22023",
            "reason",
        ),
    ] {
        let sql = format!("SELECT autobuild_hold_calendar('{ics}', {arguments})");
        refused(&mut session, &sql, sqlstate, seen);
    }
    refused(
        &mut session,
        "SELECT autobuild_hold_calendar('', 'all')",
        "22023",
        "ics",
    );
    counted(&mut session, "SELECT FROM autobuild_holds_made", "0");
}

#[test]
fn an_id_is_known_by_the_products_tables_of_every_version_or_refused() {
    on_each_version(|product, _| {
        // Without any workspace.
        let template = product.template("docker").create();
        let mut session = product.superuser();
        let known = [
            ("template", template.id),
            ("organization", product.organization().id),
        ];
        for (scope, id) in known {
            let sql = format!("SELECT autobuild_hold('{scope}', '{id}')");
            session.batch_execute(&sql).expect(scope);
        }
        for scope in ["organization", "template", "owner", "workspace"] {
            let sql = format!("SELECT autobuild_hold('{scope}', '{NOBODY}')");
            let seen = format!("{scope} {NOBODY} does not exist");
            refused(&mut session, &sql, "P0002", &seen);
        }
        counted(&mut session, "SELECT FROM autobuild_holds_made", "2");
    });
}

#[test]
fn more_holds_than_a_tick_can_read_are_refused_with_how_to_make_room() {
    let product = install(Version::NEWEST);
    let mut session = product.superuser();
    session
        .batch_execute(
            "INSERT INTO autobuild_holds_made (scope, starts_at, ends_at, created_at, released_at)
             SELECT 'all', now(), now() + interval '1 day', now(), CASE WHEN n <= 3 THEN now() END
               FROM generate_series(1, 19999) n",
        )
        .expect("holds");
    let calendar = "SELECT autobuild_hold_calendar(E'BEGIN:VCALENDAR\n\
         BEGIN:VEVENT\nDTSTART;VALUE=DATE:20240501\nEND:VEVENT\n\
         BEGIN:VEVENT\nDTSTART;VALUE=DATE:20240502\nEND:VEVENT\nEND:VCALENDAR', 'all')";
    refused(
        &mut session,
        calendar,
        "54000",
        "3 of all holds are released",
    );
    session
        .batch_execute("SELECT autobuild_hold('all')")
        .expect("the last one");
    refused(
        &mut session,
        "SELECT autobuild_hold('all')",
        "54000",
        "20000",
    );
}

#[test]
fn everybody_reads_holds_and_only_who_is_granted_it_makes_or_releases_them() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    product
        .superuser()
        .batch_execute(
            "DO $$ BEGIN
             IF to_regrole('onlooker') IS NULL THEN CREATE ROLE onlooker LOGIN; END IF;
             IF to_regrole('planner') IS NULL THEN CREATE ROLE planner LOGIN; END IF;
         END $$;
         GRANT EXECUTE ON FUNCTION autobuild_hold, autobuild_release TO planner",
        )
        .expect("roles");
    // Without any right on the product's tables or ours.
    let mut planner = product.address().connect(product.database(), "planner");
    let made = planner
        .query_one(
            "SELECT autobuild_hold('template', $1::text::uuid)",
            &[&template.id.to_string()],
        )
        .expect("a hold");
    let number: i64 = made.get(0);
    let mut onlooker = product.address().connect(product.database(), "onlooker");
    counted(
        &mut onlooker,
        "SELECT FROM autobuild_holds WHERE holds_now AND created_by = 'planner'",
        "1",
    );
    for sql in [
        "SELECT autobuild_hold('all')".to_owned(),
        "SELECT autobuild_hold_calendar('', 'all')".to_owned(),
        format!("SELECT autobuild_release({number})"),
        "DELETE FROM autobuild_holds_made".to_owned(),
        "UPDATE autobuild_holds_made SET ends_at = now()".to_owned(),
        "SELECT nextval('autobuild_holds_made_hold_id_seq')".to_owned(),
    ] {
        assert_eq!(refusal(&mut onlooker, &sql).sqlstate, "42501", "{sql}");
    }
    let released = planner.query_one("SELECT autobuild_release($1)", &[&number]);
    assert!(released.expect("released").get::<_, bool>(0));
    counted(&mut onlooker, "SELECT FROM autobuild_holds", "0");
}
