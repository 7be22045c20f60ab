//! The invariants see what they are there to see.

use workspace_autobuild_tests::autobuild::with_outcome;
use workspace_autobuild_tests::invariants::Others;
use workspace_autobuild_tests::product::{Fields, Template, Workspace, parameter, texts};
use workspace_autobuild_tests::{Product, Provisioner, Server, Transition, Version, invariants};

/// What is broken of the builds, without the rows.
fn rules(product: &Product) -> Vec<String> {
    let broken = invariants::of_builds(product);
    let rule = |line: String| line.split(": ").nth(1).map(str::to_owned);
    broken.into_iter().filter_map(rule).collect()
}

/// A workspace with an automatic stop that nothing is wrong with.
fn whole<'p>(template: &Template<'p>) -> Workspace<'p> {
    let workspace = template.workspace("dev").create();
    workspace.build(Transition::Start).create();
    workspace
        .build(Transition::Stop)
        .set("reason", "autostop")
        .parameter("region", "eu")
        .create();
    workspace
}

const DEADLINE: &str = "2024-02-01 17:00:00+00";

/// A workspace that runs until [`DEADLINE`].
fn running(product: &Product) -> Workspace<'_> {
    let template = product.template("docker").create();
    template
        .workspace("dev")
        .create_started("2024-02-01 09:00:00+00", DEADLINE)
}

/// Breaks a product database's rows in one way.
type Break = fn(&Workspace<'_>);

#[test]
fn each_broken_rule_of_builds_is_seen() {
    let breaks: [(&str, Break); 6] = [
        ("a build has its job, and the job's input names it", |w| {
            w.latest_build().update_job("input", "{}");
        }),
        ("build numbers have no gap", |w| {
            w.latest_build().update("build_number", 7);
        }),
        (
            "an automatic build has each of its version's parameters and no other",
            |w| {
                w.build(Transition::Start)
                    .set("reason", "autostart")
                    .create();
            },
        ),
        (
            "an automatic build has each of its version's parameters and no other",
            |w| {
                let start = w.build(Transition::Start).set("reason", "autostart");
                let start = start.parameter("region", "eu");
                start.parameter("gone", "x").create();
            },
        ),
        (
            "a workspace has at most one job that is not complete",
            |w| {
                w.build(Transition::Start).job_pending().create();
                w.build(Transition::Stop).job_running().create();
            },
        ),
        (
            "an automatic build repeats no build, unless that one failed",
            |w| {
                let stop = w.build(Transition::Stop).set("reason", "autostop");
                stop.parameter("region", "eu").create();
            },
        ),
    ];
    for version in [Version::OLDEST, Version::NEWEST] {
        for (rule, break_it) in breaks {
            let product = Product::install(Server::plain(), version);
            let template = product
                .template("docker")
                .parameter(parameter("region").default("eu"))
                .create();
            let workspace = whole(&template);
            assert_eq!(rules(&product), Vec::<String>::new(), "{version}");
            break_it(&workspace);
            assert_eq!(rules(&product), [rule], "{version}");
        }
    }
}

#[test]
fn a_job_without_its_build_is_seen() {
    let product = Product::install(Server::plain(), Version::NEWEST);
    let template = product.template("docker").create();
    let build = template
        .workspace("dev")
        .create()
        .build(Transition::Start)
        .create();
    product.execute(&format!(
        "DELETE FROM workspace_builds WHERE id = '{}'",
        build.id
    ));
    assert_eq!(rules(&product), ["a build job has its build"]);
}

#[test]
fn a_failed_stop_may_be_repeated() {
    let product = Product::install(Server::plain(), Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    let stop = || workspace.build(Transition::Stop).set("reason", "autostop");
    stop().job_failed("boom").create();
    stop().create();
    assert_eq!(rules(&product), Vec::<String>::new());
}

#[test]
fn a_history_that_disagrees_with_the_builds_is_seen() {
    let product = Product::with_extension(Server::shared(), Version::NEWEST);
    let workspace = running(&product);
    let mut client = product.superuser();
    let built = product.tick(DEADLINE);
    assert_eq!(with_outcome(&built, "built"), [workspace.id]);
    assert_eq!(workspace.latest_build().number, 2);
    Provisioner::of(&product).work();
    invariants::check(&product);

    let mut lines = |change: &str| {
        texts(&mut client, &format!("BEGIN; {change}; COMMIT"));
        invariants::of_history(&product).len()
    };
    let rename = |from, to| {
        format!("UPDATE autobuild_transitions SET reason = '{to}' WHERE reason = '{from}'")
    };
    assert_eq!(lines(&rename("autostop", "failed")), 1);
    assert_eq!(lines(&rename("failed", "autostop")), 0);
    assert_eq!(lines("UPDATE autobuild_ticks SET due = due"), 0);
    assert_eq!(lines("UPDATE autobuild_ticks SET built = 2"), 1);
    assert_eq!(lines("UPDATE autobuild_ticks SET built = 1"), 0);
    // The build has none, and the tick's number has none.
    assert_eq!(lines("DELETE FROM autobuild_transitions"), 2);
}

#[test]
fn rows_of_others_that_change_are_seen() {
    let product = Product::with_extension(Server::shared(), Version::NEWEST);
    let workspace = running(&product);
    let others = Others::of(&product);
    assert_eq!(product.tick(DEADLINE).len(), 1);
    others.check(&product);
    workspace.update("next_start_at", "2024-02-01 18:00:00+00");
    others.check(&product);
    for (table, change) in [
        ("workspaces", "UPDATE workspaces SET ttl = 7"),
        ("templates", "UPDATE templates SET description = 'x'"),
        (
            "workspace_builds",
            "UPDATE workspace_builds SET daily_cost = 7 WHERE build_number = 1",
        ),
    ] {
        let before = Others::of(&product);
        product.execute(change);
        assert_ne!(Others::of(&product), before, "{table}");
    }
}

#[test]
fn what_is_left_behind_and_an_agenda_that_is_wrong_are_seen() {
    // Locks are looked for in the whole server, in which other tests' sessions come and go.
    let server = Server::options_without_worker().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    running(&product);
    let mut client = product.superuser();
    texts(&mut client, "SELECT autobuild_attach()");
    // The first notes that the agenda is to be built, the second builds it.
    for _ in 0..2 {
        product.tick("2024-02-01 10:00:00+00");
    }
    assert_eq!(
        texts(&mut client, "SELECT ready FROM autobuild_agenda_state"),
        [[Some("t".to_owned())]]
    );
    assert_eq!(
        invariants::of_quiet_database(&mut client),
        Vec::<String>::new()
    );
    texts(&mut client, "CREATE TEMP TABLE left_behind ()");
    let found = invariants::of_quiet_database(&mut client);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("left_behind"), "{found:?}");
    texts(&mut client, "DROP TABLE left_behind");
    texts(&mut client, "DELETE FROM autobuild_agenda");
    let found = invariants::of_quiet_database(&mut client);
    assert_eq!(found.len(), 2, "now and a day ahead: {found:?}");
    assert!(found[0].contains("only scan"), "{found:?}");
}
