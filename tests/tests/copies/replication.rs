//! Logical replication, the usual way to upgrade a server without downtime: the
//! subscriber stays still for as long as its rows come from elsewhere, then takes over.

use std::sync::OnceLock;

use postgres::Client;
use workspace_autobuild_tests::product::{quote_ident, quote_literal, texts};
use workspace_autobuild_tests::server::installation::Installation;
use workspace_autobuild_tests::server::standby::Standby;
use workspace_autobuild_tests::server::{Options, SUPERUSER, ticking};
use workspace_autobuild_tests::{Product, Server, Version, await_until, invariants};

use super::{SOON, STOPS, await_value, client_program, overdue, value};

/// What is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Published {
    /// FOR ALL TABLES.
    Everything,
    /// What the statement of docs/COPIES.md lists.
    List,
}

/// Where the capture triggers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attached {
    Neither,
    Publisher,
    Subscriber,
    Both,
    /// Both: the subscriber's come with the dump.
    BeforeTheDump,
}

fn logical() -> Options {
    let options = if Installation::find().major() < 18 {
        ticking()
    } else {
        ticking().set("max_active_replication_origins", "60")
    };
    options
        .set("wal_level", "logical")
        .set("max_wal_senders", "60")
        .set("max_replication_slots", "60")
        .set("max_logical_replication_workers", "30")
        .set("max_worker_processes", "50")
        .set("max_connections", "100")
        .set("wal_retrieve_retry_interval", "200ms")
}

/// A publisher and a subscriber for all tests of this binary, each with databases of its own.
fn servers() -> (&'static Server, &'static Server) {
    // Never dropped: their guards end them when the process is gone.
    static SERVERS: OnceLock<(Server, Server)> = OnceLock::new();
    let (publisher, subscriber) = SERVERS.get_or_init(|| {
        let subscriber = logical().start();
        subscriber
            .client(SUPERUSER)
            .batch_execute("CREATE ROLE product LOGIN")
            .expect("the owner of the product's tables");
        (logical().start(), subscriber)
    });
    (publisher, subscriber)
}

/// A database of the same name on the subscriber, with the same tables and no rows.
fn schema_copied(product: &Product) -> Client {
    let (publisher, subscriber) = servers();
    let database = product.database();
    let dump = client_program(publisher, "pg_dump", &["--schema-only", database], b"");
    subscriber.create_database(database, "product");
    client_program(
        subscriber,
        "psql",
        &["-qXv", "ON_ERROR_STOP=1", &format!("--dbname={database}")],
        &dump.stdout,
    );
    subscriber.client(database)
}

/// The statement of docs/COPIES.md that writes the statement that publishes a list.
fn listing() -> &'static str {
    const PAGE: &str = include_str!("../../../docs/COPIES.md");
    PAGE.split("```sql\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .find(|block| block.contains("CREATE PUBLICATION"))
        .expect("a block that lists what to publish")
}

fn publish(client: &mut Client, published: Published) {
    let statement = match published {
        Published::Everything => "CREATE PUBLICATION upgrade FOR ALL TABLES".to_owned(),
        Published::List => value(client, listing()),
    };
    client
        .batch_execute(&statement)
        .unwrap_or_else(|e| panic!("{statement}: {e:?}"));
}

/// Subscribes, and waits until all rows are there.
fn subscribe(replica: &mut Client, product: &Product) {
    let source = format!(
        "host={} port={} user={SUPERUSER} dbname={}",
        product.address().socket_dir.display(),
        product.address().port,
        product.database()
    );
    replica
        .batch_execute(&format!(
            "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION upgrade",
            quote_ident(product.database()),
            quote_literal(&source)
        ))
        .expect("a subscription");
    await_value(
        replica,
        "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'",
        "0",
    );
}

const SAME: &str =
    "SELECT md5(string_agg(b::text, ',' ORDER BY b.id)) FROM public.workspace_builds b";

/// Waits until the builds of both are the same.
fn await_same(client: &mut Client, replica: &mut Client) {
    await_until("the subscriber follows", SOON, || {
        value(client, SAME) == value(replica, SAME)
    });
}

/// Ticks that ended so.
fn ticks(client: &mut Client, result: &str) -> u64 {
    let sql = format!(
        "SELECT coalesce(sum(value), 0)::bigint FROM autobuild_metrics
          WHERE metric = 'workspace_autobuild_ticks_total' AND labels->>'result' = '{result}'"
    );
    value(client, &sql).parse().expect("a count")
}

/// Waits for ticks that began after what was done before.
fn await_ticks(client: &mut Client, result: &str) {
    let before = ticks(client, result);
    await_until(&format!("two ticks more, {result}"), SOON, || {
        ticks(client, result) >= before + 2
    });
}

/// Switches the worker off where the rows come from, and waits until none is at work that
/// has not heard of it.
fn switch_off(client: &mut Client, database: &str) {
    client
        .batch_execute(&format!(
            "ALTER DATABASE {database} SET workspace_autobuild.action = off"
        ))
        .expect("off");
    await_value(
        client,
        "SELECT worker_pid IS NULL FROM autobuild_status",
        "t",
    );
}

/// The SQLSTATE of a tick by hand.
fn tick_by_hand(client: &mut Client) -> Option<String> {
    let tick = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT autobuild_tick()";
    let error = client.batch_execute(tick).err();
    client.batch_execute("ROLLBACK").expect("ROLLBACK");
    error.and_then(|error| error.code().map(|code| code.code().to_owned()))
}

/// The subscriber stands still, and says why.
fn stands_still(replica: &mut Client, stops: &str) {
    await_ticks(replica, "waiting");
    assert_eq!(value(replica, STOPS), stops);
    // While a tick is at work it says so.
    await_value(
        replica,
        "SELECT worker_state FROM autobuild_status",
        "waiting",
    );
    await_value(
        replica,
        "SELECT problem LIKE '%subscription%DROP SUBSCRIPTION%' FROM autobuild_status",
        "t",
    );
    assert_eq!(tick_by_hand(replica).as_deref(), Some("55000"));
}

fn upgrade(published: Published, attached: Attached) {
    println!("{published:?}, attached: {attached:?}");
    let (_, subscriber) = servers();
    let mut product = Product::with_extension(servers().0, Version::NEWEST);
    let database = product.database().to_owned();
    let mut client = product.superuser();
    if attached == Attached::BeforeTheDump {
        texts(&mut client, "SELECT autobuild_attach()");
    }
    let docker = product.template("docker").create();
    overdue(&docker, "history");
    await_value(&mut client, STOPS, "1");
    let mut replica = schema_copied(&product);
    if matches!(attached, Attached::Publisher | Attached::Both) {
        texts(&mut client, "SELECT autobuild_attach()");
    }
    if matches!(attached, Attached::Subscriber | Attached::Both) {
        texts(&mut replica, "SELECT autobuild_attach()");
    }
    publish(&mut client, published);
    subscribe(&mut replica, &product);

    // The publisher builds, the subscriber follows.
    overdue(&docker, "moves");
    await_value(&mut client, STOPS, "2");
    await_same(&mut client, &mut replica);
    // What nobody builds there isn't built here either, enabled or not.
    switch_off(&mut client, &database);
    overdue(&docker, "due at the switch");
    await_same(&mut client, &mut replica);
    stands_still(&mut replica, "2");
    if attached == Attached::Neither {
        replica
            .batch_execute(&format!("ALTER SUBSCRIPTION {database} DISABLE"))
            .expect("DISABLE");
        stands_still(&mut replica, "2");
    }
    let errors = format!(
        "SELECT apply_error_count + sync_error_count FROM pg_stat_subscription_stats
          WHERE subname = '{database}'"
    );
    assert_eq!(value(&mut replica, &errors), "0");

    // The switch.
    replica
        .batch_execute(&format!("DROP SUBSCRIPTION {database}"))
        .expect("DROP SUBSCRIPTION");
    await_value(&mut replica, STOPS, "3");
    assert_eq!(ticks(&mut replica, "failed"), 0);
    let history = match published {
        Published::Everything => "3",
        Published::List => "1",
    };
    await_value(
        &mut replica,
        "SELECT count(*) FROM autobuild_transitions WHERE outcome = 'built'",
        history,
    );
    let mode = match attached {
        Attached::Neither | Attached::Publisher => "scan",
        _ => "agenda",
    };
    await_value(&mut replica, "SELECT mode FROM autobuild_status", mode);
    await_value(
        &mut replica,
        "SELECT coalesce(problem, 'none') FROM autobuild_status",
        "none",
    );
    assert_eq!(value(&mut client, STOPS), "2", "the other side stays still");
    if published == Published::Everything {
        product.move_to(subscriber.address());
        invariants::check(&product);
    }
}

/// Side by side: most of the time each waits for ticks.
fn upgrades(published: Published) {
    std::thread::scope(|scope| {
        for attached in [
            Attached::Neither,
            Attached::Publisher,
            Attached::Subscriber,
            Attached::Both,
            Attached::BeforeTheDump,
        ] {
            scope.spawn(move || upgrade(published, attached));
        }
    });
}

#[test]
fn a_subscriber_to_all_tables_stays_still_and_takes_over() {
    upgrades(Published::Everything);
}

#[test]
fn a_subscriber_to_a_list_stays_still_and_takes_over() {
    upgrades(Published::List);
}

#[test]
fn an_extension_that_the_publisher_alone_gets_stops_no_list_and_all_tables_until_the_subscriber_has_it()
 {
    for published in [Published::List, Published::Everything] {
        let product = Product::install(servers().0, Version::NEWEST);
        let mut client = product.superuser();
        let mut replica = schema_copied(&product);
        publish(&mut client, published);
        subscribe(&mut replica, &product);
        product.create_extension();
        texts(&mut client, "SELECT autobuild_attach()");
        overdue(&product.template("docker").create(), "moves");
        await_value(&mut client, STOPS, "1");
        let errors = format!(
            "SELECT apply_error_count > 0 FROM pg_stat_subscription_stats WHERE subname = '{}'",
            product.database()
        );
        let create = "CREATE EXTENSION \"workspace-autobuild\"";
        if published == Published::Everything {
            await_value(&mut replica, &errors, "t");
            replica.batch_execute(create).expect("CREATE EXTENSION");
        }
        await_same(&mut client, &mut replica);
        assert_eq!(value(&mut replica, STOPS), "1");
        if published == Published::List {
            assert_eq!(value(&mut replica, &errors), "f");
            replica.batch_execute(create).expect("CREATE EXTENSION");
        }
        switch_off(&mut client, product.database());
        stands_still(&mut replica, "1");
        replica
            .batch_execute(&format!("DROP SUBSCRIPTION {}", product.database()))
            .expect("DROP SUBSCRIPTION");
    }
}

#[test]
fn ticks_go_past_history_that_came_from_elsewhere() {
    let product = Product::with_extension(Server::shared(), Version::NEWEST);
    let docker = product.template("docker").create();
    overdue(&docker, "due");
    let mut client = product.superuser();
    // As logical replication brings them: rows, and no numbers of a sequence. To a tick by
    // hand whose snapshot is older than they are, too.
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM workspaces")
        .expect("a snapshot");
    product
        .superuser()
        .batch_execute(
            "INSERT INTO autobuild_ticks OVERRIDING SYSTEM VALUE
             SELECT i, now(), now(), now(), 'worker', 'scan', 1, 1, 0, 0, 0, 0, NULL, NULL
               FROM generate_series(1, 7) i;
             INSERT INTO autobuild_transitions OVERRIDING SYSTEM VALUE
             SELECT i, 7, now(), gen_random_uuid(), 'stop', 'autostop', now(), 'built'
               FROM generate_series(1, 40) i",
        )
        .expect("replicated rows");
    assert_eq!(
        value(&mut client, "SELECT outcome FROM autobuild_tick()"),
        "built"
    );
    client.batch_execute("COMMIT").expect("COMMIT");
    overdue(&docker, "due later");
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT autobuild_tick(); COMMIT")
        .expect("another tick");
    assert_eq!(
        texts(
            &mut client,
            "SELECT (SELECT array_agg(tick_id ORDER BY tick_id) FROM autobuild_ticks WHERE source = 'manual'),
                    (SELECT array_agg(transition_id ORDER BY 1) FROM autobuild_transitions WHERE tick_id > 7)"
        ),
        [[Some("{8,9}".to_owned()), Some("{41,42}".to_owned())]]
    );
}

/// From 17 on a standby can be made a subscriber. It is started before it subscribes, so
/// its own configuration keeps the worker out until then, as docs/COPIES.md says.
#[test]
fn a_standby_that_is_made_a_subscriber_stays_still_and_takes_over() {
    if Installation::find().major() < 17 {
        return;
    }
    let publisher = logical().start();
    let mut product = Product::with_extension(&publisher, Version::NEWEST);
    let database = product.database().to_owned();
    let mut client = product.superuser();
    texts(&mut client, "SELECT autobuild_attach()");
    let docker = product.template("docker").create();
    overdue(&docker, "history");
    await_value(&mut client, STOPS, "1");
    let standby = Standby::of(&publisher);
    standby.append_conf("workspace_autobuild.databases = ''\n");
    standby.stop();
    let source = format!(
        "host={} port={} user={SUPERUSER} dbname={database}",
        publisher.address().socket_dir.display(),
        publisher.address().port,
    );
    // Due while no one but the standby could build it.
    switch_off(&mut client, &database);
    overdue(&docker, "due meanwhile");
    standby.run(
        "pg_createsubscriber",
        &[
            "--pgdata",
            &standby.data().display().to_string(),
            "--publisher-server",
            &source,
            "--database",
            &database,
            "--socketdir",
            &standby.address().socket_dir.display().to_string(),
            "--subscriber-username",
            SUPERUSER,
        ],
    );
    standby.start();
    let mut replica = standby.address().connect(&database, SUPERUSER);
    replica
        .batch_execute("ALTER SYSTEM SET workspace_autobuild.databases = '*'")
        .and_then(|()| replica.batch_execute("SELECT pg_reload_conf()"))
        .expect("the worker's own");
    // The setting of the database came over with it.
    replica
        .batch_execute(&format!(
            "ALTER DATABASE {database} RESET workspace_autobuild.action"
        ))
        .expect("on");
    stands_still(&mut replica, "1");
    await_same(&mut client, &mut replica);
    let subscription = value(&mut replica, "SELECT subname FROM pg_subscription");
    replica
        .batch_execute(&format!("DROP SUBSCRIPTION {}", quote_ident(&subscription)))
        .expect("DROP SUBSCRIPTION");
    await_value(&mut replica, STOPS, "2");
    assert_eq!(ticks(&mut replica, "failed"), 0);
    assert_eq!(value(&mut client, STOPS), "1", "the other side stays still");
    product.move_to(standby.address());
    invariants::check(&product);
}
