//! History has the number of each build, also of one that could not be made: the product's
//! executor may make just that one.

use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::autobuild::{
    Attempt, NINE, Operator, TODAY_AT_NINE, VERSIONS, YESTERDAY, on_versions,
};
use workspace_autobuild_tests::product::{Fields, MINUTE, Template, Workspace};
use workspace_autobuild_tests::{Product, Transition};

/// A workspace that is due to start, whose latest build has this number.
fn stopped_as<'p>(template: &Template<'p>, number: i32) -> Workspace<'p> {
    let workspace = template
        .workspace(&format!("after {number}"))
        .schedule(NINE)
        .create();
    let build = workspace.build(Transition::Stop).created_at(YESTERDAY);
    build.number(number).create();
    workspace
}

/// The only row of a tick: it is what was foreseen, and what history then has.
#[track_caller]
fn recorded(product: &Product, operator: &Operator<'_>) -> Attempt {
    let foreseen = operator.preview(TODAY_AT_NINE);
    let mut rows = operator.tick(TODAY_AT_NINE);
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = rows.remove(0);
    let history = operator.rows("SELECT outcome, build_number FROM autobuild_transitions");
    let number = row.build_number.map(|number| number.to_string());
    let version = product.version();
    assert_eq!(history, [[Some(row.outcome.clone()), number]], "{version}");
    if row.outcome != "failed" {
        assert_eq!(foreseen, [row.foreseen()], "{version}");
    }
    row
}

#[test]
fn a_blocked_build_has_the_number_that_it_would_have_had() {
    on_versions(&VERSIONS, |product, operator| {
        let broken = product
            .template("broken")
            .version(|version| version.import_failed("no"))
            .create();
        stopped_as(&broken, 7);
        let row = recorded(product, operator);
        assert_eq!(row.to_string(), "start autostart blocked import_job_failed");
        assert_eq!((row.build_id, row.build_number), (None, Some(8)));
    });
}

#[test]
fn a_failed_build_has_the_number_that_it_would_have_had() {
    on_versions(&VERSIONS, |product, operator| {
        stopped_as(&product.template("docker").create(), 7);
        product.execute("ALTER TABLE workspace_builds ADD CHECK (build_number < 8)");
        let row = recorded(product, operator);
        assert_eq!(row.to_string(), "start autostart failed 23514");
        assert_eq!((row.build_id, row.build_number), (None, Some(8)));
    });
}

#[test]
fn where_numbers_are_used_up_there_is_none() {
    on_versions(&[Version::NEWEST], |product, operator| {
        stopped_as(&product.template("docker").create(), i32::MAX);
        let row = recorded(product, operator);
        assert_eq!(
            row.to_string(),
            "start autostart blocked build_numbers_used_up"
        );
        assert_eq!(row.build_number, None);
    });
}

#[test]
fn a_mark_alone_that_is_blocked_has_no_number() {
    on_versions(&[Version::NEWEST], |product, operator| {
        let template = product
            .template("docker")
            .set("time_til_dormant", MINUTE)
            .create();
        let workspace = template.workspace("unused").set("last_used_at", YESTERDAY);
        workspace.create_stopped(YESTERDAY);
        product.execute("DELETE FROM provisioner_daemons");
        let row = recorded(product, operator);
        assert_eq!(row.to_string(), "dormant dormancy blocked no_provisioner");
        assert_eq!(row.build_number, None);
    });
}
