//! Notifications of this transaction, if the server's queue has room for them.
//!
//! A notification that doesn't fit makes the commit fail, and so the build. Listeners can do
//! without it (daemons poll, the history is a table), so nothing is sent when the queue is
//! nearly full.

use super::error::Error;
use super::query::{Access, Arg, execute, for_each_row};

/// Notifies the listeners of a channel at commit; false if the queue has no room.
pub(crate) fn notify(channel: &str, payloads: Vec<String>) -> Result<bool, Error> {
    if payloads.is_empty() {
        return Ok(true);
    }
    if !Queue::look()?.has_room_for(channel, &payloads) {
        return Ok(false);
    }
    execute(
        "SELECT pg_catalog.pg_notify($1, p) FROM pg_catalog.unnest($2) AS p",
        vec![
            Arg::Text(Some(channel)),
            Arg::Texts(payloads.into_iter().map(Some).collect()),
        ],
    )?;
    Ok(true)
}

/// The server's queue of notifications.
#[derive(Clone, Copy, Debug)]
struct Queue {
    /// How much of it is used, from 0 to 1.
    used: f64,
    /// `max_notify_queue_pages`, which came with PostgreSQL 17; before, it is fixed.
    pages: Option<f64>,
}

/// Bytes of a page, as a server has them that was not built otherwise.
const PAGE: f64 = 8192.0;
/// Pages of the queue before their number could be set.
const PAGES: f64 = 1_048_576.0;
/// Pages at its end that could not be used then.
const UNUSED: f64 = 33.0;
/// The maximum size of an entry without its texts.
const HEAD: usize = 24;

impl Queue {
    fn look() -> Result<Queue, Error> {
        let mut queue = Queue {
            used: 1.0,
            pages: None,
        };
        for_each_row(
            "SELECT pg_catalog.pg_notification_queue_usage()::pg_catalog.text,
                    pg_catalog.current_setting('max_notify_queue_pages', true)",
            Access::Read,
            vec![],
            |row| {
                queue.used = row
                    .text(0)?
                    .and_then(|used| used.parse().ok())
                    .unwrap_or(1.0);
                queue.pages = row.text(1)?.and_then(|pages| pages.parse().ok());
                Ok(())
            },
        )?;
        Ok(queue)
    }

    /// Is there room for all of them, and as much again for what others say before this
    /// transaction commits? An entry never goes from one page to the next, so up to half
    /// of each page stays empty.
    fn has_room_for(self, channel: &str, payloads: &[String]) -> bool {
        let bytes: usize = payloads
            .iter()
            .map(|payload| HEAD + channel.len() + payload.len())
            .sum();
        let needed = 2.0 * bytes as f64 / PAGE + 2.0;
        let free = (1.0 - self.used) * self.pages.unwrap_or(PAGES);
        let unused = if self.pages.is_some() { 0.0 } else { UNUSED };
        2.0 * needed <= free - unused
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    fn fits(used: f64, pages: Option<f64>, payloads: usize) -> bool {
        let payloads = vec!["x".repeat(200); payloads];
        Queue { used, pages }.has_room_for("provisioner_job_posted", &payloads)
    }

    #[test]
    fn a_queue_that_is_empty_takes_what_a_batch_says() {
        assert!(fits(0.0, None, 10_000));
        assert!(fits(0.0, Some(64.0), 400));
        assert!(fits(0.9, None, 10_000));
    }

    #[test]
    fn nothing_is_said_where_the_queue_is_full_or_nearly() {
        for pages in [None, Some(64.0), Some(1_048_576.0)] {
            assert!(!fits(1.0, pages, 1), "{pages:?}");
            assert!(!fits(0.999_999, pages, 1), "{pages:?}");
        }
        // The last pages were never used.
        assert!(!fits(1.0 - 34.0 / 1_048_576.0, None, 1));
        assert!(fits(1.0 - 40.0 / 1_048_576.0, None, 1));
        assert!(!fits(0.95, Some(64.0), 1));
        assert!(!fits(0.0, Some(64.0), 10_000));
    }
}
