//! What previews read: only that which is asked for.

use workspace_autobuild_tests::product::{Fields, Value, texts};
use workspace_autobuild_tests::{Product, Transition, Version};

use super::support::*;

/// The rows of a query, and how many rows of these tables were read for it.
#[track_caller]
fn reading(product: &Product, tables: &str, sql: &str) -> (Vec<Texts>, i64) {
    // A session of its own, which has read nothing else.
    let mut session = product.superuser();
    execute(&mut session, "BEGIN");
    let rows = texts(&mut session, sql);
    let read = format!(
        "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))
           FROM pg_stat_xact_user_tables WHERE relname IN ({tables})"
    );
    let read = value(&mut session, &read).and_then(|n| n.parse().ok());
    (rows, read.expect("a number"))
}

const ALL: &str = "'workspaces', 'workspace_builds', 'provisioner_jobs'";
const LOOKED_UP: &str = "'workspace_builds', 'provisioner_jobs'";

#[test]
fn previews_read_only_what_is_within_the_horizon() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    template
        .workspaces(10_000, Transition::Start)
        .deadline(Value::sql("now() + i * interval '1 hour'"))
        .create();
    let mut root = product.superuser();
    attach(&mut root);
    execute(&mut root, "ANALYZE");
    let day = "SELECT * FROM autobuild_upcoming('24 hours')";
    let (rows, read) = reading(&product, ALL, day);
    assert_eq!(rows.len(), 24);
    assert!(read < 200, "{read} rows were read for 24");
    assert_eq!(rows, by_scan(&mut root, day));
    let preview = "SELECT * FROM autobuild_preview(now() + interval '10 h 5 min')";
    let (rows, read) = reading(&product, ALL, preview);
    assert_eq!(rows.len(), 10);
    assert!(read < 200, "{read} rows were read for 10");
    // A mark that no tick has taken yet counts as well.
    product.execute(
        "UPDATE workspace_builds SET deadline = now() + interval '1 h'
          WHERE deadline > now() + interval '9999 h'",
    );
    let (rows, _) = reading(&product, ALL, day);
    assert_eq!(rows.len(), 25);
}

#[test]
fn of_an_owner_a_workspace_or_a_template_only_theirs_is_read() {
    let product = install(Version::NEWEST);
    let many = product.template("many").create();
    // Each with a schedule of its own.
    many.workspaces(2_000, Transition::Stop)
        .schedule(Value::sql("(i % 60) || ' ' || (i / 60 % 24) || ' * * *'"))
        .created_at(Value::sql("now()"))
        .set("next_start_at", Value::sql("now()"))
        .create();
    let few = product.template("few").create();
    let anna = product.user("anna").create();
    for name in ["one", "two"] {
        let workspace = few.workspace(name).owner(anna);
        workspace.create_started(Value::sql("now()"), Value::sql("now() + interval '1 hour'"));
    }
    let one = product
        .value("SELECT id FROM workspaces WHERE name = 'one'")
        .expect("an id");
    let mut root = product.superuser();
    execute(&mut root, "ANALYZE");
    let upcoming = |of: String| format!("SELECT * FROM autobuild_upcoming('2 days', {of})");
    let asked = |tables: &str, wanted: usize, of: String| {
        let sql = upcoming(of);
        let (rows, read) = reading(&product, tables, &sql);
        assert_eq!(rows.len(), wanted, "{sql}");
        assert!(read < 60, "{read} rows were read for {sql}");
    };
    for attaches in [false, true] {
        if attaches {
            attach(&mut root);
            let all = upcoming("max_rows => NULL".to_owned());
            assert_eq!(texts(&mut root, &all).len(), 2_002);
            let of = format!("max_rows => 50, template_id => '{}'", few.id);
            asked(LOOKED_UP, 2, of);
            asked(LOOKED_UP, 2, format!("template_id => '{}'", few.id));
        }
        asked(ALL, 2, format!("owner_id => '{}'", anna.id));
        asked(ALL, 1, format!("workspace_id => '{one}'"));
    }
}
