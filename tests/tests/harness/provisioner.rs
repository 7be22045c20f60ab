//! The stand-in provisioner writes what the product writes when a build is complete;
//! `autobuild_waiting` shows what no provisioner has come to an end with.

#![allow(clippy::indexing_slicing)]

use serde_json::{Value as Json, json};
use workspace_autobuild_tests::autobuild::refusal;
use workspace_autobuild_tests::product::{
    Build, Fields, HOUR, MINUTE, NewWorkspace, Template, texts,
};
use workspace_autobuild_tests::{Product, Provisioner, Server, Transition, Version};

/// The builds' deadlines and the workspaces' `deleted`, by name.
fn outcome(product: &Product) -> Vec<Vec<Option<String>>> {
    product.rows(
        "SELECT w.name, w.deleted, to_char(b.deadline AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
           FROM workspaces w JOIN workspace_builds b ON b.workspace_id = w.id ORDER BY w.name",
    )
}

#[test]
fn the_provisioner_sets_deadlines_and_deletes() {
    let server = Server::plain();
    for version in Version::ALL {
        let product = Product::install(server, version);
        let own_ttl = product.template("own").create();
        let fixed_ttl = product
            .template("fixed")
            .set("allow_user_autostop", false)
            .set("default_ttl", 30 * MINUTE)
            .create();
        let pending = |template: &Template<'_>, name: &str, ttl: Option<i64>, transition| {
            let workspace = template.workspace(name).set("ttl", ttl).create();
            workspace.build(transition).job_pending().create();
        };
        pending(&own_ttl, "a start", Some(2 * HOUR), Transition::Start);
        pending(&own_ttl, "b without ttl", None, Transition::Start);
        pending(&own_ttl, "c stop", Some(2 * HOUR), Transition::Stop);
        pending(&own_ttl, "d delete", None, Transition::Delete);
        pending(&fixed_ttl, "e fixed", Some(2 * HOUR), Transition::Start);
        let mut provisioner = Provisioner::of(&product);
        let done = provisioner.at("2024-03-01 10:00:00+00").work();
        assert_eq!(done.len(), 5, "{version}");
        let row = |name: &str, deleted: &str, deadline: &str| {
            [name, deleted, deadline]
                .map(|text| Some(text.to_owned()))
                .to_vec()
        };
        assert_eq!(
            outcome(&product),
            [
                row("a start", "f", "2024-03-01 12:00"),
                row("b without ttl", "f", "0001-01-01 00:00"),
                row("c stop", "f", "0001-01-01 00:00"),
                row("d delete", "t", "0001-01-01 00:00"),
                row("e fixed", "f", "2024-03-01 10:30"),
            ],
            "{version}"
        );
        assert_eq!(provisioner.work(), []);
    }
}

#[test]
fn a_failed_job_gets_no_deadline() {
    let server = Server::plain();
    let product = Product::install(server, Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").ttl(HOUR).create();
    let build = workspace.build(Transition::Start).job_pending().create();
    let mut provisioner = Provisioner::of(&product);
    assert_eq!(provisioner.pick_up(), 1);
    assert_eq!(provisioner.fail("boom"), 1);
    assert_eq!(build.read_job()["job_status"], json!("failed"));
    assert_eq!(build.read()["deadline"], json!("0001-01-01T00:00:00+00:00"));
}

#[test]
fn a_job_waits_for_a_provisioner_with_its_tags() {
    let server = Server::plain();
    for version in Version::ALL {
        let product = Product::install(server, version);
        let template = product.template("docker").create();
        let workspace = template.workspace("dev").create();
        let tags = json!({"scope": "organization", "owner": "", "gpu": "1"});
        let build = workspace
            .build(Transition::Start)
            .job_pending()
            .job("tags", tags.clone())
            .create();
        let mut provisioner = Provisioner::of(&product);
        assert_eq!(provisioner.work(), [], "{version}");
        assert_eq!(build.read_job()["started_at"], Json::Null);
        let daemon = product.daemon("gpu").tags(tags).create();
        assert_eq!(provisioner.work().len(), 1, "{version}");
        assert_eq!(build.read_job()["worker_id"], json!(daemon));
    }
}

/// A workspace whose pending start is completed at a time, and that start.
fn completed<'p>(
    product: &'p Product,
    workspace: NewWorkspace<'p>,
    at: &str,
) -> (Option<String>, Build<'p>) {
    let workspace = workspace.create();
    let build = workspace.build(Transition::Start).job_pending().create();
    assert_eq!(Provisioner::of(product).at(at).work().len(), 1);
    let next_start = product.facts().has_column("workspaces", "next_start_at");
    let next_start = next_start.then(|| {
        let row = product.by_id("workspaces", workspace.id);
        row["next_start_at"].as_str().map(str::to_owned)
    });
    (next_start.flatten(), build)
}

fn deadline(build: &Build<'_>) -> Json {
    build.read()["deadline"].clone()
}

#[test]
fn a_deadline_that_crosses_the_next_run_counts_from_it_since_v2_11() {
    let server = Server::shared();
    for version in Version::ALL {
        let product = Product::with_extension(server, version);
        let template = product.template("docker").create();
        let workspace = |name, ttl| {
            let workspace = template.workspace(name).ttl(ttl);
            workspace.schedule("CRON_TZ=Europe/Berlin 0 9 * * *")
        };
        // 22:00 in Berlin on a Thursday; the next run is 08:00 UTC.
        let at = "2024-02-01 21:00:00+00";
        let (_, crosses) = completed(&product, workspace("crosses", 12 * HOUR), at);
        let expected = if version > Version::V2_10_0 {
            json!("2024-02-02T20:00:00+00:00")
        } else {
            json!("2024-02-02T09:00:00+00:00")
        };
        assert_eq!(deadline(&crosses), expected, "{version}");
        let (_, before) = completed(&product, workspace("before", 10 * HOUR), at);
        assert_eq!(deadline(&before), json!("2024-02-02T07:00:00+00:00"));
    }
}

#[test]
fn the_next_start_is_the_next_run_on_an_allowed_day() {
    let server = Server::shared();
    for version in [Version::V2_20_0, Version::NEWEST] {
        let product = Product::with_extension(server, version);
        let every_day = product.template("every day").create();
        // Only Mondays are not blocked.
        let mondays = product
            .template("mondays")
            .set("autostart_block_days_of_week", 0b111_1110)
            .create();
        let never = product
            .template("never")
            .set("autostart_block_days_of_week", 0b111_1111)
            .create();
        let next_start = |template: &Template<'_>, schedule: &str| {
            let workspace = template
                .workspace(&format!("{:.8} {schedule}", template.id.to_string()))
                .schedule(schedule);
            completed(&product, workspace, "2024-02-01 21:00:00+00").0
        };
        let daily = "CRON_TZ=Europe/Berlin 0 9 * * *";
        let at = |text: &str| Some(text.to_owned());
        assert_eq!(
            next_start(&every_day, daily),
            at("2024-02-02T08:00:00+00:00")
        );
        assert_eq!(next_start(&mondays, daily), at("2024-02-05T08:00:00+00:00"));
        assert_eq!(next_start(&never, daily), None);
        assert_eq!(next_start(&every_day, ", 9 * * *"), None);
        assert_eq!(next_start(&every_day, "no schedule"), None);
    }
}

#[test]
fn builds_that_are_not_done_are_listed_with_their_state_since_when_and_their_heartbeat() {
    for version in Version::ALL {
        let product = Product::with_extension(Server::shared(), version);
        let template = product.template("docker").create();
        let daemon = "0d0d0d0d-0000-4000-8000-000000000001";
        let build = |name: &str, transition| {
            let workspace = template.workspace(name).create();
            workspace
                .build(transition)
                .created_at("2024-03-01 10:00:00+00")
        };
        let pending = build("pending", Transition::Start).job_pending().create();
        let running = build("running", Transition::Stop)
            .job_running()
            .job("started_at", "2024-03-01 10:01:00+00")
            .job("updated_at", "2024-03-01 10:05:00+00")
            .job("worker_id", daemon)
            .create();
        let canceling = build("canceling", Transition::Delete)
            .job_running()
            .job("canceled_at", "2024-03-01 10:02:00+00")
            .create();
        build("done", Transition::Start).create();
        build("failed", Transition::Start).job_failed("no").create();
        build("canceled", Transition::Start).job_canceled().create();

        // Who watches needs no right on the product's tables; nobody else may.
        let (watcher, stranger) = (
            format!("watcher of {}", product.database()),
            format!("stranger of {}", product.database()),
        );
        product
            .superuser()
            .batch_execute(&format!(
                "CREATE ROLE \"{watcher}\" LOGIN IN ROLE pg_monitor; CREATE ROLE \"{stranger}\" LOGIN"
            ))
            .expect("roles");
        let address = Server::shared().address();
        let mut client = address.connect(product.database(), &watcher);
        let rows = texts(
            &mut client,
            "SELECT build_id, state, transition, build_number, reason,
                    to_char(since AT TIME ZONE 'UTC', 'HH24:MI'),
                    to_char(heartbeat_at AT TIME ZONE 'UTC', 'HH24:MI'), worker_id
               FROM autobuild_waiting",
        );
        let row = |build: &Build<'_>, rest: [&str; 6], worker: Option<&str>| {
            let mut row = vec![Some(build.id.to_string())];
            row.extend(rest.map(|text| Some(text.to_owned())));
            row.push(worker.map(str::to_owned));
            row
        };
        assert_eq!(
            rows,
            [
                row(
                    &pending,
                    ["pending", "start", "1", "initiator", "10:00", "10:00"],
                    None
                ),
                row(
                    &running,
                    ["running", "stop", "1", "initiator", "10:01", "10:05"],
                    Some(daemon)
                ),
                row(
                    &canceling,
                    ["canceling", "delete", "1", "initiator", "10:02", "10:00"],
                    None
                ),
            ],
            "{version}"
        );
        let oldest = texts(
            &mut client,
            "SELECT m.labels->>'state', b.value,
                    abs(m.value - extract(epoch FROM now() - w.since)) < 60
               FROM autobuild_metrics m
               JOIN autobuild_metrics b ON b.labels = m.labels
                AND b.metric = 'workspace_autobuild_waiting_builds'
               JOIN autobuild_waiting w ON w.state = m.labels->>'state'
              WHERE m.metric = 'workspace_autobuild_waiting_oldest_seconds' ORDER BY w.since",
        );
        let metric = |state: &str| [state, "1", "t"].map(|text| Some(text.to_owned())).to_vec();
        assert_eq!(
            oldest,
            ["pending", "running", "canceling"].map(metric),
            "{version}"
        );
        let mut client = address.connect(product.database(), &stranger);
        for query in [
            "SELECT * FROM autobuild_waiting",
            "SELECT autobuild_list_waiting()",
        ] {
            assert_eq!(refusal(&mut client, query).sqlstate, "42501", "{query}");
        }
    }
}

#[test]
fn without_the_products_tables_the_list_of_builds_says_what_is_missing_and_the_metrics_go_on() {
    let product = Product::with_extension(Server::shared(), Version::NEWEST);
    let mut client = product.superuser();
    client
        .batch_execute("ALTER TABLE provisioner_jobs RENAME TO away")
        .expect("ALTER TABLE");
    let refusal = refusal(&mut client, "SELECT * FROM autobuild_waiting");
    assert_eq!(refusal.sqlstate, "42P01");
    assert_ne!(refusal.hint, "");
    let metrics = |like: &str| {
        let sql = format!("SELECT FROM autobuild_metrics WHERE metric LIKE '{like}'");
        texts(&mut product.superuser(), &sql).len()
    };
    assert_eq!(metrics("workspace\\_autobuild\\_waiting%"), 0);
    assert_eq!(metrics("workspace\\_autobuild\\_up"), 1);
}
