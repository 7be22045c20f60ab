//! The stand-in provisioner writes what the product writes when a build is complete.

use serde_json::{Value as Json, json};
use workspace_autobuild_tests::product::{Build, Fields, HOUR, MINUTE, NewWorkspace, Template};
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
        let product = Product::install(server, version);
        product.create_extension();
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
        let product = Product::install(server, version);
        product.create_extension();
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
