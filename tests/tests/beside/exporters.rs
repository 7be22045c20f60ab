//! The exporters of two releases of Debian.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use workspace_autobuild_tests::companion::Companion;
use workspace_autobuild_tests::product::execute;
use workspace_autobuild_tests::server::{free_port, ticking};
use workspace_autobuild_tests::{Product, SOON, Version, await_some, http};

use super::{STOPS, await_value, unpacked};

/// What each release's exporter says of the extension: names, and their labels in order.
#[test]
#[ignore = "make test-beside"]
fn the_exporters_of_two_releases_say_the_same() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    product
        .template("docker")
        .create()
        .workspace("dev")
        .create_overdue();
    let mut client = product.superuser();
    execute(
        &mut client,
        "CREATE ROLE prometheus LOGIN IN ROLE pg_monitor;
         ALTER ROLE prometheus SET search_path = public, pg_catalog",
    );
    await_value(&mut client, STOPS, "1");
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("../monitoring/queries.yaml");
    let source = format!(
        "user=prometheus dbname={} host={} port={} sslmode=disable",
        product.database(),
        server.address().socket_dir.display(),
        server.address().port
    );
    let said = ["bookworm", "trixie"].map(|release| {
        let port = free_port();
        let program = unpacked(&format!(
            "exporter-{release}/usr/bin/prometheus-postgres-exporter"
        ));
        let version = Command::new(&program)
            .arg("--version")
            .output()
            .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        let log = server.folder().join(release);
        let _exporter = Companion::start(
            Command::new("setpriv")
                .args(["--pdeathsig", "KILL"])
                .arg(&program)
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .arg(format!("--extend.query-path={}", queries.display()))
                .env("DATA_SOURCE_NAME", &source),
            &log,
        );
        let page = await_some("the exporter's page", SOON, || {
            http::get(port, "/metrics")
                .map(|(_, page)| page)
                .filter(|page| page.contains("workspace_autobuild_tick_seconds_bucket"))
        });
        let errors: Vec<String> = fs::read_to_string(&log)
            .unwrap_or_default()
            .lines()
            .filter(|line| {
                line.contains("autobuild") && line.to_lowercase().contains("level=error")
            })
            .map(str::to_owned)
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{release}");
        // Labels but for the buckets' and their values, which change.
        let series = page
            .lines()
            .filter(|line| line.starts_with("workspace_autobuild_"))
            .filter_map(|line| line.split([' ']).next())
            .map(|series| {
                let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                let labels = labels
                    .split(',')
                    .filter_map(|label| label.split('=').next());
                format!("{name} {}", labels.collect::<Vec<_>>().join(","))
            })
            .collect::<BTreeSet<String>>();
        // One of them says it on the other channel.
        let version = [version.stdout, version.stderr].concat();
        (String::from_utf8_lossy(&version).into_owned(), series)
    });
    let [(old_version, old), (new_version, new)] = said;
    assert_ne!(old_version, new_version);
    assert!(old.len() > 10, "{old:?}");
    assert_eq!(old, new);
}
