//! Brakes: of one kind of transition no more than a share of all workspaces within an hour, by
//! hand, by a timer and by the worker, until `autobuild_resume()`.

mod by_hand;
mod cost;
mod told;
mod worker;

use postgres::Client;
use uuid::Uuid;
use workspace_autobuild_tests::autobuild::{Attempt, HOURLY};
use workspace_autobuild_tests::product::{Fields, MINUTE, Value, texts};
use workspace_autobuild_tests::{Product, Transition};

/// The kinds of transitions that have a brake.
const KINDS: [&str; 4] = ["start", "stop", "delete", "dormant"];

/// All rules.
const RULES: &str = "autostop, autostart, failed, dormancy, delete, remind";

/// The rest of what a brake is on about.
const BRAKED: &str = "blocked braked";

/// So many workspaces of which this transition is due now, each longer than the one before.
fn many(product: &Product, kind: &str, count: u32) -> Vec<Uuid> {
    let ago = |minutes: u32| {
        Value::sql(format!(
            "now() - interval '{minutes} min' - i * interval '1 s'"
        ))
    };
    let template = product.template(&format!("{kind} {}", Uuid::new_v4().simple()));
    let bulk = match kind {
        "start" => {
            let bulk = template.create().workspaces(count, Transition::Stop);
            bulk.schedule(HOURLY).created_at(ago(180))
        }
        "stop" => {
            let bulk = template.create().workspaces(count, Transition::Start);
            bulk.deadline(ago(60))
        }
        "delete" => {
            let template = template.set("time_til_dormant_autodelete", MINUTE).create();
            let bulk = template.workspaces(count, Transition::Stop);
            bulk.set("dormant_at", ago(120)).set("deleting_at", ago(60))
        }
        "dormant" => {
            let template = template.set("time_til_dormant", MINUTE).create();
            let bulk = template.workspaces(count, Transition::Stop);
            bulk.set("last_used_at", ago(60))
        }
        other => panic!("no transition: {other}"),
    };
    bulk.create()
}

/// So many workspaces for which nothing is due.
fn idle(product: &Product, count: u32) {
    let template = product.template("idle").create();
    template.workspaces(count, Transition::Stop).create();
}

/// How many attempts at a kind ended so.
fn ended(attempts: &[Attempt], kind: &str, how: &str) -> usize {
    attempts
        .iter()
        .filter(|attempt| {
            attempt.transition == kind && attempt.to_string().ends_with(&format!(" {how}"))
        })
        .count()
}

/// The kinds whose brake is on.
fn on(client: &mut Client) -> Vec<String> {
    let sql = "SELECT transition FROM autobuild_brakes WHERE released_at IS NULL ORDER BY 1";
    texts(client, sql).into_iter().flatten().flatten().collect()
}
