//! A standby waits; after its promotion ticks begin by themselves.

use std::path::PathBuf;

use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::Address;
use workspace_autobuild_tests::{Product, Server, Version, await_until};

use super::support::*;

/// A streaming standby of a server, in that server's folder.
struct Standby<'s> {
    primary: &'s Server,
    data: PathBuf,
    address: Address,
}

impl<'s> Standby<'s> {
    fn of(primary: &'s Server) -> Standby<'s> {
        let data = primary.folder().join("standby");
        let address = Address {
            socket_dir: primary.folder().to_owned(),
            port: std::net::TcpListener::bind(("127.0.0.1", 0))
                .and_then(|listener| listener.local_addr())
                .expect("a port")
                .port(),
        };
        let standby = Standby {
            primary,
            data,
            address,
        };
        standby.run(
            "pg_basebackup",
            &[
                "-h",
                &primary.folder().display().to_string(),
                "-p",
                &primary.address().port.to_string(),
                "-U",
                "postgres",
                "-R",
                "-c",
                "fast",
                "-D",
                &standby.data.display().to_string(),
            ],
        );
        standby.pg_ctl(&[
            "start",
            "-w",
            "-o",
            &format!("-p {}", standby.address.port),
            "-l",
            &primary.folder().join("standby.log").display().to_string(),
        ]);
        standby
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let data = self.data.display().to_string();
        let mut all = vec!["-D", &data];
        all.extend(arguments);
        self.run("pg_ctl", &all);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = self
            .primary
            .installation()
            .command(program)
            .args(arguments)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap_or_else(|e| panic!("{program} does not run: {e}"));
        assert!(status.success(), "{program} {arguments:?}: {status}");
    }
}

impl Drop for Standby<'_> {
    fn drop(&mut self) {
        let _ = self
            .primary
            .installation()
            .command("pg_ctl")
            .args(["stop", "-m", "immediate", "-D"])
            .arg(&self.data)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status();
    }
}

#[test]
fn a_standby_waits_and_ticks_after_its_promotion() {
    let server = ticking().start();
    let product = Product::install(&server, Version::NEWEST);
    product.create_extension();
    await_tick(&mut product.superuser(), "done");
    let standby = Standby::of(&server);
    let mut client = standby.address.connect(product.database(), "postgres");
    assert_eq!(
        status(&mut client, "worker_state").as_deref(),
        Some("standby")
    );
    assert_eq!(status(&mut client, "problem"), None);
    assert_eq!(status(&mut client, "next_tick_at"), None);
    assert_eq!(
        value(&mut client, "SELECT autobuild_wake()").as_deref(),
        Some("f")
    );
    let ours =
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'workspace-autobuild%'";
    assert_eq!(value(&mut client, ours).as_deref(), Some("0"));
    texts(&mut client, "SELECT pg_promote()");
    await_until("ticks after the promotion", SOON, || {
        ticks(&mut client, "done") >= 2
    });
    await_status(&mut client, "worker_state", "idle");
}
