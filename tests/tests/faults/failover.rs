//! Promotion of a streaming standby, with a clock of its own and the old primary fenced.

use std::thread;
use std::time::Duration;

use workspace_autobuild_tests::await_until;
use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::SUPERUSER;
use workspace_autobuild_tests::server::clock::Clock;
use workspace_autobuild_tests::server::standby::Standby;

use super::storm::{Storm, rounds, settle};

#[test]
fn promotion_of_a_standby_with_the_old_primary_fenced() {
    for _ in 0..rounds() {
        let mut storm = Storm::new();
        // What is due is so for the better part of an hour.
        let clock = Clock::new();
        clock.set(storm.random.i64(-1700..3600));
        let standby = Standby::with_clock(&storm.server, &clock);
        let address = standby.address().clone();
        storm.begin();
        // What is due has come over; of the storm, what gets over until the end.
        let lsn = storm.product.value("SELECT pg_current_wal_insert_lsn()");
        let lsn = lsn.expect("a position");
        let mut follower = address.connect(SUPERUSER, SUPERUSER);
        await_until("the standby follows", Duration::from_secs(60), || {
            let sql = format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'");
            texts(&mut follower, &sql) == [[Some("t".to_owned())]]
        });
        thread::sleep(Duration::from_millis(storm.random.u64(..700)));
        storm.server.fence();
        texts(&mut follower, "SELECT pg_promote()");
        storm.product.move_to(&address);
        let done = storm.product.value("SELECT count(*) FROM workspace_builds");
        println!("{done:?} builds at the promotion");
        settle(&storm.product);
        storm.check(&storm.product);
    }
}
