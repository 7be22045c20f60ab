//! What telling owners costs a storm: starts onto a new version without messages, with one for
//! each start, and with two (by mail and for the inbox).

use postgres::Client;
use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::product::facts::Facts;
use workspace_autobuild_tests::product::{Notice, Row};

use crate::Config;
use crate::data::{statement, tick_of};
use crate::measure::{Samples, timed};
use crate::report::Report;
use crate::server::{Bench, Copy};
use crate::tick::{attach, in_turn, tick};
use crate::versions::{push, starts};

/// For this session, and for the database: the status, by which it is seen that the agenda is
/// ready, has the worker's settings.
fn set(client: &mut Client, setting: &str, value: &str) {
    let assignment = format!("SET workspace_autobuild.{setting} = '{value}'");
    statement(
        client,
        &format!(
            "{assignment};
             DO $$ BEGIN EXECUTE format($f$ALTER DATABASE %I {assignment}$f$, current_database());
             END $$"
        ),
    );
}

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
    for (kind, client) in clients.iter_mut().enumerate() {
        statement(client, &notice);
        // A new version of these needs no proof.
        statement(
            client,
            "UPDATE templates SET use_classic_parameter_flow = true",
        );
        starts(client, due);
        push(client);
        if kind > 0 {
            set(client, "notify_owners", "on");
            set(client, "access_url", "https://coder.example.com");
        }
        if kind == 1 {
            set(client, "notification_inbox", "off");
        }
        attach(client);
        tick(client, &tick_of(first.saturating_sub(1)));
    }
    let samples = in_turn(bench, &mut clients, slots, due, |kind, client| {
        let before = queued(client);
        let wanted = i64::from(due) * i64::try_from(kind).unwrap_or(0);
        move |client: &mut Client| assert_eq!(queued(client) - before, wanted)
    });
    let bare = clients.last_mut().map(bare_inserts).unwrap_or_default();
    let [silent, one, two] = samples;
    let what = format!("storm of {due} starts, new version");
    report.add(bench.size, &what, "nobody told", "ms", silent.scaled(1e3));
    for (how, of) in [("a message each", one), ("two messages each", two)] {
        report.add(bench.size, &what, how, "ms", of.scaled(1e3));
        report.ratio(of.median() / silent.median(), "x nobody told");
    }
    let how = "these two inserted alone";
    report.add(bench.size, &what, how, "ms", bare.scaled(1e3));
    report.ratio(bare.median() / silent.median(), "x nobody told");
}

/// The rows of messages.
fn queued(client: &mut Client) -> i64 {
    let count = "SELECT count(*) FROM notification_messages";
    let row = client.query_one(count, &[]);
    row.unwrap_or_else(|e| panic!("{count}: {e:?}")).get(0)
}

/// The messages of one storm once more, as of other days: what the product's own triggers,
/// keys and indexes cost.
fn bare_inserts(client: &mut Client) -> Samples {
    statement(
        client,
        "CREATE TEMP TABLE told AS SELECT * FROM notification_messages
          WHERE created_at > (SELECT max(created_at) FROM notification_messages)
                             - interval '10 seconds'",
    );
    let mut samples = Samples::default();
    for day in 1..=3 {
        let (took, ()) = timed(|| {
            statement(
                client,
                &format!(
                    "INSERT INTO notification_messages
                            (id, notification_template_id, user_id, method, payload, targets,
                             created_by, created_at)
                     SELECT gen_random_uuid(), notification_template_id, user_id, method,
                            payload, targets, created_by, created_at + {day} * interval '1 day'
                       FROM told"
                ),
            );
        });
        samples.add(took);
    }
    samples
}
