//! What the tests of builds share.

use uuid::Uuid;
use workspace_autobuild_tests::Transition;
use workspace_autobuild_tests::autobuild::{NINE, YESTERDAY};
use workspace_autobuild_tests::product::{NewTemplate, Workspace};

/// A workspace with values of parameters that is due to start at [`TODAY_AT_NINE`].
///
/// [`TODAY_AT_NINE`]: workspace_autobuild_tests::autobuild::TODAY_AT_NINE
pub(crate) fn due<'p>(template: NewTemplate<'p>, values: &[(&str, &str)]) -> Workspace<'p> {
    let name = Uuid::new_v4().to_string();
    let workspace = template.create().workspace(&name).schedule(NINE).create();
    let build = workspace.build(Transition::Stop).created_at(YESTERDAY);
    values
        .iter()
        .fold(build, |build, (name, value)| build.parameter(name, value))
        .create();
    workspace
}
