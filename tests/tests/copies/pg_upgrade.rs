//! pg_upgrade from an older major version carries everything over, and while it runs
//! nothing of ours does. `OLD_PG_CONFIG` names the older one, with the extension
//! installed; `scripts/other-version.sh 18` makes it and runs this.

use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::installation::Installation;
use workspace_autobuild_tests::server::{SUPERUSER, ticking};
use workspace_autobuild_tests::{Product, SOON, StopMode, Version, await_until};

#[test]
#[ignore = "needs an older PostgreSQL with the extension: scripts/other-version.sh 18"]
fn everything_is_carried_over_and_ticks_go_on_after_it() {
    let old_pg_config =
        std::env::var("OLD_PG_CONFIG").expect("OLD_PG_CONFIG names an older PostgreSQL");
    let installation = Installation::find();
    let mut old = ticking().on(Installation::of(&old_pg_config)).start();
    let mut new = ticking().start();
    new.stop(StopMode::Fast);

    let product = Product::install(&old, Version::NEWEST);
    let template = product.template("docker").create();
    let overdue = |name: &str| {
        template.workspace(name).create_overdue();
    };
    overdue("before");
    let mut client = product.superuser();
    client
        .batch_execute("CREATE EXTENSION \"workspace-autobuild\"; SELECT autobuild_attach()")
        .expect("CREATE EXTENSION");
    await_until("a stop and an agenda", SOON, || {
        let sql = "SELECT FROM autobuild_transitions, autobuild_status WHERE mode = 'agenda'";
        !texts(&mut client, sql).is_empty()
    });
    client
        .batch_execute("SELECT autobuild_pause('pg_upgrade')")
        .expect("a pause");
    overdue("meanwhile");
    let database = product.database().to_owned();
    drop((client, product));
    old.stop(StopMode::Fast);

    if installation.major() >= 18 {
        // From 18 on initdb asks for checksums.
        let status = old
            .installation()
            .command("pg_checksums")
            .args(["--enable", "--no-sync", "-D"])
            .arg(old.data())
            .status()
            .expect("pg_checksums");
        assert!(status.success());
    }
    let output = installation
        .command("pg_upgrade")
        .current_dir(&new.address().socket_dir)
        .arg(format!(
            "--old-bindir={}",
            old.installation().bin().display()
        ))
        .arg(format!("--new-bindir={}", installation.bin().display()))
        .arg(format!("--old-datadir={}", old.data().display()))
        .arg(format!("--new-datadir={}", new.data().display()))
        .arg(format!(
            "--socketdir={}",
            new.address().socket_dir.display()
        ))
        .args(["--username", SUPERUSER, "--retain"])
        .output()
        .expect("pg_upgrade");
    let errors = std::process::Command::new("grep")
        .args(["-rh", "-A3", "error:\\|ERROR:"])
        .arg(new.data().join("pg_upgrade_output.d"))
        .output()
        .expect("grep");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&errors.stdout)
    );
    // Had the launcher run in between, its end would be in the server's log there.
    let logs = new.data().join("pg_upgrade_output.d");
    let found = std::process::Command::new("grep")
        .args(["-rl", "workspace-autobuild launcher"])
        .arg(&logs)
        .output()
        .expect("grep");
    assert!(logs.is_dir());
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");

    new.start();
    let mut client = new.client(&database);
    let value = |client: &mut postgres::Client, sql: &str| {
        texts(client, sql).remove(0).remove(0).unwrap_or_default()
    };
    assert_eq!(
        value(&mut client, "SELECT pause_reason FROM autobuild_status"),
        "pg_upgrade"
    );
    assert_eq!(
        value(&mut client, "SELECT count(*) FROM autobuild_transitions"),
        "1"
    );
    texts(&mut client, "SELECT autobuild_resume()");
    await_until("ticks go on", SOON, || {
        let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
        value(&mut client, stops) == "2"
    });
    await_until("with their agenda", SOON, || {
        value(&mut client, "SELECT mode FROM autobuild_status") == "agenda"
    });
    assert_eq!(
        value(
            &mut client,
            "SELECT coalesce(problem, '') FROM autobuild_status"
        ),
        ""
    );
}
