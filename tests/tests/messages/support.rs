//! What the tests of messages share.

use uuid::Uuid;
use workspace_autobuild_tests::autobuild::{NINE, YESTERDAY, since};
use workspace_autobuild_tests::product::{Fields, HOUR, MINUTE, Template, Workspace};
use workspace_autobuild_tests::{Operator, Product, Transition, Version};

pub(crate) const URL: &str = "https://coder.example.com";
/// When running workspaces were started.
pub(crate) const STARTED: &str = "2024-03-05 08:00:00+00";
/// Their deadline.
pub(crate) const DEADLINE: &str = "2024-03-05 12:00:00+00";
/// Within half an hour of it.
pub(crate) const BEFORE_IT: &str = "2024-03-05 11:45:00+00";

/// Runs a test on each version that keeps messages, with its notices and owners to be told.
#[track_caller]
pub(crate) fn with_messages(test: impl Fn(&Product, &Operator<'_>)) {
    with_messages_since(Version::V2_15_0, test);
}

/// As [`with_messages`], on the versions from one on.
#[track_caller]
pub(crate) fn with_messages_since(first: Version, test: impl Fn(&Product, &Operator<'_>)) {
    for version in since(first) {
        let product = workspace_autobuild_tests::autobuild::install(version);
        product.add_notices();
        let operator = product.operator();
        tell(&operator);
        test(&product, &operator);
    }
}

/// Owners are told in this session.
pub(crate) fn tell(operator: &Operator<'_>) {
    operator.set("notify_owners", "on");
    operator.set("access_url", URL);
}

/// Somebody with a name and an address.
pub(crate) fn ada(product: &Product) -> Uuid {
    let mut ada = product.user("ada").set("email", "ada@example.com");
    ada = ada.set_if_there("name", "Ada Lovelace");
    ada.create().id
}

/// A workspace of somebody's, due to start at nine on another version than it had.
pub(crate) fn to_be_updated<'p>(template: &Template<'p>, owner: Uuid, name: &str) -> Workspace<'p> {
    let workspace = template
        .workspace(name)
        .owner_id(owner)
        .schedule(NINE)
        .set("automatic_updates", "always")
        .create();
    let build = workspace.build(Transition::Stop).created_at(YESTERDAY);
    build.create();
    workspace
}

/// A template whose second version is the active one.
pub(crate) fn renewed<'p>(product: &'p Product, message: &str) -> Template<'p> {
    let template = product.template("docker").create();
    let second = template.new_version("second").set("message", message);
    second.create().activate();
    template
}

/// A workspace of somebody's that nobody uses, stopped or running, with half a year until it
/// is to be deleted.
pub(crate) fn forgotten<'p>(
    product: &'p Product,
    owner: Uuid,
    name: &str,
    build: Transition,
) -> Workspace<'p> {
    let template = product
        .template(&format!("of {name}"))
        .set("time_til_dormant", 7 * 24 * HOUR)
        .set("time_til_dormant_autodelete", 180 * 24 * HOUR)
        .create();
    let workspace = template.workspace(name).owner_id(owner).create();
    workspace.build(build).created_at(STARTED).create();
    workspace
}

/// A template that reminds half an hour before a deadline.
pub(crate) fn reminding(product: &Product) -> Template<'_> {
    product
        .template("docker")
        .set("time_til_autostop_notify", 30 * MINUTE)
        .create()
}

/// A workspace of somebody's that runs until [`DEADLINE`].
pub(crate) fn running<'p>(template: &Template<'p>, owner: Uuid, name: &str) -> Workspace<'p> {
    template
        .workspace(name)
        .owner_id(owner)
        .set("last_used_at", STARTED)
        .create_started(STARTED, DEADLINE)
}
