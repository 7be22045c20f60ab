//! The harness keeps its own promises: servers end with their tests, builders fill
//! what the version has.

mod interface;
mod invariants;
mod product_schema;
mod provisioner;

use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use workspace_autobuild_tests::product::{Fields, HOUR, Value, parameter};
use workspace_autobuild_tests::{
    Product, SOON, Server, StopMode, Transition, Version, await_until,
};

fn alive(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}/cwd")).read_link().is_ok()
}

#[test]
fn a_dropped_server_is_gone_with_its_folder() {
    let server = Server::options().start();
    let (folder, pid) = (server.folder().to_owned(), server.pid().expect("it runs"));
    assert!(folder.exists());
    drop(server);
    assert!(!folder.exists());
    assert!(!alive(pid.as_raw_nonzero().get()));
}

#[test]
fn a_server_does_not_outlive_a_panic() {
    let mut folder = None;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let server = Server::options().start();
        folder = Some(server.folder().to_owned());
        panic!("as a failing assertion would");
    }));
    assert!(result.is_err());
    assert!(!folder.expect("the server started").exists());
}

#[test]
fn a_server_does_not_outlive_its_killed_process() {
    let mut process = Command::new(env!("CARGO_BIN_EXE_serve"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("serve runs");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("a pipe"))
        .read_line(&mut line)
        .expect("a line");
    let folder = line.split(' ').nth(2).expect("psql -h FOLDER ...");
    let pid_file = std::fs::read_to_string(Path::new(folder).join("data/postmaster.pid"))
        .expect("the server runs");
    let pid: i32 = pid_file
        .lines()
        .next()
        .and_then(|pid| pid.parse().ok())
        .expect("a number");
    assert!(alive(pid));
    process.kill().expect("it can be killed");
    process.wait().expect("it can be waited for");
    await_until("the server is gone", SOON, || !alive(pid));
    await_until("its folder is gone", SOON, || !Path::new(folder).exists());
}

#[test]
fn a_server_keeps_its_data_over_stop_crash_and_kill() {
    let mut server = Server::options().start();
    server
        .client("postgres")
        .batch_execute("CREATE TABLE kept (n int)")
        .expect("a table can be made");
    type Break = fn(&mut Server);
    let ways: [Break; 3] = [
        |server| server.restart(StopMode::Fast),
        |server| server.restart(StopMode::Immediate),
        |server| {
            server.kill();
            server.start();
        },
    ];
    for way in ways {
        way(&mut server);
        let rows = server
            .client("postgres")
            .query("SELECT * FROM kept", &[])
            .expect("the table is there");
        assert!(rows.is_empty());
    }
    assert!(
        server
            .log()
            .contains("database system was not properly shut down")
    );
}

#[test]
fn a_setting_changes_while_the_server_runs() {
    let server = Server::options().set("work_mem", "5MB").start();
    let mut client = server.client("postgres");
    let mut work_mem = || -> String {
        client
            .query_one("SHOW work_mem", &[])
            .expect("one row")
            .get(0)
    };
    assert_eq!(work_mem(), "5MB");
    server.set("work_mem", "7MB");
    await_until("the new setting", SOON, || work_mem() == "7MB");
}

#[test]
fn rows_can_be_made_at_every_version() {
    let server = Server::plain();
    for version in Version::ALL {
        let product = Product::install(server, version);
        let anna = product.user("anna").create();
        let template = product
            .template("docker")
            .set("failure_ttl", HOUR)
            .parameter(parameter("region").default("eu").options(&["eu", "us"]))
            .create();
        let workspace = template
            .workspace("dev")
            .owner(anna)
            .schedule("0 9 * * 1-5")
            .ttl(8 * HOUR)
            .create();
        workspace.build(Transition::Start).create();
        let build = workspace
            .build(Transition::Stop)
            .created_at("2024-02-01 10:00:00+00")
            .parameter("region", "us")
            .state(b"\x00state")
            .job_failed("boom")
            .create();
        assert_eq!(workspace.latest_build().id, build.id);
        let row = build.read();
        assert_eq!(row["build_number"], json!(2), "{version}");
        assert_eq!(row["transition"], json!("stop"));
        assert_eq!(row["initiator_id"], json!(anna.id));
        assert_eq!(row["provisioner_state"], json!("\\x007374617465"));
        assert_eq!(row["deadline"], json!("0001-01-01T00:00:00+00:00"));
        assert_eq!(build.read_job()["error"], json!("boom"));
        assert_eq!(build.read_parameters()["region"], "us");
        if version >= Version::V2_5_0 {
            assert_eq!(build.read_job()["job_status"], json!("failed"));
        }
    }
}

#[test]
fn a_column_that_the_version_lacks_is_an_error() {
    let server = Server::plain();
    let product = Product::install(server, Version::OLDEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").set("next_start_at", "2024-01-01");
    let message = catch_unwind(AssertUnwindSafe(|| workspace.create()))
        .err()
        .and_then(|panic| panic.downcast::<String>().ok())
        .expect("a panic with a message");
    assert_eq!(
        *message,
        "workspaces has no column next_start_at at 2023-06"
    );
}

#[test]
fn many_workspaces_are_made_at_once() {
    let server = Server::plain();
    for version in [Version::OLDEST, Version::NEWEST] {
        let product = Product::install(server, version);
        let template = product.template("docker").create();
        let ids = template
            .workspaces(2000, Transition::Start)
            .schedule(Value::sql("i % 60 || ' 9 * * *'"))
            .created_at("2024-02-01 09:00:00+00")
            .deadline(Value::sql(
                "'2024-02-01 10:00:00+00'::timestamptz + i * interval '1 second'",
            ))
            .parameter("number", Value::sql("i::text"))
            .create();
        assert_eq!(ids.len(), 2000);
        let found = product.rows(&format!(
            "SELECT w.autostart_schedule, b.transition, p.value,
                    b.deadline - b.created_at, j.input->>'workspace_build_id' = b.id::text
               FROM workspaces w JOIN workspace_builds b ON b.workspace_id = w.id
               JOIN provisioner_jobs j ON j.id = b.job_id AND j.completed_at IS NOT NULL
               JOIN workspace_build_parameters p ON p.workspace_build_id = b.id
              WHERE w.id = '{}'",
            ids[64]
        ));
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [[
                text("5 9 * * *"),
                text("start"),
                text("65"),
                text("01:01:05"),
                text("t")
            ]]
        );
    }
}
