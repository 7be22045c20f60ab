//! A standby waits; after its promotion ticks begin by themselves.

use workspace_autobuild_tests::autobuild::refusal;
use workspace_autobuild_tests::product::{Value, texts};
use workspace_autobuild_tests::server::standby::Standby;
use workspace_autobuild_tests::{Product, Transition, Version, await_until, invariants};

use super::support::*;

#[test]
fn a_standby_waits_and_ticks_after_its_promotion() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    await_tick(&mut product.superuser(), "done");
    let standby = Standby::of(&server);
    let mut client = standby.address().connect(product.database(), "postgres");
    assert_status(&mut client, "worker_state", "standby");
    assert_eq!(status(&mut client, "problem"), None);
    assert_eq!(status(&mut client, "next_tick_at"), None);
    assert_eq!(
        value(&mut client, "SELECT autobuild_wake()").as_deref(),
        Some("f")
    );
    let ours =
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'workspace-autobuild%'";
    assert_eq!(value(&mut client, ours).as_deref(), Some("0"));
    for writes in [
        "SELECT autobuild_pause()",
        "SELECT autobuild_resume()",
        "SELECT autobuild_attach()",
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT autobuild_tick()",
    ] {
        let refusal = refusal(&mut client, writes);
        assert_eq!(refusal.sqlstate, "25006", "{writes}: {refusal:?}");
        texts(&mut client, "ROLLBACK");
    }
    texts(&mut client, "SELECT pg_promote()");
    await_until("ticks after the promotion", SOON, || {
        ticks(&mut client, "done") >= 2
    });
    await_status(&mut client, "worker_state", "idle");
}

/// A copy of production for a test, or for a look at an older state of it: it builds nothing
/// where that was said before its first start, whatever production's configuration said.
#[test]
fn a_physical_copy_stays_still_if_that_was_said_before_its_first_start() {
    let server = ticking().start();
    server.set("workspace_autobuild.databases", "*");
    let mut product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    texts(&mut client, "SELECT autobuild_pause('it falls due')");
    overdue(&product, 1);
    let copy = Standby::of(&server);
    copy.stop();
    let own = copy.data().join("postgresql.auto.conf");
    let of_production = std::fs::read_to_string(&own).expect("its configuration");
    std::fs::write(&own, of_production + "workspace_autobuild.databases = ''\n").expect("a line");
    copy.start();
    let mut restored = copy.address().connect(product.database(), "postgres");
    texts(&mut restored, "SELECT pg_promote()");
    texts(&mut restored, "SELECT autobuild_resume()");
    await_status(&mut restored, "worker_state", "off");
    await_until("the launcher is there", SOON, || {
        let ours = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'workspace-autobuild launcher'";
        value(&mut restored, ours).as_deref() == Some("1")
    });
    assert_eq!(ticks(&mut restored, "done"), 0);
    texts(
        &mut restored,
        "ALTER SYSTEM RESET workspace_autobuild.databases",
    );
    texts(&mut restored, "SELECT pg_reload_conf()");
    product.move_to(copy.address());
    await_until("what was due is built", SOON, || {
        let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
        product.value(stops).as_deref() == Some("1")
    });
}

/// The agenda's tables can't be read on a standby, nor named in a query.
#[test]
fn an_attached_standby_answers_and_builds_its_agenda_after_its_promotion() {
    let server = ticking().start();
    let mut product = Product::with_extension(&server, Version::NEWEST);
    let template = product.template("docker").create();
    let due_in = |name: &str, interval: &str| {
        let deadline = format!("now() + interval '{interval}'");
        template
            .workspace(name)
            .create()
            .build(Transition::Start)
            .deadline(Value::sql(&deadline))
            .create()
    };
    due_in("later", "1 hour");
    let mut client = product.superuser();
    texts(&mut client, "SELECT autobuild_attach()");
    await_status(&mut client, "mode", "agenda");
    texts(&mut client, "SELECT autobuild_pause('a standby is asked')");
    let overdue = due_in("overdue", "-1 hour");
    let standby = Standby::of(&server);
    let mut follower = standby.address().connect(product.database(), "postgres");
    await_until("the standby follows", SOON, || {
        let sql = format!(
            "SELECT count(*) FROM workspace_builds WHERE id = '{}'",
            overdue.id
        );
        value(&mut follower, &sql).as_deref() == Some("1")
    });
    assert_eq!(
        texts(
            &mut follower,
            "SELECT worker_state, mode, problem FROM autobuild_status"
        ),
        [[Some("standby".to_owned()), Some("scan".to_owned()), None]]
    );
    assert_eq!(
        texts(&mut follower, "SELECT * FROM autobuild_agenda_progress"),
        Vec::<Vec<Option<String>>>::new()
    );
    let at = "SELECT date_trunc('minute', now())";
    let at = value(&mut client, at).expect("a time");
    for preview in [
        format!("SELECT * FROM autobuild_preview('{at}')"),
        format!("SELECT * FROM autobuild_upcoming('1 day', '{at}')"),
        format!(
            "SELECT n.* FROM workspaces w, autobuild_next_transition(w.id, '{at}') n ORDER BY w.id"
        ),
        format!(
            "SELECT e.* FROM workspaces w, autobuild_explain(w.id, '{at}') e ORDER BY w.id, step"
        ),
        "SELECT count(*) > 0 FROM autobuild_metrics".to_owned(),
        "SELECT * FROM autobuild_rules".to_owned(),
        "SELECT * FROM autobuild_agreement_summary(now() - interval '1 day')".to_owned(),
        "SELECT * FROM autobuild_ready() WHERE item <> 'preload'".to_owned(),
    ] {
        let answers = texts(&mut follower, &preview);
        assert_ne!(answers.len(), 0, "{preview}");
        assert_eq!(answers, texts(&mut client, &preview), "{preview}");
    }
    server.fence();
    texts(&mut follower, "SELECT pg_promote()");
    texts(&mut follower, "SELECT autobuild_resume()");
    await_status(&mut follower, "mode", "agenda");
    product.move_to(standby.address());
    await_until("what was due is built", SOON, || {
        let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
        product.value(stops).as_deref() == Some("1")
    });
    invariants::check(&product);
}
