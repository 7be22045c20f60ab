//! A tick's own builds leave no mark: the entries that their workspaces get are set with them.

use postgres::Client;
use workspace_autobuild_tests::autobuild::{NINE, refusal, with_outcome};
use workspace_autobuild_tests::product::{Fields, HOUR, Value, texts};
use workspace_autobuild_tests::provisioner::Provisioner;
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{Product, SOON, Server, Transition, Version, await_until};

use super::support::*;

/// Two workspaces that are overdue, one that a start is due for and one that is idle, which go
/// dormant in a month.
fn due(server: &Server) -> Product {
    let product = Product::with_extension(server, Version::NEWEST);
    let template = product
        .template("docker")
        .set("time_til_dormant", 720 * HOUR)
        .create();
    let used = || Value::sql("now() - interval '1 hour'");
    let overdue = template.workspaces(2, Transition::Start);
    overdue
        .deadline(Value::sql("now() - i * interval '5 minutes'"))
        .set("last_used_at", used())
        .create();
    template
        .workspace("to start")
        .schedule(NINE)
        .ttl(HOUR)
        .set("next_start_at", Value::sql("now() - interval '1 day'"))
        .set("last_used_at", used())
        .create_stopped(Value::sql("now() - interval '3 days'"));
    template
        .workspace("idle")
        .set("last_used_at", used())
        .create_started(used(), Value::sql("now() + interval '1 day'"));
    product
}

/// One workspace that is overdue.
fn overdue(product: &Product) {
    let template = product.template("docker").create();
    template.workspace("dev").create_overdue();
}

/// Attaches while nothing is due. Then each workspace has a mark, and ticks by the agenda.
fn attached(product: &Product) -> Client {
    let mut root = product.superuser();
    product.execute("UPDATE workspaces SET deleted = true");
    attach(&mut root);
    product.execute("UPDATE workspaces SET deleted = false");
    root
}

fn no_marks(root: &mut Client) {
    assert_eq!(marks(root), Vec::<Texts>::new());
}

#[test]
fn builds_leave_no_mark_and_true_entries_and_what_was_started_is_stopped_at_its_deadline() {
    let product = due(Server::shared());
    let mut root = attached(&product);
    let done = tick(&mut root);
    assert_eq!(with_outcome(&done, "built").len(), 3);
    no_marks(&mut root);
    // The stopped ones go dormant in a month, and the start is under way.
    let of_each = "SELECT count(*) FILTER (WHERE a.due_at = w.last_used_at + interval '720 hours'),
                          count(*) FILTER (WHERE w.name = 'to start')
                     FROM autobuild_agenda a JOIN workspaces w ON w.id = a.workspace_id";
    assert_eq!(
        texts(&mut root, of_each),
        [[Some("2".to_owned()), Some("0".to_owned())]]
    );
    entries_are_true(&mut root);
    no_drift(&mut root);
    // Completed 90 minutes ago, with a deadline an hour later.
    let mut provisioner = Provisioner::of(&product);
    provisioner.at(Value::sql("now() - interval '90 minutes'"));
    assert_eq!(provisioner.work().len(), 3);
    let rows: Vec<String> = tick(&mut root).iter().map(ToString::to_string).collect();
    assert_eq!(rows, ["stop autostop built"]);
    no_marks(&mut root);
    entries_are_true(&mut root);
    no_drift(&mut root);
}

#[test]
fn a_start_that_is_given_a_deadline_is_on_the_agenda_at_that_deadline() {
    let product = due(Server::shared());
    let mut root = product.superuser();
    attach(&mut root);
    tick(&mut root);
    let mut provisioner = Provisioner::of(&product);
    provisioner.work();
    assert_eq!(tick(&mut root), []);
    let entry = "SELECT a.due_at = b.deadline
                   FROM autobuild_agenda a
                   JOIN workspaces w ON w.id = a.workspace_id AND w.name = 'to start'
                   JOIN workspace_builds b ON b.workspace_id = w.id AND b.build_number = 2";
    assert_eq!(value(&mut root, entry).as_deref(), Some("t"));
    entries_are_true(&mut root);
}

/// It names a job that has ended long ago, so that no later change of a row brings the stop about.
#[test]
fn a_trigger_that_gives_new_builds_a_deadline_has_them_stopped_at_it() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    template
        .workspace("dev")
        .schedule(NINE)
        .set("next_start_at", Value::sql("now() - interval '1 day'"))
        .create_stopped(Value::sql("now() - interval '3 days'"));
    product.execute(
        "CREATE FUNCTION deadline() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF NEW.transition = 'start' THEN
                 NEW.deadline := now() - interval '1 hour';
                 NEW.job_id := (SELECT job_id FROM template_versions LIMIT 1);
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER deadline BEFORE INSERT ON workspace_builds
             FOR EACH ROW EXECUTE FUNCTION deadline()",
    );
    let mut root = attached(&product);
    let mut rows = || -> Vec<String> { tick(&mut root).iter().map(ToString::to_string).collect() };
    assert_eq!(rows(), ["start autostart built"]);
    assert_eq!(rows(), ["stop autostop built"]);
}

#[test]
fn where_somebody_elses_trigger_or_rule_sees_new_rows_they_leave_marks() {
    let nothing = "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$
                   BEGIN RETURN NEW; END $$;";
    for (makes, leaves) in [
        ("", false),
        ("CREATE INDEX ON workspace_builds (deadline)", false),
        (
            "CREATE TRIGGER t BEFORE INSERT ON workspace_builds
                 FOR EACH ROW EXECUTE FUNCTION nothing()",
            true,
        ),
        (
            "CREATE TRIGGER t BEFORE INSERT ON provisioner_jobs
                 FOR EACH ROW EXECUTE FUNCTION nothing()",
            true,
        ),
        (
            "CREATE RULE r AS ON INSERT TO workspace_builds DO ALSO NOTIFY built",
            true,
        ),
    ] {
        let product = install(Version::NEWEST);
        overdue(&product);
        let mut root = attached(&product);
        product.execute(nothing);
        product.execute(makes);
        assert_eq!(tick(&mut root).len(), 1, "{makes}");
        assert_eq!(!marks(&mut root).is_empty(), leaves, "{makes}");
    }
}

#[test]
fn who_fails_in_a_batch_stays_due_and_is_tried_again() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let workspaces = template.workspaces(9, Transition::Start);
    let ids = workspaces
        .deadline(Value::sql("now() - interval '1 hour'"))
        .create();
    let mut root = attached(&product);
    product.execute(&format!(
        "ALTER TABLE workspace_builds ADD CONSTRAINT refused
             CHECK (workspace_id <> '{}' OR build_number < 2)",
        ids[4]
    ));
    let due = format!(
        "SELECT due_at <= now() FROM autobuild_agenda WHERE workspace_id = '{}'",
        ids[4]
    );
    for built in [8, 0] {
        let done = tick(&mut root);
        assert_eq!(mode(&mut root), "agenda");
        assert_eq!(with_outcome(&done, "failed"), [ids[4]]);
        assert_eq!(with_outcome(&done, "built").len(), built);
        no_marks(&mut root);
        assert_eq!(value(&mut root, &due).as_deref(), Some("t"));
        assert_eq!(progress(&mut root, "entries").as_deref(), Some("1"));
    }
    product.execute("ALTER TABLE workspace_builds DROP CONSTRAINT refused");
    assert_eq!(with_outcome(&tick(&mut root), "built"), [ids[4]]);
    no_marks(&mut root);
    assert_eq!(entries(&mut root), Vec::<Texts>::new());
    no_drift(&mut root);
}

#[test]
fn a_tick_that_is_rolled_back_leaves_the_entries_and_no_silence() {
    let product = install(Version::NEWEST);
    overdue(&product);
    let mut root = attached(&product);
    // Without a provisioner it stays due.
    product.remove_daemons();
    assert_eq!(with_outcome(&tick(&mut root), "blocked").len(), 1);
    product.daemon("any").create();
    let before = entries(&mut root);
    assert_eq!(before.len(), 1);
    execute(
        &mut root,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT autobuild_tick()",
    );
    assert_eq!(entries(&mut root), Vec::<Texts>::new());
    execute(&mut root, "ROLLBACK");
    assert_eq!(entries(&mut root), before);
    // An error in the midst of the writing, with which a tick ends.
    execute(
        &mut root,
        "CREATE FUNCTION no_room(integer) RETURNS boolean LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$;
         ALTER TABLE workspace_builds ADD CONSTRAINT room
             CHECK (build_number < 2 OR no_room(build_number))",
    );
    execute(&mut root, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(sqlstate(&mut root, "SELECT autobuild_tick()"), "53100");
    execute(
        &mut root,
        "ROLLBACK; ALTER TABLE workspace_builds DROP CONSTRAINT room",
    );
    assert_eq!(entries(&mut root), before);
    // A build of the product's in the same session leaves its mark.
    execute(&mut root, "DELETE FROM autobuild_marks");
    built_by_the_product(&mut root, 1);
    assert_eq!(marked(&mut root), 1);
}

/// How many workspaces a mark names.
fn marked(root: &mut Client) -> usize {
    let named = "SELECT DISTINCT id FROM autobuild_marks JOIN workspaces USING (id)";
    texts(root, named).len()
}

/// Another build of each workspace, like its latest one.
fn built_by_the_product(root: &mut Client, latest: i32) {
    let mut columns = |table: &str, others: &str| {
        let sql = format!(
            "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
              WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped
                AND attgenerated = '' AND attname NOT IN ({others})"
        );
        value(root, &sql).expect("columns")
    };
    let builds = columns("workspace_builds", "'id', 'build_number', 'job_id'");
    let jobs = columns("provisioner_jobs", "'id'");
    execute(
        root,
        &format!(
            "WITH old AS (SELECT *, gen_random_uuid() AS new_job FROM workspace_builds
                           WHERE build_number = {latest}),
                  job AS (INSERT INTO provisioner_jobs (id, {jobs})
                          SELECT old.new_job, j.* FROM old JOIN LATERAL (
                              SELECT {jobs} FROM provisioner_jobs WHERE id = old.job_id) j ON true)
             INSERT INTO workspace_builds (id, build_number, job_id, {builds})
             SELECT gen_random_uuid(), {latest} + 1, new_job, {builds} FROM old"
        ),
    );
}

#[test]
fn a_build_of_the_products_in_a_session_that_ticked_leaves_its_mark() {
    let product = install(Version::NEWEST);
    overdue(&product);
    let mut root = attached(&product);
    assert_eq!(tick(&mut root).len(), 1);
    no_marks(&mut root);
    built_by_the_product(&mut root, 2);
    assert_eq!(marked(&mut root), 1);
    // And in the very transaction.
    product.execute(
        "UPDATE provisioner_jobs SET completed_at = now() WHERE completed_at IS NULL;
         UPDATE workspace_builds SET transition = 'start', deadline = now() - interval '1 hour'
          WHERE build_number = 3",
    );
    execute(&mut root, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    execute(&mut root, "SELECT autobuild_tick()");
    assert_eq!(marked(&mut root), 0);
    built_by_the_product(&mut root, 4);
    assert_eq!(marked(&mut root), 1);
    execute(&mut root, "ROLLBACK");
}

#[test]
fn a_tick_from_a_snapshot_before_the_builds_of_another_is_refused_and_leaves_their_entries() {
    let product = due(Server::shared());
    let mut root = attached(&product);
    // Looked at, and due still: no mark is left that two ticks would take.
    product.remove_daemons();
    assert_eq!(with_outcome(&tick(&mut root), "blocked").len(), 3);
    product.daemon("any").create();
    no_marks(&mut root);
    let mut late = product.superuser();
    execute(
        &mut late,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM workspaces",
    );
    assert_eq!(with_outcome(&tick(&mut root), "built").len(), 3);
    let set = entries(&mut root);
    let refused = refusal(&mut late, "SELECT * FROM autobuild_tick()");
    assert_eq!(refused.sqlstate, "40001", "{refused:?}");
    execute(&mut late, "ROLLBACK");
    assert_eq!(entries(&mut root), set);
    assert_eq!(tick(&mut late), []);
}

#[test]
fn what_is_written_with_a_dormancy_mark_leaves_its_marks() {
    let product = install(Version::NEWEST);
    let template = product
        .template("docker")
        .set("time_til_dormant", HOUR)
        .create();
    // Unused for long: its stop marks it dormant.
    template
        .workspace("dormant")
        .set("last_used_at", Value::sql("now() - interval '3 days'"))
        .create_started(
            Value::sql("now() - interval '4 days'"),
            Value::sql("now() + interval '1 day'"),
        );
    let mut root = attached(&product);
    let rows: Vec<String> = tick(&mut root).iter().map(ToString::to_string).collect();
    assert_eq!(rows, ["stop dormancy built"]);
    assert!(!marks(&mut root).is_empty());
    assert_eq!(tick(&mut root), []);
    entries_are_true(&mut root);
}

#[test]
fn the_workers_builds_leave_no_mark_and_what_it_started_is_stopped_at_the_deadline() {
    let server = ticking()
        .set("workspace_autobuild.audit_interval", "0")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let template = product.template("docker").create();
    template
        .workspaces(20, Transition::Stop)
        .schedule(NINE)
        .created_at(Value::sql("now() - interval '3 days'"))
        .set("ttl", HOUR)
        .set("next_start_at", Value::sql("now() + interval '1 day'"))
        .create();
    let mut root = product.superuser();
    execute(&mut root, "SELECT autobuild_attach()");
    await_until("the agenda is built", SOON, || mode(&mut root) == "agenda");
    let ticks = "SELECT coalesce(sum(value), 0)::bigint FROM autobuild_metrics
                  WHERE metric = 'workspace_autobuild_ticks_total' AND labels->>'result' = 'done'";
    let ticks = |root: &mut Client| -> i64 {
        let count = value(root, ticks).and_then(|n| n.parse().ok());
        count.expect("a count")
    };
    let builds = |root: &mut Client, transition: &str, number: i32| {
        let sql = format!(
            "SELECT count(*) = 20 FROM workspace_builds
              WHERE transition = '{transition}' AND build_number = {number}"
        );
        value(root, &sql).as_deref() == Some("t")
    };
    // Each change leaves a mark.
    product.execute("UPDATE workspaces SET next_start_at = now() - interval '1 day'");
    await_until("starts", SOON, || builds(&mut root, "start", 2));
    // What a process did is counted once it has ended.
    let first = ticks(&mut root);
    await_until("the next ticks", SOON, || ticks(&mut root) > first + 1);
    let made = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'autobuild_marks'";
    await_until("the marks of the changes are counted", SOON, || {
        value(&mut root, made).is_some_and(|n| n != "0")
    });
    assert_eq!(value(&mut root, made).as_deref(), Some("20"));
    // They were taken, and nothing is to be looked at while the starts are under way.
    no_marks(&mut root);
    assert_eq!(entries(&mut root), Vec::<Texts>::new());
    let mut provisioner = Provisioner::of(&product);
    provisioner.at(Value::sql("now() - interval '90 minutes'"));
    assert_eq!(provisioner.work().len(), 20);
    await_until("stops", SOON, || builds(&mut root, "stop", 3));
    let modes = "SELECT count(*) FROM autobuild_ticks WHERE mode <> 'agenda'";
    assert_eq!(value(&mut root, modes).as_deref(), Some("0"));
}
