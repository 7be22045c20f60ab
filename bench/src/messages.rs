//! What telling owners costs a storm: starts onto a new version without messages, with one for
//! each start, and with two (by mail and for the inbox).

use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::product::facts::Facts;
use workspace_autobuild_tests::product::{Notice, Row};

use crate::Config;
use crate::data::{statement, tick_of};
use crate::measure::Samples;
use crate::report::Report;
use crate::server::{Bench, Copy};
use crate::tick::{attach, tick};
use crate::versions::{push, starts};

const TOLD: &str = "SET workspace_autobuild.notify_owners = on;
     SET workspace_autobuild.access_url = 'https://coder.example.com'";

/// Storms of starts by tick of the agenda, three kinds in turn.
pub(crate) fn run(config: &Config, bench: &Bench, report: &mut Report) {
    let Some(&due) = config.storms.last() else {
        return;
    };
    let slots = bench.slots_of(due);
    let Some(&first) = slots.first() else {
        return;
    };
    let mut notice = Row::new("notification_templates");
    notice
        .set("id", Notice::Updated.id())
        .set("name", "Moved to a new version")
        .set(
            "actions",
            r#"[{"label": "Go", "url": "{{base_url}}/@{{.UserUsername}}/{{.Labels.name}}"}]"#,
        );
    let notice = notice.insert(&Facts::of(Version::V2_34_3), "");
    let copies = [bench.copy(), bench.copy(), bench.copy()];
    let mut clients = copies.each_ref().map(Copy::connect);
    let mut samples = [Samples::default(), Samples::default(), Samples::default()];
    for (kind, client) in clients.iter_mut().enumerate() {
        statement(client, &notice);
        starts(client, due);
        push(client);
        if kind > 0 {
            statement(client, TOLD);
        }
        if kind == 1 {
            statement(client, "SET workspace_autobuild.notification_inbox = off");
        }
        attach(client);
        tick(client, &tick_of(first.saturating_sub(1)));
    }
    for (turn, slot) in slots.into_iter().enumerate() {
        for place in 0..clients.len() {
            let kind = (place + turn) % clients.len();
            let (Some(client), Some(samples)) = (clients.get_mut(kind), samples.get_mut(kind))
            else {
                continue;
            };
            let count = "SELECT count(*) FROM notification_messages";
            let queued = |client: &mut postgres::Client| -> i64 {
                let row = client.query_one(count, &[]);
                row.unwrap_or_else(|e| panic!("{count}: {e:?}")).get(0)
            };
            let before = queued(client);
            bench.settle();
            let (took, built) = tick(client, &tick_of(slot));
            assert_eq!(built, due, "built in slot {slot}");
            let told = queued(client) - before;
            assert_eq!(told, i64::from(due) * i64::try_from(kind).unwrap_or(0));
            samples.add(took);
        }
    }
    let [silent, one, two] = samples;
    let what = format!("storm of {due} starts, new version");
    report.add(bench.size, &what, "nobody told", "ms", silent.scaled(1e3));
    for (how, of) in [("a message each", one), ("two messages each", two)] {
        report.add(bench.size, &what, how, "ms", of.scaled(1e3));
        report.ratio(of.median() / silent.median(), "x nobody told");
    }
}
