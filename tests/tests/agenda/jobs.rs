//! Jobs that wait, run, failed, were canceled or hang while the agenda is built: a pass looks at
//! them only where failed builds are stopped, and ticks do what a scan does all the same.

use workspace_autobuild_tests::autobuild::{self, HOURLY};
use workspace_autobuild_tests::product::{Fields, HOUR, MINUTE, NewBuild, Template, Value};
use workspace_autobuild_tests::{Product, Transition, Version};

use super::support::*;

/// A name, and what it makes of a build's job.
type State = (&'static str, fn(NewBuild<'_>) -> NewBuild<'_>);

/// What may have become of a job.
const JOBS: [State; 6] = [
    ("done", |build| build),
    ("pending", |build| build.job_pending()),
    ("running", |build| build.job_running()),
    ("failed", |build| build.job_failed("no room")),
    ("canceled", |build| build.job_canceled()),
    ("canceling", |build| build.job_canceling()),
];

/// For each, a workspace that was started and is overdue, one that will be, one that was stopped
/// and has a schedule, and one that is deleted.
fn workspaces(template: &Template<'_>, of: &str) {
    for (name, job) in JOBS {
        for (kind, transition, deadline) in [
            ("overdue", Transition::Start, "now() - interval '1 hour'"),
            ("due", Transition::Start, "now() + interval '2 hours'"),
            ("stopped", Transition::Stop, "NULL"),
            ("gone", Transition::Delete, "NULL"),
        ] {
            let mut workspace = template
                .workspace(&format!("{of}-{name}-{kind}"))
                .schedule(HOURLY)
                .set("last_used_at", Value::sql("now() - interval '1 hour'"));
            let next = Value::sql("now() - interval '1 hour'");
            workspace.row().set_if_there("next_start_at", next);
            let workspace = workspace.create();
            let build = workspace
                .build(transition)
                .created_at(Value::sql("now() - interval '4 hours'"));
            let build = match deadline {
                "NULL" => build,
                deadline => build.deadline(Value::sql(deadline)),
            };
            job(build).create();
        }
    }
}

fn product(version: Version) -> Product {
    let product = autobuild::install(version);
    let plain = product.template("plain").create();
    workspaces(&plain, "plain");
    let stops = product.template("stops-failed").set("failure_ttl", HOUR);
    workspaces(&stops.create(), "stops");
    let sleeps = product
        .template("sleeps")
        .set("time_til_dormant", 90 * MINUTE);
    workspaces(&sleeps.create(), "sleeps");
    product
}

#[test]
fn an_agenda_built_while_jobs_are_in_every_state_has_ticks_do_what_a_scan_does() {
    for version in [Version::V2_10_0, Version::NEWEST] {
        let product = product(version);
        let mut root = product.superuser();
        execute(
            &mut root,
            &set("rules = 'autostop, autostart, failed, dormancy, delete'"),
        );
        execute(&mut root, "SELECT autobuild_attach()");
        // While the agenda is built, nothing else can be.
        product.refuse_builds_of("true");
        build(&mut root);
        product.execute("DROP TRIGGER refuse ON workspace_builds");
        let rows = "SELECT count(*) > 5 FROM autobuild_preview()";
        assert_eq!(value(&mut root, rows).as_deref(), Some("t"));
        tick_as_a_scan_would(&mut root, version);
        for later in ["90 minutes", "2 days"] {
            later_tick_as_a_scan_would(&mut root, version, later);
        }
        no_drift(&mut root);
        for change in [
            "completed_at = now(), error = NULL",
            "completed_at = now() - interval '3 hours', error = 'no room'",
            "completed_at = now() - interval '3 hours', canceled_at = now() - interval '3 hours'",
        ] {
            product.execute(&format!(
                "UPDATE provisioner_jobs SET {change} WHERE id IN (
                     SELECT id FROM provisioner_jobs WHERE completed_at IS NULL
                      ORDER BY id LIMIT 15)"
            ));
            tick_as_a_scan_would(&mut root, version);
        }
        no_drift(&mut root);
    }
}
