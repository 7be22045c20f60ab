//! What a process of the server's has used, by /proc: a session's wall time beside the processor
//! time of the process that serves it, which other work on the machine disturbs less.

use std::time::Duration;

use postgres::Client;

use crate::measure::{Samples, timed};

/// Processor time that a process has used so far, to the nanosecond while it waits.
pub(crate) fn processor(pid: i32) -> Duration {
    let path = format!("/proc/{pid}/schedstat");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let nanoseconds = text.split_whitespace().next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_else(|| panic!("{path}: {text}")))
}

/// Kilobytes of memory that a process has now and shares with nobody (RssAnon), while it lives.
pub(crate) fn own_memory(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The process that serves a session.
pub(crate) fn process_of(client: &mut Client) -> i32 {
    client
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap_or_else(|e| panic!("pg_backend_pid: {e:?}"))
        .get(0)
}

/// A session, and what was measured in it.
pub(crate) struct Session {
    /// The connection.
    pub client: Client,
    /// The process that serves it.
    pub pid: i32,
    /// By the clock.
    pub wall: Samples,
    /// By the processor time of its process.
    pub processor: Samples,
}

impl Session {
    /// Nothing is measured yet.
    pub(crate) fn new(mut client: Client) -> Session {
        let pid = process_of(&mut client);
        Session {
            client,
            pid,
            wall: Samples::default(),
            processor: Samples::default(),
        }
    }

    /// Forgets what was measured.
    pub(crate) fn anew(&mut self) {
        (self.wall, self.processor) = (Samples::default(), Samples::default());
    }

    /// Measures a piece of work once.
    pub(crate) fn time<R>(&mut self, work: impl FnOnce(&mut Client) -> R) -> R {
        let before = processor(self.pid);
        let (took, result) = timed(|| work(&mut self.client));
        self.wall.add(took);
        self.processor
            .add(processor(self.pid).saturating_sub(before));
        result
    }

    /// Measures so many calls: each by the clock, the processor time of all divided by their number.
    pub(crate) fn time_each<T>(&mut self, over: &[T], mut work: impl FnMut(&mut Client, &T)) {
        let before = processor(self.pid);
        for one in over {
            let (took, ()) = timed(|| work(&mut self.client, one));
            self.wall.add(took);
        }
        let all = processor(self.pid).saturating_sub(before);
        let calls = over.len().max(1) as f64;
        self.processor.push(all.as_secs_f64() / calls);
    }
}
