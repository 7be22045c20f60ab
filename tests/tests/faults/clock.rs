//! The server's clock is set, forward and back.

use std::cell::Cell;

use workspace_autobuild_tests::product::{Value, texts};
use workspace_autobuild_tests::server::clock::Clock;
use workspace_autobuild_tests::{Product, SOON, Transition, Version, await_until, invariants};

use super::storm::{Storm, options, spells};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

#[test]
fn the_clock_is_set_in_the_midst_of_a_storm() {
    for rounds in spells() {
        let clock = Clock::new();
        let at = Cell::new(0);
        let step = |seconds: i64| {
            at.set(at.get() + seconds);
            clock.set(at.get());
        };
        let mut storm = Storm::on(clock.of(options()).start());
        storm.suffer(
            rounds,
            &[
                ("the clock goes forward", &|storm| {
                    step(storm.random.i64(1..2 * DAY));
                }),
                // What is due is so for the better part of an hour.
                ("the clock goes back", &|storm| {
                    step(-storm.random.i64(1..HOUR / 2));
                }),
                ("the clock goes to and fro", &|storm| {
                    for _ in 0..50 {
                        let seconds = storm.random.i64(1..HOUR / 2);
                        step(-seconds);
                        step(seconds);
                    }
                }),
            ],
        );
    }
}

/// Nobody wakes the worker here, and nothing else is asked of it.
#[test]
fn ticks_go_on_whatever_the_clock_is_set_to() {
    let clock = Clock::new();
    let server = clock
        .of(options().set("workspace_autobuild.history_retention", "36500d"))
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let template = product.template("docker").create();
    for (number, seconds) in [0, HOUR, -HOUR, 30 * DAY, -400 * DAY, 10 * DAY, 0]
        .into_iter()
        .enumerate()
    {
        clock.set(seconds);
        let offset = product
            .value("SELECT extract(epoch FROM clock_timestamp())::bigint")
            .and_then(|text| text.parse::<i64>().ok())
            .expect("a time");
        let machine = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time");
        let offset = offset - i64::try_from(machine.as_secs()).expect("a time of today");
        assert!((offset - seconds).abs() < 60, "the server's clock is set");
        template
            .workspaces(20, Transition::Start)
            .deadline(Value::sql("now() - interval '1 hour'"))
            .create();
        let built = "SELECT count(*) FROM workspace_builds WHERE build_number = 2";
        let expected = (20 * (number + 1)).to_string();
        await_until(&format!("{seconds} s off, all is built"), SOON, || {
            product.value(built).as_deref() == Some(&expected)
        });
        invariants::check_quiet(&product);
    }
}

/// What failed waits for its next attempt by the clock: an hour at the most, also by one
/// that was set back.
#[test]
fn what_was_put_off_does_not_wait_for_the_old_time() {
    let clock = Clock::new();
    let server = clock.of(options()).start();
    let product = Product::install(&server, Version::NEWEST);
    let template = product.template("docker").create();
    product.execute(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             RAISE EXCEPTION 'not now'; END $$;
         CREATE TRIGGER poison BEFORE INSERT ON workspace_builds
            FOR EACH ROW WHEN (NEW.build_number = 2) EXECUTE FUNCTION poison()",
    );
    clock.set(400 * DAY);
    let mut superuser = product.superuser();
    template
        .workspaces(3, Transition::Start)
        .deadline(Value::sql("now() - interval '500 days'"))
        .create();
    product.create_extension();
    await_until("they are put off", SOON, || {
        texts(&mut superuser, "SELECT FROM autobuild_blocked").len() == 3
    });
    product.execute("DROP TRIGGER poison ON workspace_builds");
    clock.set(0);
    await_until("they are built", SOON, || {
        product
            .value("SELECT count(*) FROM workspace_builds WHERE build_number = 2")
            .as_deref()
            == Some("3")
    });
    invariants::check_quiet(&product);
}
