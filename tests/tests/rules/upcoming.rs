//! `autobuild_upcoming` of some workspaces, and the first so many rows: always a part of what
//! it has of all.

use workspace_autobuild_tests::autobuild::{HOURLY, NINE, on_versions, refusal};
use workspace_autobuild_tests::product::{Fields, MINUTE};
use workspace_autobuild_tests::{Operator, Product, Transition, Version};

use super::support::THEN;

type Rows = Vec<Vec<Option<String>>>;

/// Two templates of two owners, with workspaces that are due and such that come later.
fn populate(product: &Product) {
    for (place, name) in ["docker", "aws"].into_iter().enumerate() {
        let template = product
            .template(name)
            .set_if_there("time_til_dormant", 3 * 24 * 60 * MINUTE)
            .create();
        for (owner, nights) in [("anna", 1), ("ben", 2)] {
            let owner = product.user(&format!("{owner}{place}")).create();
            let at = format!("2024-02-{:02} 10:00:30+00", 2 - nights + 1);
            for (schedule, name) in [(NINE, "nine"), (HOURLY, "hourly")] {
                let workspace = template
                    .workspace(name)
                    .owner_id(owner.id)
                    .schedule(schedule);
                let workspace = workspace.set("last_used_at", THEN).create();
                workspace
                    .build(Transition::Stop)
                    .created_at(at.as_str())
                    .create();
            }
            let running = template.workspace("runs").owner_id(owner.id);
            running.create_started(THEN, format!("2024-02-0{} 12:00:00+00", nights + 1));
        }
    }
}

fn upcoming(operator: &Operator<'_>, arguments: &str) -> Rows {
    operator.rows(&format!("SELECT * FROM autobuild_upcoming({arguments})"))
}

const HORIZONS: [&str; 5] = ["0", "1 hour", "20 hours", "3 days", "500 days"];
const AT: &str = "'2024-02-02 08:30:00+00'";

#[test]
fn the_most_rows_that_are_wanted_are_the_first_of_all() {
    on_versions(&Version::ALL, |product, operator| {
        populate(product);
        for horizon in HORIZONS {
            let all = upcoming(operator, &format!("'{horizon}', {AT}"));
            for most in [0, 1, 3, 7, 1000] {
                let first = upcoming(operator, &format!("'{horizon}', {AT}, {most}"));
                let wanted: Rows = all.iter().take(most).cloned().collect();
                assert_eq!(first, wanted, "{} {horizon} {most}", product.version());
            }
        }
        assert!(upcoming(operator, &format!("'3 days', {AT}")).len() > 8);
    });
}

#[test]
fn what_is_asked_of_some_is_what_all_have_of_these() {
    on_versions(&Version::ALL, |product, operator| {
        populate(product);
        let ids = |sql: &str| -> Vec<String> {
            product.rows(sql).into_iter().flatten().flatten().collect()
        };
        let all = |condition: &str, horizon: &str| -> Rows {
            operator.rows(&format!(
                "SELECT u.* FROM autobuild_upcoming('{horizon}', {AT}) u
                   JOIN workspaces w ON w.id = u.workspace_id WHERE {condition}"
            ))
        };
        let mut some = 0;
        for horizon in HORIZONS {
            for (argument, column, of) in [
                ("workspace_id", "id", "workspaces"),
                ("template_id", "template_id", "templates"),
                ("owner_id", "owner_id", "users"),
            ] {
                for id in ids(&format!("SELECT id FROM {of} ORDER BY id")) {
                    let found = upcoming(
                        operator,
                        &format!("'{horizon}', {AT}, {argument} => '{id}'"),
                    );
                    let mut wanted = all(&format!("w.{column} = '{id}'"), horizon);
                    some += found.len();
                    let mut sorted = found.clone();
                    for rows in [&mut wanted, &mut sorted] {
                        rows.sort();
                    }
                    assert_eq!(sorted, wanted, "{} {argument}", product.version());
                }
            }
        }
        assert!(some > 60, "{some}");
        // All of the arguments hold together.
        let nobody = "SELECT u.id FROM users u WHERE u.username = 'admin'";
        let owner = ids(nobody).remove(0);
        let template = ids("SELECT id FROM templates LIMIT 1").remove(0);
        let both = format!("'3 days', {AT}, owner_id => '{owner}', template_id => '{template}'");
        assert_eq!(upcoming(operator, &both), Rows::new());
    });
}

#[test]
fn what_makes_no_sense_is_refused_and_what_is_null_has_no_row() {
    on_versions(&[Version::NEWEST], |product, operator| {
        populate(product);
        for arguments in ["NULL", "NULL, now()", "'1 hour', NULL"] {
            assert_eq!(upcoming(operator, arguments), Rows::new(), "{arguments}");
        }
        for (arguments, seen) in [
            ("'1 hour', now(), -1", "\"max_rows\" is -1"),
            ("'-1 hour'", "\"horizon\" must not be negative"),
            ("'1 hour', 'infinity'", "\"at\""),
        ] {
            let sql = format!("SELECT * FROM autobuild_upcoming({arguments})");
            let refusal = refusal(&mut operator.session(), &sql);
            assert_eq!(refusal.sqlstate, "22023", "{arguments}");
            assert!(refusal.message.contains(seen), "{refusal:?}");
            assert!(!refusal.hint.is_empty(), "{refusal:?}");
        }
    });
}
