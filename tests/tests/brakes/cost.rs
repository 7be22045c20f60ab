//! What brakes cost: nothing where nothing is due.

use workspace_autobuild_tests::autobuild::planning;
use workspace_autobuild_tests::product::execute;
use workspace_autobuild_tests::{Product, Server, Version};

use super::many;

/// How many statements a tick makes with this share: each is planned anew, and the server tells
/// of each plan. The tick is undone.
fn statements(product: &Product, share: &str) -> usize {
    let (mut session, plans) = planning(product);
    execute(
        &mut session,
        &format!(
            "SET workspace_autobuild.max_transitions_share = {share};
             BEGIN ISOLATION LEVEL REPEATABLE READ;
             SET debug_print_plan = on;
             SELECT count(*) FROM autobuild_tick();
             SET debug_print_plan = off;
             ROLLBACK"
        ),
    );
    drop(session);
    plans.iter().count()
}

#[test]
fn a_tick_with_nothing_due_asks_for_no_brake_and_workspaces_are_counted_only_past_ten() {
    // The second look is spared where nobody else's transaction has ended.
    let server = Server::options_without_worker()
        .set("autovacuum", "off")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let more = |due: u32| {
        many(&product, "stop", due);
        let without = statements(&product, "0");
        statements(&product, "1") - without
    };
    assert_eq!(statements(&product, "1"), statements(&product, "0"));
    // What was made within the hour is asked for.
    assert_eq!(more(9), 1);
    assert_eq!(more(1), 1);
    // And how many workspaces there are.
    assert_eq!(more(1), 2);
    assert_eq!(more(30), 2);
}
