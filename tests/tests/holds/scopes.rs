//! Whom a hold covers, and which transitions.

use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::autobuild::{
    HOURLY, NOTHING, START, STOP, STOPPED, install, on_each_version,
};
use workspace_autobuild_tests::product::Fields;

use super::support::*;

#[test]
fn a_hold_covers_those_of_its_scope_and_nobody_else() {
    on_each_version(|product, operator| {
        let elsewhere = product.new_organization("elsewhere").create();
        product.daemon("elsewhere").organization(elsewhere).create();
        let one = product.template("one").create();
        let other = product.template("other").organization(elsewhere).create();
        let ada = product.user("ada").create();
        let grace = product.user("grace").create();
        let held = one
            .workspace("held")
            .owner(ada)
            .create_started(STOPPED, "2024-02-01 11:30:00+00");
        let free = other
            .workspace("free")
            .owner(grace)
            .set("organization_id", elsewhere.id)
            .create_started(STOPPED, "2024-02-01 11:30:00+00");
        let organization = product.organization().id;
        for (scope, id) in [
            ("workspace", held.id),
            ("owner", ada.id),
            ("template", one.id),
            ("organization", organization),
        ] {
            forget(operator);
            hold(
                operator,
                &format!("'{scope}', '{id}', '2024-02-01 11:00+00'"),
            );
            assert_eq!(operator.outcome(&held, NOON), NOTHING, "{scope}");
            assert_eq!(operator.outcome(&free, NOON), STOP, "{scope}");
        }
        forget(operator);
        hold(operator, "'all', NULL, '2024-02-01 11:00+00'");
        assert_eq!(operator.outcome(&held, NOON), NOTHING);
        assert_eq!(operator.outcome(&free, NOON), NOTHING);
    });
}

#[test]
fn a_hold_of_some_transitions_lets_the_others_be_made() {
    let product = install(Version::NEWEST);
    let template = product.template("docker").create();
    let running = overdue(&template, "running");
    let stopped = template.workspace("stopped");
    let stopped = stopped.schedule(HOURLY).create_stopped(STOPPED);
    let operator = product.operator();
    for (transitions, start, stop) in [
        ("ARRAY['start']", NOTHING, STOP),
        ("ARRAY['stop']", START, NOTHING),
        ("ARRAY['delete', 'dormant']", START, STOP),
        ("ARRAY['start', 'stop']", NOTHING, NOTHING),
        ("NULL", NOTHING, NOTHING),
    ] {
        forget(&operator);
        hold(
            &operator,
            &format!("'all', NULL, '2024-02-01 10:00+00', transitions => {transitions}"),
        );
        assert_eq!(operator.outcome(&stopped, NOON), start, "{transitions}");
        assert_eq!(operator.outcome(&running, NOON), stop, "{transitions}");
    }
}
