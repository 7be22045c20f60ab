//! Failed builds: stopped once `failure_ttl` has passed, to the microsecond; on the schemas
//! that have the rule, and nothing on the first.

use workspace_autobuild_tests::autobuild::{STOP, on_each_version, on_versions, since};
use workspace_autobuild_tests::product::{Fields, MINUTE};
use workspace_autobuild_tests::{NOTHING, Transition, Version};

use super::support::{THEN, after};

#[test]
fn a_failed_start_or_stop_is_stopped_once_failure_ttl_has_passed() {
    on_each_version(|product, operator| {
        for (n, transition) in [Transition::Start, Transition::Stop]
            .into_iter()
            .enumerate()
        {
            let template = product
                .template(&format!("t{n}"))
                .set("failure_ttl", MINUTE)
                .create();
            let workspace = template.workspace(&format!("dev{n}")).create();
            let build = workspace
                .build(transition)
                .created_at(THEN)
                .deadline("2024-02-01 10:00:30+00")
                .job_failed("boom");
            let build = build.create();
            let stop = if product.version() == Version::OLDEST {
                NOTHING
            } else {
                STOP
            };
            // Not at the end of the TTL: after it.
            assert_eq!(operator.outcome(&workspace, &after("09:58")), NOTHING);
            assert_eq!(operator.outcome(&workspace, &after("10:01")), NOTHING);
            assert_eq!(operator.outcome(&workspace, &after("10:02")), stop);
            if product.version() == Version::OLDEST {
                assert_eq!(operator.skip(&workspace, &after("10:02")), "build_failed");
            } else {
                build.update_job("completed_at", "2024-02-01 09:59:59.999999+00");
                assert_eq!(operator.outcome(&workspace, &after("10:01")), stop);
            }
        }
    });
}

#[test]
fn a_failed_stop_is_left_alone_where_the_operator_says_so() {
    on_versions(&since(Version::V2_0_0), |product, operator| {
        let template = product
            .template("docker")
            .set("failure_ttl", MINUTE)
            .create();
        let [start, stop] = [Transition::Start, Transition::Stop].map(|transition| {
            let workspace = template.workspace(transition.name()).create();
            workspace
                .build(transition)
                .created_at(THEN)
                .job_failed("boom")
                .create();
            workspace
        });
        operator.set("failed_stop_retry", "off");
        assert_eq!(operator.outcome(&stop, &after("12:00")), NOTHING);
        assert_eq!(
            operator.skip(&stop, &after("12:00")),
            "failed_stop_not_retried"
        );
        assert_eq!(operator.outcome(&start, &after("12:00")), STOP);
    });
}

#[test]
fn a_canceled_build_did_not_fail() {
    on_each_version(|product, operator| {
        let template = product
            .template("docker")
            .set("failure_ttl", MINUTE)
            .create();
        let workspace = template.workspace("dev").create();
        workspace
            .build(Transition::Start)
            .created_at(THEN)
            .job_canceled()
            .create();
        assert_eq!(operator.outcome(&workspace, &after("12:00")), NOTHING);
    });
}
