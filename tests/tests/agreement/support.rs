//! What these tests share: rows of the history and builds of the product's executor, minutes
//! ago, and what the comparison makes of them.

use postgres::Client;
use workspace_autobuild_tests::product::{Fields, Value, Workspace, execute, texts, value};
use workspace_autobuild_tests::{Product, Transition};

/// An SQL expression for so long ago.
pub fn ago(time: &str) -> String {
    format!("now() - interval '{time}'")
}

/// A row of the history, as a tick would have written it; `more` are further columns with
/// their values, as in SQL.
#[track_caller]
pub fn history(
    workspace: &Workspace<'_>,
    number: i32,
    what: &str,
    outcome: &str,
    time: &str,
    more: &[(&str, &str)],
) {
    let (transition, reason) = what.split_once(' ').expect("a transition and a reason");
    let names: String = more.iter().map(|(name, _)| format!(", {name}")).collect();
    let values: String = more.iter().map(|(_, value)| format!(", {value}")).collect();
    execute(
        &mut workspace.product().superuser(),
        &format!(
            "INSERT INTO autobuild_transitions
                    (tick_id, decided_at, workspace_id, transition, reason, due_at, outcome,
                     build_number{names})
             VALUES (1, {at}, '{id}', '{transition}', '{reason}', {at}, '{outcome}',
                     {number}{values})",
            at = ago(time),
            id = workspace.id,
        ),
    );
}

/// Ours would have made this.
#[track_caller]
pub fn observed(workspace: &Workspace<'_>, number: i32, what: &str, time: &str) {
    history(workspace, number, what, "observed", time, &[]);
}

/// A build; by its reason it is the product's executor's or a user's.
#[track_caller]
pub fn built(workspace: &Workspace<'_>, number: i32, what: &str, time: &str) -> uuid::Uuid {
    let (transition, reason) = what.split_once(' ').expect("a transition and a reason");
    let transition = match transition {
        "start" => Transition::Start,
        "stop" => Transition::Stop,
        _ => Transition::Delete,
    };
    let build = workspace.build(transition).number(number);
    let build = build.created_at(Value::sql(ago(time)));
    build.set("reason", reason).create().id
}

/// The rows since so long ago, in words; `until` an SQL expression.
#[track_caller]
pub fn agreement(client: &mut Client, since: &str, until: &str) -> Vec<String> {
    let sql = format!(
        "SELECT concat_ws(' ', build_number, transition, reason, verdict,
                          extract(epoch FROM apart)::int, code)
           FROM autobuild_agreement({}, {until})",
        ago(since)
    );
    texts(client, &sql)
        .into_iter()
        .flatten()
        .flatten()
        .collect()
}

/// All rows of the last day.
#[track_caller]
pub fn of_a_day(product: &Product) -> Vec<String> {
    agreement(&mut product.superuser(), "1 day", "now()")
}

/// A column of the only row of the last day.
#[track_caller]
pub fn detail(product: &Product) -> Option<String> {
    let sql = format!("SELECT detail FROM autobuild_agreement({})", ago("1 day"));
    let mut rows = texts(&mut product.superuser(), &sql);
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0).remove(0)
}

/// The summary's sentence since so long ago.
#[track_caller]
pub fn sentence_of(client: &mut Client, since: &str) -> String {
    let sql = format!(
        "SELECT sentence FROM autobuild_agreement_summary({})",
        ago(since)
    );
    value(client, &sql).expect("a sentence")
}

/// The same of the last day.
#[track_caller]
pub fn sentence(product: &Product) -> String {
    sentence_of(&mut product.superuser(), "1 day")
}
