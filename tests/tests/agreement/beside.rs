//! The worker observes beside an executor of the product's shape, on a clock that the test
//! moves: the two agree, and what they don't agree on has its reason.

use std::time::SystemTime;

use workspace_autobuild_tests::product::{Fields, HOUR, Value, execute, texts, value};
use workspace_autobuild_tests::server::clock::Clock;
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{Product, ProductExecutor, SOON, Transition, Version, await_until};

use super::support::*;

/// Of each kind of workspace.
const EACH: u32 = 20;

/// Workspaces to stop, to start, and to stop and mark as dormant.
fn crowd(product: &Product) {
    let past = Value::sql("now() - interval '2 hours'");
    let template = product.template("docker").create();
    template
        .workspaces(EACH, Transition::Start)
        .deadline(past.clone())
        .create();
    template
        .workspaces(EACH, Transition::Stop)
        .schedule("0 * * * *")
        .created_at(past.clone())
        .create();
    let unused = product
        .template("unused")
        .set("time_til_dormant", HOUR)
        .create();
    unused
        .workspaces(EACH, Transition::Start)
        .set("last_used_at", past)
        .create();
}

#[test]
fn what_the_worker_observes_the_products_executor_then_makes() {
    let clock = Clock::new();
    let options = ticking().set("workspace_autobuild.action", "observe");
    let server = clock.of(options).start();
    let product = Product::install(&server, Version::NEWEST);
    crowd(&product);
    // Of these ours can't start one, and a user starts the other before the product's does.
    let past = Value::sql("now() - interval '2 hours'");
    let broken = product
        .template("broken")
        .version(|version| version.import_failed("no"))
        .create();
    let new = broken.workspace("broken").schedule("0 * * * *");
    new.create_stopped(past.clone());
    let fine = product.template("fine").create();
    let taken = fine.workspace("taken").schedule("0 * * * *");
    let taken = taken.create_stopped(past);
    product.create_extension();

    let mut client = product.superuser();
    let seen = "SELECT count(*) FILTER (WHERE outcome = 'observed'),
                       count(*) FILTER (WHERE outcome = 'blocked' AND build_number = 2)
                  FROM autobuild_transitions";
    let all = [Some((3 * EACH + 1).to_string()), Some("1".to_owned())];
    await_until("all is observed", SOON, || {
        texts(&mut client, seen) == [all.clone()]
    });
    let builds = "SELECT count(*) FROM workspace_builds WHERE build_number > 1";
    assert_eq!(
        product.value(builds).as_deref(),
        Some("0"),
        "it only observes"
    );

    taken
        .build(Transition::Start)
        .created_at(Value::sql("now()"))
        .create();
    let round = ProductExecutor::of(&product).round(SystemTime::now());
    let made = usize::try_from(3 * EACH + 1).expect("a few");
    assert_eq!((round.moved.len(), round.errors), (made, Vec::new()));
    let settled = "SELECT agreed + only_ours + only_product
                     FROM autobuild_agreement_summary(now() - interval '1 hour')";
    assert_eq!(
        value(&mut client, settled).as_deref(),
        Some("0"),
        "it is too young"
    );

    clock.set(200);
    let total = (3 * EACH + 2).to_string();
    await_until("the clock is seen", SOON, || {
        value(&mut client, settled).as_deref() == Some(&total)
    });
    let said = sentence(&product);
    let expected = format!(
        "{} of {total} agree, 1 only ours (1 of these overtaken by a user), 1 only the product's; ours ",
        3 * EACH
    );
    assert!(
        said.starts_with(&expected) && said.ends_with(" earlier at the median"),
        "{said}"
    );
    let others: Vec<String> = of_a_day(&product)
        .into_iter()
        .filter(|row| !row.contains(" both "))
        .collect();
    let expected = [
        "2 start autostart only_ours overtaken",
        "2 start autostart only_product import_job_failed",
    ];
    assert_eq!(others, expected);
    // The mark that goes with a stop is no transition of its own.
    let stops = "SELECT count(*) FROM autobuild_agreement(now() - interval '1 hour')
                  WHERE reason = 'dormancy' AND transition = 'stop' AND verdict = 'both'";
    assert_eq!(value(&mut client, stops), Some(EACH.to_string()));

    // Once what is blocked is mended, and nobody disagrees, all is ready.
    let failing = "SELECT string_agg(item, ' ') FROM autobuild_ready() WHERE ok IS NOT TRUE";
    let found = value(&mut client, failing).unwrap_or_default();
    assert!(found.ends_with("agreement"), "{found}");
    execute(
        &mut client,
        "DELETE FROM workspace_builds b USING workspaces w
          WHERE w.id = b.workspace_id AND w.name = 'broken' AND b.build_number = 2",
    );
    let agrees = "SELECT ok FROM autobuild_ready() WHERE item = 'agreement'";
    assert_eq!(value(&mut client, agrees).as_deref(), Some("t"));
}
