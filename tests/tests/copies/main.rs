//! Copies of a database: what a dump has and has not, what a template's copy does, what a
//! logical replica gets.

mod pg_upgrade;
mod replication;
mod upgrade;

use std::io::Write;
use std::process::{Output, Stdio};

use postgres::Client;
use workspace_autobuild_tests::product::{Template, texts};
use workspace_autobuild_tests::server::installation::Installation;
use workspace_autobuild_tests::server::{SUPERUSER, ticking};
use workspace_autobuild_tests::{Product, SOON, Server, Version, await_until, invariants};

fn overdue(template: &Template<'_>, name: &str) {
    template.workspace(name).create_overdue();
}

fn value(client: &mut Client, sql: &str) -> String {
    texts(client, sql).remove(0).remove(0).unwrap_or_default()
}

#[track_caller]
fn await_value(client: &mut Client, sql: &str, wanted: &str) {
    await_until(&format!("{sql} is {wanted}"), SOON, || {
        value(client, sql) == wanted
    });
}

/// One of the server's client programs, on this server.
fn client_program(server: &Server, program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Installation::find()
        .command(program)
        .env("PGHOST", &server.address().socket_dir)
        .env("PGPORT", server.address().port.to_string())
        .env("PGUSER", SUPERUSER)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let mut pipe = child.stdin.take().expect("its input");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().expect("its output");
    let _ = writer.join();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

const STOPS: &str = "SELECT count(*) FROM public.workspace_builds WHERE transition = 'stop'";

/// A database with history, a blocked workspace, an agenda and a pause.
fn with_a_past(server: &Server) -> Product {
    let product = Product::install(server, Version::NEWEST);
    let docker = product.template("docker").create();
    overdue(&docker, "stopped");
    let mut client = product.superuser();
    client
        .batch_execute(
            "CREATE SCHEMA ops; GRANT USAGE ON SCHEMA ops TO PUBLIC;
             CREATE EXTENSION \"workspace-autobuild\" SCHEMA ops; SELECT ops.autobuild_attach()",
        )
        .expect("CREATE EXTENSION");
    await_value(&mut client, STOPS, "1");
    await_value(
        &mut client,
        "SELECT mode FROM ops.autobuild_status",
        "agenda",
    );
    client
        .batch_execute("SELECT ops.autobuild_pause('moving house')")
        .expect("a pause");
    await_value(
        &mut client,
        "SELECT worker_state FROM ops.autobuild_status",
        "paused",
    );
    overdue(&docker, "due meanwhile");
    product
}

#[test]
fn a_dump_has_the_pause_the_brakes_that_are_on_and_no_history_and_what_is_restored_goes_on() {
    let server = ticking().start();
    let product = with_a_past(&server);
    let insert = "INSERT INTO ops.autobuild_brakes (transition, braked_at, allowed, workspaces)";
    texts(
        &mut product.superuser(),
        &format!(
            "{insert} VALUES ('stop', now(), 10, 20);
             UPDATE ops.autobuild_brakes SET released_at = now();
             {insert} VALUES ('stop', now(), 11, 20)"
        ),
    );
    for format in ["custom", "plain"] {
        let format_option = format!("--format={format}");
        let dump = client_program(
            &server,
            "pg_dump",
            &[&format_option, product.database()],
            b"",
        );
        let copy = format!("restored_{format}");
        // Not yet while it is being restored: half of the rows are no facts.
        server
            .client(SUPERUSER)
            .batch_execute(&format!("CREATE DATABASE {copy}"))
            .and_then(|()| {
                server.client(SUPERUSER).batch_execute(&format!(
                    "ALTER DATABASE {copy} SET workspace_autobuild.action = off"
                ))
            })
            .expect("a database");
        let into = format!("--dbname={copy}");
        match format {
            "custom" => client_program(
                &server,
                "pg_restore",
                &["--exit-on-error", &into],
                &dump.stdout,
            ),
            _ => client_program(
                &server,
                "psql",
                &["-qXv", "ON_ERROR_STOP=1", &into],
                &dump.stdout,
            ),
        };
        let mut client = server.client(&copy);
        let state = "SELECT worker_state FROM ops.autobuild_status";
        assert_eq!(value(&mut client, state), "off");
        client
            .batch_execute(&format!(
                "ALTER DATABASE {copy} RESET workspace_autobuild.action"
            ))
            .expect("RESET");
        let mut client = server.client(&copy);
        assert_eq!(value(&mut client, state), "paused");
        assert_eq!(
            value(&mut client, "SELECT pause_reason FROM ops.autobuild_status"),
            "moving house"
        );
        let brakes =
            "SELECT string_agg(transition || ' ' || allowed, ', ') FROM ops.autobuild_brakes";
        assert_eq!(value(&mut client, brakes), "stop 11");
        for table in ["ticks", "transitions", "blocked", "agenda"] {
            let rows = format!("SELECT count(*) FROM ops.autobuild_{table}");
            assert_eq!(value(&mut client, &rows), "0", "{table}");
        }
        assert_eq!(value(&mut client, STOPS), "1");
        texts(&mut client, "SELECT ops.autobuild_resume()");
        await_value(&mut client, STOPS, "2");
        // The triggers were part of the dump; the agenda is made anew.
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
            "1"
        );
        assert_eq!(
            value(&mut client, "SELECT problem FROM ops.autobuild_status"),
            ""
        );
        // The extension takes its triggers along, in the copy as well.
        client
            .batch_execute("DROP EXTENSION \"workspace-autobuild\"")
            .expect("DROP EXTENSION");
        let left = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'autobuild%'";
        assert_eq!(value(&mut client, left), "0");
    }
    let mut client = product.superuser();
    assert_eq!(
        value(&mut client, STOPS),
        "1",
        "the original is still paused"
    );
    invariants::check(&product);
}

#[test]
fn whoever_owns_the_products_tables_or_may_read_all_data_dumps_the_database() {
    let server = Server::shared();
    server
        .client(SUPERUSER)
        .batch_execute("CREATE ROLE nightly LOGIN IN ROLE pg_read_all_data")
        .expect("a role");
    for schema in ["public", "ops"] {
        let product = Product::install(server, Version::NEWEST);
        let mut client = product.superuser();
        client
            .batch_execute(&format!(
                "CREATE SCHEMA IF NOT EXISTS {schema};
                 CREATE EXTENSION \"workspace-autobuild\" SCHEMA {schema};
                 SET search_path = {schema}, public;
                 SELECT autobuild_attach(), autobuild_pause('moving house')"
            ))
            .expect("CREATE EXTENSION");
        let lacking = "SELECT substring(problem FROM 'GRANT USAGE[^;]*') FROM autobuild_status";
        let grant = value(&mut client, lacking);
        if schema == "ops" {
            assert_eq!(grant, "GRANT USAGE ON SCHEMA ops TO \"product\"");
            client.batch_execute(&grant).expect("what was asked for");
        }
        assert_eq!(value(&mut client, lacking), "");
        for role in ["product", "nightly"] {
            let user = format!("--username={role}");
            let dump = client_program(server, "pg_dump", &[&user, product.database()], b"");
            let text = String::from_utf8_lossy(&dump.stdout);
            assert!(text.contains("moving house"), "{schema}, as {role}");
        }
    }
}

#[test]
fn a_databases_owner_restores_pause_brakes_and_holds_and_nobody_else_writes_them() {
    let server = ticking().start();
    let product = Product::install(&server, Version::NEWEST);
    overdue(&product.template("docker").create(), "stays");
    let mut client = product.superuser();
    client
        .batch_execute(
            "BEGIN; CREATE EXTENSION \"workspace-autobuild\"; SELECT autobuild_pause('a copy is no master');
             SELECT autobuild_hold('all', reason => 'frozen');
             INSERT INTO autobuild_brakes (transition, braked_at, allowed, workspaces)
             VALUES ('stop', now(), 10, 20);
             COMMIT; CREATE ROLE clerk LOGIN",
        )
        .expect("CREATE EXTENSION");
    let dump = client_program(
        &server,
        "pg_dump",
        &["--format=custom", product.database()],
        b"",
    );
    // The extension is put there by a superuser, the rest comes from the dump.
    server.create_database("copy", "product");
    let mut copy = server.client("copy");
    copy.batch_execute(
        "CREATE EXTENSION \"workspace-autobuild\"; SELECT autobuild_pause('until it is restored')",
    )
    .expect("CREATE EXTENSION");
    copy.batch_execute("SELECT autobuild_resume()")
        .expect("no pause");
    client_program(
        &server,
        "pg_restore",
        &[
            "--exit-on-error",
            "--no-comments",
            "--username=product",
            "--dbname=copy",
        ],
        &dump.stdout,
    );
    assert_eq!(
        value(&mut copy, "SELECT pause_reason FROM autobuild_status"),
        "a copy is no master"
    );
    assert_eq!(
        value(
            &mut copy,
            "SELECT hold_id || reason || holds_now FROM autobuild_holds"
        ),
        "1frozentrue"
    );
    // The numbers go on where they were.
    assert_eq!(value(&mut copy, "SELECT autobuild_hold('all')"), "2");
    assert_eq!(
        value(&mut copy, "SELECT transition FROM autobuild_brakes"),
        "stop"
    );
    let refused = |user: &str, sql: &str| {
        let error = server
            .address()
            .connect("copy", user)
            .batch_execute(sql)
            .expect_err(sql);
        error.code().map(|code| code.code().to_owned())
    };
    let denied = Some("42501".to_owned());
    let insert = "INSERT INTO autobuild_pauses (paused_at) VALUES (now())";
    assert_eq!(refused("clerk", insert), denied);
    assert_eq!(refused("product", "DELETE FROM autobuild_pauses"), denied);
    assert_eq!(refused("product", "DELETE FROM autobuild_brakes"), denied);
    assert_eq!(
        refused("product", "UPDATE autobuild_brakes SET released_at = now()"),
        denied
    );
    assert_eq!(
        refused("product", "UPDATE autobuild_pauses SET reason = ''"),
        denied
    );
}

#[test]
fn a_restore_that_disables_triggers_leaves_ordinary_ones_and_attaching_mends_them() {
    let server = Server::shared();
    let product = Product::with_extension(server, Version::NEWEST);
    let mut client = product.superuser();
    texts(&mut client, "SELECT autobuild_attach()");
    let data = client_program(
        server,
        "pg_dump",
        &["--format=custom", product.database()],
        b"",
    );
    let into = format!("--dbname={}", product.database());
    client_program(
        server,
        "pg_restore",
        &[
            "--exit-on-error",
            "--data-only",
            "--disable-triggers",
            "--table=templates",
            &into,
        ],
        &data.stdout,
    );
    let broken =
        "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'autobuild%' AND tgenabled <> 'A'";
    assert_eq!(value(&mut client, broken), "2");
    let problem = "SELECT problem LIKE '%autobuild_attach()%' FROM autobuild_status";
    assert_eq!(value(&mut client, problem), "t");
    texts(&mut client, "SELECT autobuild_attach()");
    assert_eq!(value(&mut client, broken), "0");
}

#[test]
fn a_templates_copy_has_all_of_it_and_both_go_their_own_ways() {
    let server = ticking().start();
    let product = with_a_past(&server);
    product.session().batch_execute("SELECT 1").expect("alive");
    // The copy needs the template for itself.
    let database = product.database().to_owned();
    let mut client = server.client(SUPERUSER);
    texts(
        &mut client,
        &format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'"
        ),
    );
    client
        .batch_execute(&format!("CREATE DATABASE twin TEMPLATE {database}"))
        .expect("a copy");
    product.reconnect();
    let mut twin = server.client("twin");
    assert_eq!(
        value(&mut twin, "SELECT pause_reason FROM ops.autobuild_status"),
        "moving house"
    );
    assert_eq!(
        value(&mut twin, "SELECT count(*) FROM ops.autobuild_transitions"),
        "1"
    );
    texts(&mut twin, "SELECT ops.autobuild_resume()");
    await_value(&mut twin, STOPS, "2");
    await_value(&mut twin, "SELECT mode FROM ops.autobuild_status", "agenda");
    assert_eq!(product.value(STOPS).as_deref(), Some("1"));
    texts(&mut product.superuser(), "SELECT ops.autobuild_resume()");
    await_until("the original goes on", SOON, || {
        product.value(STOPS).as_deref() == Some("2")
    });
    invariants::check(&product);
}

#[test]
fn every_table_of_ours_can_be_published_and_a_replica_gets_what_the_worker_does() {
    let publisher = ticking().set("wal_level", "logical").start();
    let product = Product::with_extension(&publisher, Version::NEWEST);
    let mut client = product.superuser();
    let keyless = "SELECT c.relname FROM pg_class c
                     JOIN pg_depend d ON d.objid = c.oid AND d.deptype = 'e'
                      AND d.classid = 'pg_class'::regclass
                    WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT EXISTS (
                          SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)";
    assert_eq!(
        texts(&mut client, keyless),
        Vec::<Vec<Option<String>>>::new()
    );

    let dump = client_program(
        &publisher,
        "pg_dump",
        &["--schema-only", product.database()],
        b"",
    );
    let subscriber = ticking().start();
    subscriber
        .client(SUPERUSER)
        .batch_execute("CREATE ROLE product")
        .and_then(|()| {
            subscriber
                .client(SUPERUSER)
                .batch_execute("CREATE DATABASE replica")
        })
        .and_then(|()| {
            subscriber
                .client(SUPERUSER)
                .batch_execute("ALTER DATABASE replica SET workspace_autobuild.action = off")
        })
        .expect("a database");
    client_program(
        &subscriber,
        "psql",
        &["-qXv", "ON_ERROR_STOP=1", "--dbname=replica"],
        &dump.stdout,
    );
    client
        .batch_execute("SELECT autobuild_attach(); CREATE PUBLICATION everything FOR ALL TABLES")
        .expect("a publication");
    let source = format!(
        "host={} port={} user={SUPERUSER} dbname={}",
        publisher.address().socket_dir.display(),
        publisher.address().port,
        product.database()
    );
    let mut replica = subscriber.client("replica");
    replica
        .batch_execute(&format!(
            "CREATE SUBSCRIPTION all_of_it CONNECTION '{source}' PUBLICATION everything"
        ))
        .expect("a subscription");
    await_value(
        &mut replica,
        "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'",
        "0",
    );

    let docker = product.template("docker").create();
    overdue(&docker, "moves");
    let strict = product
        .template("strict")
        .parameter(workspace_autobuild_tests::product::parameter("team"))
        .create();
    overdue(&strict, "is blocked");
    await_value(&mut replica, STOPS, "1");
    await_value(
        &mut replica,
        "SELECT count(*) FROM autobuild_transitions WHERE outcome = 'built'",
        "1",
    );
    await_value(&mut replica, "SELECT count(*) FROM autobuild_blocked", "1");
    // A pause is replicated. The subscriber's own is another one: neither ends the other.
    texts(&mut replica, "SELECT autobuild_pause('its own')");
    texts(&mut client, "SELECT autobuild_pause('replicated')");
    let pauses = "SELECT string_agg(reason, ', ' ORDER BY reason) FROM autobuild_pauses";
    await_value(&mut replica, pauses, "its own, replicated");
    assert_eq!(
        value(&mut replica, "SELECT pause_reason FROM autobuild_status"),
        "replicated"
    );
    texts(&mut client, "SELECT autobuild_resume()");
    await_value(&mut replica, pauses, "its own");
    texts(&mut replica, "SELECT autobuild_pause('another of its own')");
    assert_eq!(value(&mut replica, pauses), "another of its own");
    texts(&mut replica, "SELECT autobuild_resume()");
    assert_eq!(
        value(&mut replica, "SELECT paused FROM autobuild_status"),
        "f"
    );
    // The blocked one is freed: its row of ours is deleted, there as here.
    // (A new row: the product's own table of definitions has no replica identity.)
    product.execute(
        "INSERT INTO workspace_build_parameters (workspace_build_id, name, value)
         SELECT b.id, 'team', 'blue' FROM workspace_builds b
           JOIN workspaces w ON w.id = b.workspace_id WHERE w.name = 'is blocked'",
    );
    await_value(&mut replica, STOPS, "2");
    await_value(&mut replica, "SELECT count(*) FROM autobuild_blocked", "0");
    assert_eq!(
        value(&mut replica, "SELECT worker_state FROM autobuild_status"),
        "off"
    );
    let same = "SELECT md5(string_agg(b::text, ',' ORDER BY b.id)) FROM public.workspace_builds b";
    // A commit is sent as soon as it is flushed: a replica may show it before the publisher does.
    await_until("the replica has what the publisher has", SOON, || {
        value(&mut client, same) == value(&mut replica, same)
    });
    let errors = "SELECT sum(apply_error_count + sync_error_count) FROM pg_stat_subscription_stats";
    assert_eq!(value(&mut replica, errors), "0");
    invariants::check(&product);
    replica
        .batch_execute("DROP SUBSCRIPTION all_of_it")
        .expect("DROP SUBSCRIPTION");
}
