//! pg_repack, which writes the product's tables anew while ticks are made.

use workspace_autobuild_tests::product::{Value, execute, texts};
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{
    Product, SOON, Server, Transition, Version, await_until, invariants,
};

use super::{STOPS, await_value};

/// The product's largest tables, of those that are watched.
const PRODUCTS: [&str; 3] = ["workspaces", "workspace_builds", "provisioner_jobs"];
/// How often the tables are written anew.
const ROUNDS: u32 = 5;
/// Workspaces that fall due in a round.
const DUE: u32 = 100;

#[test]
#[ignore = "make test-beside"]
fn tables_are_repacked_in_the_midst_of_ticks_and_stay_attached() {
    let server = ticking()
        .set("workspace_autobuild.max_builds_per_tick", "20")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    execute(
        &mut client,
        "CREATE EXTENSION pg_repack; SELECT autobuild_attach()",
    );
    let mode = "SELECT mode FROM autobuild_status";
    await_value(&mut client, mode, "agenda");
    let template = product.template("docker").create();
    let triggers = "SELECT string_agg(format('%s %s %s', tgrelid::regclass, tgname, tgenabled), E'\\n' ORDER BY 1)
                      FROM pg_trigger WHERE NOT tgisinternal";
    let before = texts(&mut client, triggers);
    for round in 1..=ROUNDS {
        template
            .workspaces(DUE, Transition::Start)
            .deadline(Value::sql("now() - interval '1 hour'"))
            .create();
        repack(&server, &product, &PRODUCTS);
        await_value(&mut client, STOPS, &(round * DUE).to_string());
        await_value(&mut client, mode, "agenda");
        assert_eq!(texts(&mut client, triggers), before);
    }
    await_until("nothing is wrong", SOON, || {
        texts(&mut client, "SELECT problem FROM autobuild_status") == [[None]]
    });
    invariants::check_quiet(&product);
}

/// Every table of the database, ours too.
#[test]
#[ignore = "make test-beside"]
fn a_whole_database_is_repacked() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    execute(
        &mut client,
        "CREATE EXTENSION pg_repack; SELECT autobuild_attach()",
    );
    let template = product.template("docker").create();
    for number in 1..=3 {
        template
            .workspace(&format!("dev-{number}"))
            .create_overdue();
        await_value(&mut client, STOPS, &number.to_string());
        repack(&server, &product, &[]);
        invariants::check_quiet(&product);
    }
}

/// Writes these tables anew, or all of the database.
#[track_caller]
fn repack(server: &Server, product: &Product, tables: &[&str]) {
    let output = server
        .installation()
        .command("pg_repack")
        .args(["-h", &server.folder().display().to_string()])
        .args(["-p", &server.address().port.to_string()])
        .args(["-U", "postgres", "-d", product.database()])
        .args(tables.iter().flat_map(|table| ["-t", table]))
        .output()
        .expect("pg_repack runs");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    for table in tables {
        assert!(
            said.contains(&format!("repacking table \"public.{table}\"")),
            "{said}"
        );
    }
}
