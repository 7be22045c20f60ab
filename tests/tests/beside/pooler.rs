//! Through PgBouncer, whose sessions share the server's from one transaction to the next.

use std::fs;

use postgres::Client;
use workspace_autobuild_tests::companion::Companion;
use workspace_autobuild_tests::product::{OWNER, execute, texts, value};
use workspace_autobuild_tests::server::{Address, SUPERUSER, free_port, hourly};
use workspace_autobuild_tests::{Product, SOON, Server, Version, await_some, await_until};

use super::{STOPS, unpacked};

/// PgBouncer before a server, with one session of the server's for each user and database.
struct Pooler {
    address: Address,
    _program: Companion,
}

impl Pooler {
    #[track_caller]
    fn before(server: &Server) -> Pooler {
        let address = Address {
            socket_dir: server.folder().to_owned(),
            port: free_port(),
        };
        let folder = server.folder().display();
        let users = server.folder().join("users");
        fs::write(&users, format!("\"{SUPERUSER}\" \"\"\n\"{OWNER}\" \"\"\n")).expect("users");
        let configuration = server.folder().join("pgbouncer.ini");
        fs::write(
            &configuration,
            format!(
                "[databases]\n* = host={folder} port={}\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir = {folder}\n\
                 auth_type = trust\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 1\n",
                server.address().port,
                address.port,
                users.display()
            ),
        )
        .expect("a configuration");
        let package = unpacked("pgbouncer");
        let libraries = fs::read_dir(package.join("usr/lib"))
            .expect("its libraries")
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.join("libevent-2.1.so.7").exists())
            .expect("libevent");
        let mut command = server
            .installation()
            .companion(&package.join("usr/sbin/pgbouncer").to_string_lossy());
        command.env("LD_LIBRARY_PATH", libraries).arg(configuration);
        let program = Companion::start(&mut command, &server.folder().join("pgbouncer.log"));
        Pooler {
            address,
            _program: program,
        }
    }

    #[track_caller]
    fn client(&self, database: &str) -> Client {
        await_some("PgBouncer takes connections", SOON, || {
            self.address.try_connect(database, SUPERUSER).ok()
        })
    }
}

#[test]
#[ignore = "make test-beside"]
fn every_function_works_in_a_transaction_of_a_pool() {
    let server = hourly().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create_overdue();
    let pooler = Pooler::before(&server);
    let mut one = pooler.client(product.database());
    let mut two = pooler.client(product.database());
    let pids = [&mut one, &mut two].map(|client| value(client, "SELECT pg_backend_pid()"));
    assert_eq!(pids[0], pids[1], "they share a session");
    let id = workspace.id;
    for asked in [
        "SELECT * FROM autobuild_status".to_owned(),
        "SELECT * FROM autobuild_preview()".to_owned(),
        "SELECT * FROM autobuild_upcoming('1 day')".to_owned(),
        format!("SELECT * FROM autobuild_next_transition('{id}')"),
        format!("SELECT * FROM autobuild_explain('{id}')"),
        "SELECT * FROM autobuild_rules".to_owned(),
        "SELECT * FROM autobuild_metrics".to_owned(),
        "SELECT autobuild_pause('through the pool')".to_owned(),
        "SELECT paused FROM autobuild_status WHERE paused".to_owned(),
        "SELECT autobuild_resume()".to_owned(),
        "SELECT * FROM autobuild_attach()".to_owned(),
        "SELECT * FROM autobuild_detach()".to_owned(),
    ] {
        // By turns, as a pool gives its sessions out.
        for client in [&mut one, &mut two] {
            let rows = texts(client, &asked);
            assert!(
                !rows.is_empty() || asked.contains("WHERE paused"),
                "{asked}"
            );
        }
    }
    // A tick by hand is a transaction, which a pool keeps together.
    execute(&mut one, "SELECT autobuild_pause('a tick by hand')");
    execute(
        &mut two,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL workspace_autobuild.batch_size = 7",
    );
    let built = texts(&mut two, "SELECT outcome FROM autobuild_tick()");
    execute(&mut two, "COMMIT");
    assert_eq!(built.len(), 1, "{built:?}");
    assert_eq!(value(&mut one, STOPS).as_deref(), Some("1"));
    let batch = "SHOW workspace_autobuild.batch_size";
    assert_eq!(value(&mut one, batch).as_deref(), Some("500"));
    // What SET leaves behind is whoever's comes next.
    execute(&mut one, "SET workspace_autobuild.batch_size = 7");
    assert_eq!(value(&mut two, batch).as_deref(), Some("7"));
}

#[test]
#[ignore = "make test-beside"]
fn who_listens_through_a_pool_hears_nothing_between_transactions() {
    let server = hourly()
        .set("workspace_autobuild.notify_transitions", "on")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let pooler = Pooler::before(&server);
    let mut direct = product.superuser();
    let mut pooled = pooler.client(product.database());
    for client in [&mut direct, &mut pooled] {
        execute(client, "LISTEN workspace_autobuild");
    }
    product
        .template("docker")
        .create()
        .workspace("dev")
        .create_overdue();
    // The pool's session listens, and PgBouncer throws away what comes while nobody has it.
    await_some("a wake", SOON, || {
        (value(&mut direct, "SELECT autobuild_wake()").as_deref() == Some("t")).then_some(())
    });
    let heard = |client: &mut Client| {
        execute(client, "SELECT 1");
        client.notifications().len()
    };
    await_until("the direct session hears of it", SOON, || {
        heard(&mut direct) > 0
    });
    await_until("PgBouncer has thrown it away", SOON, || {
        fs::read_to_string(server.folder().join("pgbouncer.log"))
            .is_ok_and(|log| log.contains("got packet 'A' from server when not linked"))
    });
    assert_eq!(heard(&mut pooled), 0);
}
