//! What the tests of several rules share.

use postgres::Client;
use workspace_autobuild_tests::Server;
use workspace_autobuild_tests::autobuild::{HOURLY, STOPPED};
use workspace_autobuild_tests::product::{OWNER, Template, Workspace, ensure_owner};
use workspace_autobuild_tests::server::SUPERUSER;

/// When everything ended: builds, use, dormancy.
pub(crate) const THEN: &str = "2024-02-01 10:00:00+00";

/// A tick's time after [`THEN`].
pub(crate) fn after(interval: &str) -> String {
    format!("2024-02-01 {interval}+00")
}

/// A workspace that was stopped at [`STOPPED`], and starts at [`RUN`] by its schedule.
///
/// [`RUN`]: workspace_autobuild_tests::autobuild::RUN
pub(crate) fn stopped<'p>(template: &Template<'p>, name: &str) -> Workspace<'p> {
    let workspace = template.workspace(name).schedule(HOURLY);
    workspace.create_stopped(STOPPED)
}

/// A session in a database of the test's own, with the extension and without a product.
pub(crate) fn without_product(database: &str) -> Client {
    let server = Server::shared();
    ensure_owner(&mut server.client(SUPERUSER));
    server.create_database(database, OWNER);
    let mut session = server.client(database);
    session
        .batch_execute("CREATE EXTENSION \"workspace-autobuild\"")
        .expect("CREATE EXTENSION");
    session
}
