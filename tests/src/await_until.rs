//! Waiting for a condition instead of sleeping for a guessed time.
//!
//! A test that waits returns as soon as what it waits for is there, and fails with
//! the name of the condition when it does not come. This is the harness's only sleep.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a busy machine; nothing waits so long when all is well.
pub const SOON: Duration = Duration::from_secs(60);

/// How long between two looks: short against everything that tests wait for, long
/// enough to leave the processor to the server.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `condition` holds; panics with `what` when it does not within `timeout`.
#[track_caller]
pub fn await_until(what: &str, timeout: Duration, mut condition: impl FnMut() -> bool) {
    await_some(what, timeout, || condition().then_some(()));
}

/// Waits until `look` finds something, and returns it; panics with `what` when there
/// is nothing within `timeout`.
#[track_caller]
pub fn await_some<T>(what: &str, timeout: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < timeout,
            "waited {timeout:?} in vain for: {what}"
        );
        thread::sleep(PAUSE);
    }
}
