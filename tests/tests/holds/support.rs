//! What the tests of holds share.

use workspace_autobuild_tests::Operator;
use workspace_autobuild_tests::autobuild::STOPPED;
use workspace_autobuild_tests::product::{Template, Workspace};

/// A tick.
pub const NOON: &str = "2024-02-01 12:00:00+00";

/// A workspace whose deadline has passed by [`NOON`].
pub fn overdue<'p>(template: &Template<'p>, name: &str) -> Workspace<'p> {
    let workspace = template.workspace(name);
    workspace.create_started(STOPPED, "2024-02-01 11:30:00+00")
}

/// Makes a hold with these arguments; its number.
#[track_caller]
pub fn hold(operator: &Operator<'_>, arguments: &str) -> String {
    let rows = operator.rows(&format!("SELECT autobuild_hold({arguments})"));
    rows[0][0].clone().expect("a number")
}

/// As if no hold had ever been made.
#[track_caller]
pub fn forget(operator: &Operator<'_>) {
    operator.execute("DELETE FROM autobuild_holds_made");
}

/// A time as a preview writes it.
pub fn shown(at: &str) -> Option<String> {
    Some(format!("2024-02-{at}+00:00"))
}
