//! `autobuild_report` on real servers: parsed strictly, whoever asks.

#![allow(clippy::indexing_slicing)]

use postgres::Client;
use scraper::{Html, Selector};
use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::autobuild::{HOURLY, STOPPED, install, on_each_version, refused};
use workspace_autobuild_tests::product::{Template, value};

const NOON: &str = "2024-02-01 12:00:00+00";

/// What somebody calls a workspace who wants to see something else on the page.
const HOSTILE: &str = "</td><script>alert('x')</script>&amp;";

/// The page, parsed; nothing in it may be wrong.
#[track_caller]
fn page(session: &mut Client, at: &str) -> Html {
    let page = value(session, &format!("SELECT autobuild_report('{at}')"));
    let html = Html::parse_document(&page.expect("a page"));
    assert!(html.errors.is_empty(), "{:?}", html.errors);
    html
}

fn texts(html: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).expect("a selector");
    let found = html.select(&selector);
    found.map(|element| element.text().collect()).collect()
}

/// The section under a heading that begins so.
#[track_caller]
fn section(html: &Html, heading: &str) -> String {
    let all = texts(html, "section");
    let found = all.into_iter().find(|text| text.starts_with(heading));
    found.unwrap_or_else(|| panic!("no section {heading}"))
}

/// Two that come at one, one that is overdue, and one that is blocked.
fn scene(template: &Template<'_>) {
    for name in ["one", HOSTILE] {
        template
            .workspace(name)
            .schedule(HOURLY)
            .create_stopped("2024-02-01 12:00:00+00");
    }
    template
        .workspace("overdue")
        .create_started(STOPPED, "2024-02-01 11:30:00+00");
}

#[test]
fn the_page_counts_what_comes_as_upcoming_lists_it_and_shows_names_as_they_are() {
    on_each_version(|product, operator| {
        scene(&product.template("docker").create());
        let html = page(&mut operator.session(), NOON);
        assert!(
            texts(&html, ".left-out").is_empty(),
            "{:?}",
            texts(&html, ".left-out")
        );
        let state = section(&html, "State");
        assert!(state.contains("actionbuildticks byscan"), "{state}");
        let coming = section(&html, "The next 24 hours");
        let legend = texts(&html, "section:nth-of-type(2) .legend li");
        let legend: Vec<&str> = legend.iter().map(|text| text.trim()).collect();
        assert_eq!(legend[..2], ["starts: 2", "stops: 1"], "{coming}");
        let said = texts(&html, "section:nth-of-type(2) g title");
        assert_eq!(said[0], "12:00: stops 1");
        assert_eq!(said[1], "13:00: starts 2");
        assert!(
            said[2..].iter().all(|hour| hour.ends_with("nothing")),
            "{said:?}"
        );
        let cells = texts(&html, "section:nth-of-type(2) td");
        assert_eq!(cells[..5], ["due", "stop", "overdue", "admin", "docker"]);
        assert!(cells.iter().any(|cell| cell == HOSTILE), "{cells:?}");
        assert!(texts(&html, "script").is_empty());
    });
}

#[test]
fn who_may_read_all_sees_every_section_and_the_state_as_autobuild_status_has_it() {
    on_each_version(|product, operator| {
        scene(&product.template("docker").create());
        operator.tick(NOON);
        let mut session = product.superuser();
        let html = page(&mut session, NOON);
        assert_eq!(texts(&html, ".left-out"), [""; 0], "{}", product.version());
        let state = section(&html, "State");
        let mut shown = |column: &str| {
            let sql = format!("SELECT {column} FROM autobuild_status");
            value(&mut session, &sql).expect("a value")
        };
        assert!(state.contains(&shown("problem")), "{state}");
        for (name, column) in [
            ("state", "worker_state"),
            ("action", "action"),
            ("due then", "last_tick_due::text"),
            ("built then", "last_tick_built::text"),
        ] {
            let said = format!("{name}{}", shown(column));
            assert!(state.contains(&said), "{said}: {state}");
        }
    });
}

#[test]
fn the_page_says_who_is_blocked_what_is_held_and_what_ticks_cost() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("unlucky");
    workspace.create_started(STOPPED, "2024-02-01 11:30:00+00");
    // The version's parameters need a value that the build does not have.
    product.execute("UPDATE template_versions SET job_id = gen_random_uuid()");
    let operator = product.operator();
    operator.execute(
        "SELECT autobuild_hold('owner', (SELECT id FROM users LIMIT 1), '2024-02-01 11:00+00',
                               reason => 'on <holiday>')",
    );
    let html = page(&mut operator.session(), NOON);
    let holds = section(&html, "Holds");
    assert!(
        holds.contains("on <holiday>") && holds.contains("owner"),
        "{holds}"
    );
    assert!(section(&html, "Due and not built").contains("Nobody waits"));
    assert!(section(&html, "What ticks cost").contains("No tick had anything to do"));
    operator.execute("SELECT autobuild_release(hold_id) FROM autobuild_holds");
    let attempts = operator.tick(NOON);
    assert_eq!(attempts[0].outcome, "blocked", "{attempts:?}");
    // Ticks are asked for by the clock.
    let html = page(&mut operator.session(), "now");
    let blocked = section(&html, "Due and not built");
    let code = attempts[0].code.clone().expect("a code");
    assert!(
        blocked.contains(&code) && blocked.contains("unlucky"),
        "{blocked}"
    );
    assert!(section(&html, "Holds").contains("Nothing is held"));
    let cost = section(&html, "What ticks cost");
    assert!(
        cost.contains("Ticks that had something to do: 1. Transitions that they made: 0."),
        "{cost}"
    );
    let bars = texts(&html, "section:last-of-type rect");
    assert_eq!(bars.len(), 2, "the median before the longest");
}

#[test]
fn a_section_that_needs_more_rights_is_left_out_and_says_so_and_the_others_stay() {
    let product = install(Version::NEWEST);
    scene(&product.template("docker").create());
    let operator = product.operator();
    operator.execute("CREATE ROLE visitor; CREATE ROLE watcher IN ROLE pg_monitor");
    for (role, left_out) in [
        (
            "visitor",
            vec![
                "The next 24 hours",
                "Due and not built",
                "Agreement",
                "What ticks cost",
            ],
        ),
        ("watcher", vec!["The next 24 hours", "Agreement"]),
    ] {
        operator.execute(&format!("SET ROLE {role}"));
        let html = page(&mut operator.session(), NOON);
        for heading in [
            "State",
            "The next 24 hours",
            "Due and not built",
            "Holds",
            "Agreement",
            "What ticks cost",
        ] {
            let said = section(&html, heading);
            let is_left_out = said.contains("Left out: it needs more rights than yours");
            assert_eq!(is_left_out, said.contains("Left out"), "{role}: {said}");
            assert_eq!(is_left_out, left_out.contains(&heading), "{role}: {said}");
        }
        operator.execute("RESET ROLE");
    }
}

#[test]
fn a_page_without_the_products_tables_says_what_is_missing() {
    let product = install(Version::NEWEST);
    let operator = product.operator();
    operator.set("product_schema", "nowhere");
    let html = page(&mut operator.session(), NOON);
    let coming = section(&html, "The next 24 hours");
    assert!(
        coming.contains("Left out:") && coming.contains("nowhere"),
        "{coming}"
    );
    assert!(section(&html, "Holds").contains("Nothing is held"));
}

#[test]
fn a_time_without_end_is_refused() {
    let product = install(Version::NEWEST);
    let mut session = product.superuser();
    refused(
        &mut session,
        "SELECT autobuild_report('infinity')",
        "22023",
        "finite",
    );
}
