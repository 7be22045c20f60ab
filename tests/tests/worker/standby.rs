//! A standby waits; after its promotion ticks begin by themselves.

use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::standby::Standby;
use workspace_autobuild_tests::{Product, Version, await_until};

use super::support::*;

#[test]
fn a_standby_waits_and_ticks_after_its_promotion() {
    let server = ticking().start();
    let product = Product::install(&server, Version::NEWEST);
    product.create_extension();
    await_tick(&mut product.superuser(), "done");
    let standby = Standby::of(&server);
    let mut client = standby.address().connect(product.database(), "postgres");
    assert_eq!(
        status(&mut client, "worker_state").as_deref(),
        Some("standby")
    );
    assert_eq!(status(&mut client, "problem"), None);
    assert_eq!(status(&mut client, "next_tick_at"), None);
    assert_eq!(
        value(&mut client, "SELECT autobuild_wake()").as_deref(),
        Some("f")
    );
    let ours =
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'workspace-autobuild%'";
    assert_eq!(value(&mut client, ours).as_deref(), Some("0"));
    texts(&mut client, "SELECT pg_promote()");
    await_until("ticks after the promotion", SOON, || {
        ticks(&mut client, "done") >= 2
    });
    await_status(&mut client, "worker_state", "idle");
}
