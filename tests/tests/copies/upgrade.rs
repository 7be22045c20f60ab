//! From one version of the extension to the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use workspace_autobuild_tests::autobuild::{Refusal, refusal};
use workspace_autobuild_tests::product::{Fields, MINUTE, Value, execute, texts};
use workspace_autobuild_tests::server::installation::Installation;
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{
    Product, Server, StopMode, Transition, Version, await_until, invariants,
};

use super::{SOON, STOPS, await_value, overdue, value};

const OLD: &str = "0.1.0";
const UPDATE: &str = "ALTER EXTENSION \"workspace-autobuild\" UPDATE";

/// All that a catalog says of the extension's objects, a line each. What grants are written
/// in is not told by their order.
const CATALOG: [&str; 7] = [
    "SELECT pg_describe_object(classid, objid, objsubid), obj_description(objid, classid::regclass::name)
       FROM pg_depend
      WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'",
    "SELECT pg_get_functiondef(p.oid), pg_get_userbyid(proowner), probin, prosrc, procost::text, prorows::text,
            (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(proacl) a)
       FROM pg_proc p WHERE proname LIKE 'autobuild%'",
    "SELECT relname, relkind::text, relpersistence::text, reloptions::text, relreplident::text,
            pg_get_userbyid(relowner), CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) END,
            (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(relacl) a)
       FROM pg_class WHERE relname LIKE 'autobuild%'",
    "SELECT attrelid::regclass::text, attnum::text, attname, format_type(atttypid, atttypmod),
            attnotnull::text, attidentity::text, attacl::text, col_description(attrelid, attnum),
            (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum)
       FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
      WHERE relname LIKE 'autobuild%' AND attnum > 0",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
      WHERE conrelid::regclass::text LIKE '%autobuild%'
     UNION ALL
     SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
      WHERE indrelid::regclass::text LIKE '%autobuild%'
     UNION ALL
     SELECT schemaname, sequencename, to_jsonb(s)::text FROM (SELECT schemaname, sequencename, data_type,
            start_value, increment_by, cycle, cache_size FROM pg_sequences) s",
    "SELECT pg_describe_object(classoid, objoid, objsubid), privtype::text,
            (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(initprivs) a)
       FROM pg_init_privs i
      WHERE EXISTS (SELECT FROM pg_depend d WHERE d.classid = classoid AND d.objid = objoid AND d.deptype = 'e')",
    "SELECT extversion, extnamespace::regnamespace::text, extowner::regrole::text,
            ARRAY(SELECT c::regclass FROM unnest(extconfig) c)::text, extcondition::text
       FROM pg_extension WHERE extname = 'workspace-autobuild'",
];

fn catalog(product: &Product) -> Vec<String> {
    let mut client = product.superuser();
    let mut lines: Vec<String> = CATALOG
        .iter()
        .flat_map(|sql| texts(&mut client, sql))
        .map(|row| format!("{row:?}"))
        .collect();
    lines.sort();
    lines
}

/// The extension as version 0.1.0 made it, whose control file had the library's folder, too;
/// and attached as its `autobuild_attach()` did.
fn install_old(product: &Product, schema: &str, attached: bool) {
    let mut client = product.superuser();
    client
        .batch_execute(&format!(
            "CREATE SCHEMA IF NOT EXISTS {schema}; GRANT USAGE ON SCHEMA {schema} TO PUBLIC;
             CREATE EXTENSION \"workspace-autobuild\" SCHEMA {schema};
             SELECT {schema}.autobuild_attach()"
        ))
        .expect("CREATE EXTENSION");
    let triggers = texts(
        &mut client,
        "SELECT format('%1$s; ALTER TABLE %2$s ENABLE ALWAYS TRIGGER %3$I;
                        ALTER TRIGGER %3$I ON %2$s DEPENDS ON EXTENSION \"workspace-autobuild\"',
                       pg_get_triggerdef(oid), tgrelid::regclass, tgname)
           FROM pg_trigger WHERE tgname LIKE 'autobuild%'",
    );
    assert_eq!(triggers.len(), 10);
    client
        .batch_execute(&format!(
            "DROP EXTENSION \"workspace-autobuild\";
             CREATE EXTENSION \"workspace-autobuild\" SCHEMA {schema} VERSION '{OLD}';
             UPDATE pg_proc SET probin = '$libdir/' || probin WHERE probin = 'workspace-autobuild'"
        ))
        .expect("the old version");
    for trigger in triggers.into_iter().flatten().flatten() {
        if attached {
            client.batch_execute(&trigger).expect("a trigger");
        }
    }
}

/// History, a blocked workspace and a pause.
fn give_a_past(product: &Product, schema: &str) {
    product
        .superuser()
        .batch_execute(&format!(
            "SET search_path = {schema};
             INSERT INTO autobuild_ticks (tick_at, started_at, finished_at, source, mode, due, built,
                                          conflict, blocked, failed, observed)
             SELECT at, at, at, 'worker', 'agenda', 1, 1, 0, 0, 0, 0
               FROM generate_series('2024-01-01 00:00+00'::timestamptz, '2024-01-01 00:09+00', '1 min') at;
             INSERT INTO autobuild_transitions (tick_id, decided_at, workspace_id, transition, reason,
                                                due_at, outcome)
             SELECT tick_id, tick_at, '00000000-0000-0000-0000-000000000001', 'stop', 'autostop', tick_at, 'built'
               FROM autobuild_ticks;
             INSERT INTO autobuild_attempts
             VALUES ('00000000-0000-0000-0000-000000000002', 1, 'stop', 'autostop', '2024-01-01', 'blocked', 'c',
                     NULL, 'm', '2024-01-01', 3, '2024-01-02', '2024-01-03', 5);
             INSERT INTO autobuild_unfilled VALUES ('00000000-0000-0000-0000-000000000003', 1, '2024-01-01');
             INSERT INTO autobuild_pauses (reason, paused_at, paused_by) VALUES ('moving', '2024-01-01', 'somebody')"
        ))
        .expect("a past");
}

fn past(product: &Product, schema: &str) -> Vec<Vec<Option<String>>> {
    let mut client = product.superuser();
    let all = |table: &str| format!("TABLE {schema}.autobuild_{table} ORDER BY 1");
    [
        all("ticks"),
        all("transitions"),
        all("attempts"),
        all("unfilled"),
        format!("SELECT reason, paused_at, paused_by FROM {schema}.autobuild_pauses"),
    ]
    .iter()
    .flat_map(|sql| texts(&mut client, sql))
    .collect()
}

#[test]
fn an_upgraded_catalog_is_that_of_a_fresh_install_and_the_past_is_kept() {
    let server = Server::shared();
    for schema in ["public", "ops"] {
        for attached in [false, true] {
            let fresh = Product::install(server, Version::NEWEST);
            let mut client = fresh.superuser();
            client
                .batch_execute(&format!(
                    "CREATE SCHEMA IF NOT EXISTS {schema};
                     CREATE EXTENSION \"workspace-autobuild\" SCHEMA {schema}"
                ))
                .expect("CREATE EXTENSION");

            let product = Product::install(server, Version::NEWEST);
            install_old(&product, schema, attached);
            give_a_past(&product, schema);
            let before = past(&product, schema);
            assert_eq!(before.len(), 10 + 10 + 1 + 1 + 1);
            product.superuser().batch_execute(UPDATE).expect(UPDATE);
            let (upgraded, made) = (catalog(&product), catalog(&fresh));
            let only = |these: &[String], those: &[String]| -> Vec<String> {
                these
                    .iter()
                    .filter(|line| !those.contains(line))
                    .cloned()
                    .collect()
            };
            assert_eq!(
                (only(&upgraded, &made), only(&made, &upgraded)),
                (Vec::new(), Vec::new()),
                "{schema}, attached: {attached}"
            );
            assert_eq!(upgraded.len(), made.len());
            assert_eq!(past(&product, schema), before);
            // The next tick's number goes on after those that are there.
            assert_eq!(
                value(
                    &mut product.superuser(),
                    &format!(
                        "SELECT last_value FROM {schema}.autobuild_ticks_tick_id_seq WHERE is_called"
                    )
                ),
                "10"
            );
        }
    }
}

#[test]
fn before_the_update_previews_answer_also_where_a_kind_has_a_brake_by_then() {
    let product = Product::install(Server::shared(), Version::NEWEST);
    install_old(&product, "ops", false);
    let ago = |minutes: u32| Value::sql(format!("now() - interval '{minutes} min'"));
    product
        .template("docker")
        .set("time_til_dormant_autodelete", MINUTE)
        .create()
        .workspaces(12, Transition::Stop)
        .set("dormant_at", ago(120))
        .set("deleting_at", ago(60))
        .create();
    let mut client = product.superuser();
    execute(&mut client, "SET workspace_autobuild.rules = 'delete'");
    let foretold = texts(
        &mut client,
        "SELECT transition, outcome, count(*)::text FROM ops.autobuild_preview() GROUP BY 1, 2",
    );
    assert_eq!(
        foretold,
        [["delete", "built", "12"].map(|text| Some(text.to_owned()))]
    );
    let next = "SELECT skip_reason FROM workspaces w, ops.autobuild_next_transition(w.id)
                 GROUP BY 1";
    assert_eq!(texts(&mut client, next), [[None]]);
}

#[test]
fn before_the_update_no_tick_is_made_and_the_product_writes_and_after_it_what_is_due_is_built() {
    let server = ticking().start();
    let product = Product::install(&server, Version::NEWEST);
    install_old(&product, "ops", true);
    let docker = product.template("docker").create();
    // Written in the product's own statements, by triggers on a table that is not theirs.
    overdue(&docker, "due before");
    let mut client = product.superuser();
    let problem =
        "SELECT problem LIKE '%version 0.1.0%; ALTER EXTENSION \"workspace-autobuild\" UPDATE;'
                     FROM ops.autobuild_status";
    await_value(&mut client, problem, "t");
    await_value(
        &mut client,
        "SELECT worker_state FROM ops.autobuild_status",
        "waiting",
    );
    await_until("the log has it", SOON, || server.log().contains(UPDATE));
    // A tick that would be made, had been made by now.
    let last = "SELECT value FROM ops.autobuild_metrics
                 WHERE metric = 'workspace_autobuild_ticks_total' AND labels->>'result' = 'waiting'";
    await_until("errands that wait", SOON, || {
        value(&mut client, last)
            .parse::<f64>()
            .is_ok_and(|n| n >= 2.0)
    });
    assert_eq!(value(&mut client, STOPS), "0");
    assert_eq!(
        value(&mut client, "SELECT count(*) FROM ops.autobuild_marks"),
        "0"
    );
    for statement in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT ops.autobuild_tick()",
        "SELECT ops.autobuild_attach()",
        "SELECT ops.autobuild_pause('no')",
    ] {
        let Refusal { sqlstate, hint, .. } = refusal(&mut client, statement);
        let _ = client.batch_execute("ROLLBACK");
        assert_eq!((&*sqlstate, hint), ("55000", format!("{UPDATE};")));
    }
    // What only reads answers.
    assert_eq!(
        value(&mut client, "SELECT count(*) FROM ops.autobuild_upcoming()"),
        "1"
    );

    client.batch_execute(UPDATE).expect(UPDATE);
    await_value(&mut client, STOPS, "1");
    await_value(
        &mut client,
        "SELECT mode FROM ops.autobuild_status",
        "agenda",
    );
    overdue(&docker, "due after");
    await_value(&mut client, STOPS, "2");
    await_value(&mut client, "SELECT problem FROM ops.autobuild_status", "");
    invariants::check(&product);
}

#[test]
fn a_failed_update_leaves_the_old_catalog_and_what_to_run() {
    let product = Product::install(Server::shared(), Version::NEWEST);
    install_old(&product, "ops", true);
    give_a_past(&product, "ops");
    let mut client = product.superuser();
    // Somebody's own views keep the old ones, which have to go.
    let coming = "CREATE VIEW public.coming AS
                  SELECT workspace, next_transition_at FROM ops.autobuild_upcoming('1 day')";
    let in_the_way =
        "CREATE VIEW public.for_the_wall AS SELECT worker_state FROM ops.autobuild_status";
    for view in [coming, in_the_way] {
        client.batch_execute(view).expect(view);
    }
    let (catalog_before, past_before) = (catalog(&product), past(&product, "ops"));
    assert_eq!(refusal(&mut client, UPDATE).sqlstate, "2BP01");
    assert_eq!(catalog(&product), catalog_before);
    assert_eq!(past(&product, "ops"), past_before);
    assert_eq!(
        value(
            &mut client,
            "SELECT problem LIKE '%ALTER EXTENSION \"workspace-autobuild\" UPDATE;' FROM ops.autobuild_status"
        ),
        "t"
    );
    for view in ["for_the_wall", "coming"] {
        let refusal = refusal(&mut client, UPDATE);
        assert_eq!(refusal.sqlstate, "2BP01", "{view}: {refusal:?}");
        client
            .batch_execute(&format!("DROP VIEW public.{view}"))
            .expect("DROP VIEW");
    }
    client.batch_execute(UPDATE).expect(UPDATE);
    assert_eq!(past(&product, "ops"), past_before);
    // Made again as it was.
    client.batch_execute(coming).expect(coming);
    client
        .batch_execute("SELECT * FROM public.coming")
        .expect("the view");
}

#[test]
fn an_update_waits_for_writers_and_a_writer_who_waits_for_it_finds_the_new_table() {
    let server = Server::shared();
    let product = Product::install(server, Version::NEWEST);
    install_old(&product, "public", true);
    let docker = product.template("docker").create();
    let workspace = docker.workspace("dev").create();
    let other = docker.workspace("other").create();
    let schedule = |id, hour: u32| {
        format!(
            "UPDATE public.workspaces SET autostart_schedule = 'CRON_TZ=UTC 0 {hour} * * *' WHERE id = '{id}'"
        )
    };
    let waits = |client: &mut postgres::Client, for_what: &str| {
        let waiting = format!(
            "SELECT count(*) > 0 FROM pg_stat_activity
              WHERE datname = current_database() AND {for_what}"
        );
        await_value(client, &waiting, "t");
    };
    let mut watcher = product.superuser();

    // A change goes unmarked: the update comes after its commit, or an agenda would be
    // built that doesn't know of it.
    let mut writer = product.connect();
    writer.batch_execute("BEGIN").expect("BEGIN");
    writer
        .batch_execute(&schedule(workspace.id, 9))
        .expect("an unmarked change");
    let mut updater = product.superuser();
    let update = std::thread::spawn(move || {
        updater.batch_execute("BEGIN").expect("BEGIN");
        updater.batch_execute(UPDATE).expect(UPDATE);
        updater
    });
    waits(
        &mut watcher,
        "query LIKE 'ALTER EXTENSION%' AND wait_event = 'PgSleep'",
    );
    // Other writers get through meanwhile.
    product.execute(&schedule(other.id, 9));
    writer.batch_execute("COMMIT").expect("COMMIT");
    let mut updater = update.join().expect("the update");

    // The update is there, and not committed.
    let mut late = product.connect();
    let sql = schedule(workspace.id, 10);
    let write = std::thread::spawn(move || late.batch_execute(&sql));
    waits(
        &mut watcher,
        "query LIKE 'UPDATE public.workspaces%' AND wait_event_type = 'Lock'",
    );
    updater.batch_execute("COMMIT").expect("COMMIT");
    write
        .join()
        .expect("a thread")
        .expect("the product's write");
    assert_eq!(
        texts(
            &mut watcher,
            "SELECT kind::text, id::text FROM autobuild_marks"
        ),
        [[Some("w".to_owned()), Some(workspace.id.to_string())]]
    );
}

/// The installation that tests run on, copied so that a library can be swapped in it: most
/// files are links, and PostgreSQL finds its folders from where its programs are.
struct Swappable {
    installation: Installation,
    library: PathBuf,
    _folder: TempDir,
}

impl Swappable {
    fn copy(original: &Installation) -> Swappable {
        let says = |what: &str| {
            let output = original.command("pg_config").arg(what).output();
            let output = output.expect("pg_config runs");
            PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
        };
        let folders = [says("--bindir"), says("--pkglibdir"), says("--sharedir")];
        let root = folders[0]
            .ancestors()
            .find(|root| folders.iter().all(|folder| folder.starts_with(root)))
            .expect("a folder that has all three");
        let folder = TempDir::with_prefix("autobuild-").expect("a folder");
        original.give(folder.path());
        let to = |from: &Path| folder.path().join(from.strip_prefix(root).expect("within"));
        for (from, how) in folders.iter().zip(["-a", "-as", "-as"]) {
            let to = to(from);
            fs::create_dir_all(to.parent().expect("a parent")).expect("a folder");
            let copied = Command::new("cp").arg(how).arg(from).arg(&to).status();
            assert!(copied.expect("cp runs").success(), "{}", from.display());
        }
        let pg_config = to(&folders[0]).join("pg_config");
        Swappable {
            installation: Installation::of(&pg_config.to_string_lossy()),
            library: to(&folders[1]).join("workspace-autobuild.so"),
            _folder: folder,
        }
    }

    /// As a package does it: the file that is in use stays until nobody uses it.
    fn put(&self, library: &Path) {
        let beside = self.library.with_extension("new");
        fs::copy(library, &beside)
            .and_then(|_| fs::rename(&beside, &self.library))
            .unwrap_or_else(|e| panic!("{}: {e}", library.display()));
    }
}

#[test]
#[ignore = "needs the library of 0.1.0: make test-upgrade"]
fn under_the_old_library_the_update_is_refused_and_ticks_go_on() {
    let old = std::env::var_os("AUTOBUILD_OLD_LIBRARY").expect("AUTOBUILD_OLD_LIBRARY names it");
    let swappable = Swappable::copy(&Installation::find());
    let new = fs::canonicalize(&swappable.library).expect("the library of today");
    swappable.put(Path::new(&old));
    let mut server = ticking().on(swappable.installation.clone()).start();
    let product = Product::install(&server, Version::NEWEST);
    let docker = product.template("docker").create();
    let mut client = product.superuser();
    client
        .batch_execute(&format!(
            "CREATE SCHEMA ops; GRANT USAGE ON SCHEMA ops TO PUBLIC; CREATE EXTENSION \"workspace-autobuild\" SCHEMA ops VERSION '{OLD}';
             SELECT ops.autobuild_attach()"
        ))
        .expect("the old version");
    overdue(&docker, "of the old library");
    await_value(&mut client, STOPS, "1");

    // The package is there, the server goes on with what it has loaded.
    swappable.put(&new);
    let before = catalog(&product);
    let mut session = product.superuser();
    let Refusal { sqlstate, hint, .. } = refusal(&mut session, UPDATE);
    assert_eq!(sqlstate, "55000");
    assert_eq!(
        hint,
        format!("Restart the server, then run {UPDATE} again.")
    );
    assert_eq!(catalog(&product), before);
    overdue(&docker, "still of the old library");
    await_value(&mut client, STOPS, "2");

    server.restart(StopMode::Fast);
    product.reconnect();
    overdue(&docker, "of the new library");
    let mut client = product.superuser();
    let problem = format!("SELECT problem LIKE '%{UPDATE}%' FROM ops.autobuild_status");
    await_value(&mut client, &problem, "t");
    assert_eq!(value(&mut client, STOPS), "2");
    client.batch_execute(UPDATE).expect(UPDATE);
    await_value(&mut client, STOPS, "3");
    await_value(
        &mut client,
        "SELECT mode FROM ops.autobuild_status",
        "agenda",
    );
    assert_eq!(
        value(
            &mut client,
            "SELECT count(*) FROM ops.autobuild_transitions"
        ),
        "3"
    );
    assert_eq!(
        value(&mut client, "SELECT problem FROM ops.autobuild_status"),
        ""
    );
    invariants::check(&product);
}
