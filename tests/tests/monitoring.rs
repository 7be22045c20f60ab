//! What `monitoring/` has, through the real exporter and the real Prometheus on a real
//! server: every metric arrives, every rule is taken, every query of the dashboard finds
//! something.

#![allow(clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;
use workspace_autobuild_tests::companion::Companion;
use workspace_autobuild_tests::http;
use workspace_autobuild_tests::product::{parameter, texts};
use workspace_autobuild_tests::server::{free_port, ticking};
use workspace_autobuild_tests::{Product, SOON, Server, Version, await_some, await_until};

/// A program of Debian's packages, where `make setup` unpacked them, or the machine's own.
/// None where neither is to be had.
fn program(name: &str) -> Option<PathBuf> {
    let unpacked = project().join("target/monitoring/usr/bin").join(name);
    let installed = Path::new("/usr/bin").join(name);
    [unpacked, installed].into_iter().find(|path| path.exists())
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn monitoring(file: &str) -> PathBuf {
    let path = project().join("monitoring").join(file);
    path.canonicalize()
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Starts a program that ends with the test.
fn run(program: &Path, arguments: &[String], environment: &[(&str, String)]) -> Companion {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL"])
        .arg(program)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    Companion::start(&mut command, Path::new("/dev/null"))
}

/// The body of a page, if it is there.
fn get(port: u16, path: &str) -> Option<String> {
    http::get(port, path).map(|(_, body)| body)
}

/// What Prometheus answers to a query: its series, or the reason why it refuses.
fn query(port: u16, promql: &str) -> Result<Vec<Json>, String> {
    let escaped: String = promql
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => {
                (byte as char).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let body = get(port, &format!("/api/v1/query?query={escaped}")).ok_or("no answer")?;
    let answer: Json = serde_json::from_str(&body).map_err(|e| format!("{e}: {body}"))?;
    if answer["status"] != "success" {
        return Err(answer.to_string());
    }
    Ok(answer["data"]["result"]
        .as_array()
        .cloned()
        .unwrap_or_default())
}

/// Every query of the dashboard, as Grafana would send it.
fn dashboard_queries() -> Vec<String> {
    let text = std::fs::read_to_string(monitoring("dashboard.json")).expect("the dashboard");
    let dashboard: Json = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"))
        .map(|target| {
            let expression = target["expr"].as_str().expect("a query");
            expression
                .replace("$__rate_interval", "1m")
                .replace("$database", ".+")
        })
        .collect()
}

/// The metrics that a text of rules or queries names.
fn named_metrics(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("workspace_autobuild_"))
        .map(str::to_owned)
        .collect()
}

/// Something for every metric: builds, one that can't be made, one that fails, a tick
/// that fails.
fn a_lively_product(server: &Server) -> Product {
    let product = Product::install(server, Version::NEWEST);
    let docker = product.template("docker").create();
    let strict = product
        .template("strict")
        .parameter(parameter("team"))
        .create();
    for number in 0..10 {
        let template = if number == 0 { &strict } else { &docker };
        template.workspace(&format!("w{number}")).create_overdue();
    }
    product.refuse_builds_of("name = 'w1'");
    product
}

#[test]
fn the_exporter_prometheus_and_the_dashboard_see_what_the_worker_does() {
    let (Some(exporter), Some(prometheus)) = (
        program("prometheus-postgres-exporter"),
        program("prometheus"),
    ) else {
        eprintln!(
            "SKIPPED: neither `make setup` nor the machine has Prometheus and its exporter for PostgreSQL"
        );
        return;
    };
    let server = ticking()
        .set("workspace_autobuild.lock_timeout", "50ms")
        .start();
    let product = a_lively_product(&server);
    let mut client = product.superuser();
    client
        .batch_execute(
            "CREATE SCHEMA ops; GRANT USAGE ON SCHEMA ops TO pg_monitor;
             CREATE ROLE prometheus LOGIN IN ROLE pg_monitor;
             ALTER ROLE prometheus SET search_path = ops, pg_catalog;",
        )
        .expect("the exporter's role");

    let folder = tempfile::tempdir().expect("a folder");
    let (exporter_port, prometheus_port) = (free_port(), free_port());
    let source = format!(
        "user=prometheus dbname={} host={} port={} sslmode=disable",
        product.database(),
        server.address().socket_dir.display(),
        server.address().port
    );
    let _exporter = run(
        &exporter,
        &[
            format!("--web.listen-address=127.0.0.1:{exporter_port}"),
            format!(
                "--extend.query-path={}",
                monitoring("queries.yaml").display()
            ),
        ],
        &[("DATA_SOURCE_NAME", source)],
    );
    let configuration = folder.path().join("prometheus.yml");
    std::fs::write(
        &configuration,
        format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: [{}]\n\
             scrape_configs: [{{job_name: postgres, static_configs: [{{targets: ['127.0.0.1:{exporter_port}']}}]}}]\n",
            monitoring("alerts.yaml").display()
        ),
    )
    .expect("a configuration");
    let _prometheus = run(
        &prometheus,
        &[
            format!("--config.file={}", configuration.display()),
            format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ),
            format!("--web.listen-address=127.0.0.1:{prometheus_port}"),
        ],
        &[],
    );
    await_until("Prometheus scrapes the exporter", SOON, || {
        query(prometheus_port, "pg_up == 1").is_ok_and(|series| !series.is_empty())
    });

    // Only now something happens: a rate needs to have seen the zero.
    client
        .batch_execute("CREATE EXTENSION \"workspace-autobuild\" SCHEMA ops")
        .expect("CREATE EXTENSION");
    await_until("eight stops", SOON, || {
        product
            .value("SELECT count(*) FROM workspace_builds WHERE transition = 'stop'")
            .as_deref()
            == Some("8")
    });
    product.execute("BEGIN; LOCK TABLE workspaces");
    await_until("a tick is busy", SOON, || {
        let busy =
            "SELECT FROM ops.autobuild_metrics WHERE labels->>'result' = 'busy' AND value > 0";
        !texts(&mut client, busy).is_empty()
    });
    product.execute("COMMIT");
    // More builds, after the counters were scraped.
    product.execute("UPDATE workspace_builds SET transition = 'start', deadline = now() WHERE transition = 'stop'");
    product.execute("UPDATE provisioner_jobs SET started_at = now(), completed_at = now()");

    let page = await_some("the exporter's own page", SOON, || {
        get(exporter_port, "/metrics")
            .filter(|page| page.contains("workspace_autobuild_tick_seconds_bucket"))
    });
    let transitions = page
        .lines()
        .find(|line| {
            line.starts_with("workspace_autobuild_transitions_total")
                && line.contains("outcome=\"built\"")
                && line.contains("transition=\"stop\"")
        })
        .unwrap_or_else(|| panic!("{page}"));
    assert!(
        transitions.contains(&format!("datname=\"{}\"", product.database())),
        "{transitions}"
    );
    assert!(page.contains("# TYPE workspace_autobuild_tick_seconds histogram"));
    assert!(page.contains("# TYPE workspace_autobuild_braked gauge"));
    assert!(page.contains("# TYPE workspace_autobuild_transitions_total counter"));
    assert!(
        page.contains("sqlstate=\"P0001\"") && page.contains("sqlstate=\"55P03\""),
        "{page}"
    );
    assert!(page.contains("code=\"missing_parameter\"") || page.contains("outcome=\"blocked\""));

    // Every query of the dashboard is understood and finds series.
    for promql in dashboard_queries() {
        let mut last = Ok(Vec::new());
        await_until(&format!("series for {promql}"), SOON, || {
            last = query(prometheus_port, &promql);
            match &last {
                Err(refusal) => panic!("{promql}: {refusal}"),
                Ok(series) => !series.is_empty(),
            }
        });
    }

    // Every metric that the rules name is there, and Prometheus takes every rule.
    let rules = std::fs::read_to_string(monitoring("alerts.yaml")).expect("the rules");
    for metric in named_metrics(&rules) {
        let series = query(prometheus_port, &metric).unwrap_or_default();
        assert!(!series.is_empty(), "no such metric: {metric}");
    }
    let body = get(prometheus_port, "/api/v1/rules").expect("the rules' page");
    let answer: Json = serde_json::from_str(&body).expect("JSON");
    let taken = answer["data"]["groups"][0]["rules"]
        .as_array()
        .expect("rules");
    assert_eq!(taken.len(), rules.matches("- alert: ").count());
    for rule in taken {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    // What went wrong in this test is what is told of.
    await_until("the failed workspace's alert", SOON, || {
        let firing =
            "ALERTS{alertname=\"WorkspaceAutobuildTransitionsFail\", alertstate=\"firing\"}";
        query(prometheus_port, firing).is_ok_and(|series| !series.is_empty())
    });
}

#[test]
fn the_rules_pass_their_own_tests() {
    let Some(promtool) = program("promtool") else {
        eprintln!("SKIPPED: neither `make setup` nor the machine has promtool");
        return;
    };
    for (what, file) in [("check", "alerts.yaml"), ("test", "alerts_test.yaml")] {
        let output = Command::new(&promtool)
            .args([what, "rules"])
            .arg(monitoring(file))
            .output()
            .unwrap_or_else(|e| panic!("promtool: {e}"));
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn a_tick_that_did_something_is_logged_at_the_level_that_is_set_and_told_of_on_the_channel() {
    let server = ticking()
        .set("workspace_autobuild.notify_transitions", "on")
        .set("workspace_autobuild.log_level", "debug1")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut listener = product.superuser();
    listener
        .batch_execute("LISTEN workspace_autobuild")
        .expect("LISTEN");
    let template = product.template("docker").create();
    let stop = |name: &str| {
        let workspace = template.workspace(name).create_overdue();
        workspace.id.to_string()
    };
    let told = |listener: &mut postgres::Client| {
        await_some("a notification", SOON, || {
            listener.simple_query("SELECT 1").expect("alive");
            let mut notifications = listener.notifications();
            let mut received =
                postgres::fallible_iterator::FallibleIterator::iterator(notifications.iter());
            received.next().and_then(Result::ok)
        })
    };
    let database = product.database();
    let lines = |level: &str| {
        let line = format!("{level}:  workspace-autobuild: database \"{database}\": tick=");
        server.log().lines().filter(|l| l.contains(&line)).count()
    };
    let quiet = stop("quiet");
    let notification = told(&mut listener);
    let payload: Json = serde_json::from_str(notification.payload()).expect("JSON");
    assert_eq!(payload["workspace_id"], quiet);
    assert_eq!(
        (&payload["transition"], &payload["reason"]),
        (&"stop".into(), &"autostop".into())
    );
    let builds = product.json("SELECT id, job_id FROM workspace_builds WHERE transition = 'stop'");
    assert_eq!(payload["build_id"], builds[0]["id"]);
    assert_eq!(payload["job_id"], builds[0]["job_id"]);
    let done = "SELECT value FROM autobuild_metrics
                 WHERE metric = 'workspace_autobuild_transitions_total'
                   AND labels = '{\"transition\": \"stop\", \"outcome\": \"built\"}'";
    let counted = |client: &mut postgres::Client, wanted: &str| {
        await_until(&format!("{wanted} stops are counted"), SOON, || {
            texts(client, done) == [[Some(wanted.to_owned())]]
        });
    };
    let mut client = product.superuser();
    counted(&mut client, "1");
    assert_eq!(
        lines("LOG") + lines("WARNING") + lines("DEBUG"),
        0,
        "below log_min_messages"
    );

    server.set("workspace_autobuild.log_level", "warning");
    await_until("the level is taken up", SOON, || {
        texts(&mut client, "SHOW workspace_autobuild.log_level") == [[Some("warning".to_owned())]]
    });
    let loud = stop("loud");
    let payload: Json = serde_json::from_str(told(&mut listener).payload()).expect("JSON");
    assert_eq!(payload["workspace_id"], loud);
    counted(&mut client, "2");
    await_until("one line", SOON, || lines("WARNING") == 1);
    assert!(
        server
            .log()
            .contains(" due=1 built=1 conflict=0 blocked=0 failed=0 ")
    );
}
