//! `autobuild_metrics`: sums since the server started, and gauges, one row each, in the
//! names and shapes that a Prometheus exporter expects.

use pgrx::iter::{SetOfIterator, TableIterator};
use pgrx::{JsonB, extension_sql_file, name, pg_extern, search_path};
use serde_json::{Value, json};

use crate::decision::attempt::Outcome;
use crate::decision::brakes::KINDS;
use crate::instant::{Instant, SECOND};
use crate::ledger::{attempts, brakes, pauses};
use crate::lifecycle::transition::Transition;
use crate::product::locks::are_free;
use crate::product::schema::Product;
use crate::product::waiting::{READ, STATES};
use crate::server::clock;
use crate::server::error::{Error, OrRaise};
use crate::server::extension::Extension;
use crate::server::subtransaction::in_subtransaction;
use crate::server::transaction::in_recovery;
use crate::settings;
use crate::worker::slot::{BUCKETS_MS, Counters, Slot, TickResult};

use super::status::seen::seen;
use super::waiting::waiting;
use super::{seen_by_ticks, unreadable};

/// The rows, in the making.
struct Rows(Vec<(String, JsonB, f64)>);

impl Rows {
    fn add(&mut self, metric: &str, labels: Value, value: f64) {
        let metric = format!("workspace_autobuild_{metric}");
        self.0.push((metric, JsonB(labels), value));
    }

    fn gauge(&mut self, metric: &str, value: f64) {
        self.add(metric, json!({}), value);
    }

    /// What the slot tells.
    fn slot(&mut self, slot: &Slot) {
        let lag = slot.lag(clock::now(), settings::tick_interval());
        self.gauge("lag_seconds", seconds(lag));
        self.gauge("consecutive_failures", f64::from(slot.failures));
        if slot.last_tick.made {
            let tick = slot.last_tick;
            let unix = Instant::from_micros(tick.at).map_or(0, Instant::unix_seconds);
            self.gauge("last_tick_timestamp_seconds", unix as f64);
            self.gauge("last_tick_seconds", tick.ms as f64 / 1000.0);
            self.gauge("last_tick_due", f64::from(tick.due));
            self.gauge("last_tick_built", f64::from(tick.built));
            self.gauge("last_tick_blocked", f64::from(tick.blocked));
            self.gauge("last_tick_failed", f64::from(tick.failed));
            self.gauge("last_tick_observed", f64::from(tick.observed));
            self.gauge("last_tick_locked", f64::from(tick.locked));
            self.gauge("last_tick_held_back", f64::from(tick.held_back));
        }
        self.counters(&slot.counters);
    }

    /// The builds that are not done. Where they can't be read (the product's tables or a
    /// right are not there, or a migration is at the tables) nothing is said of them.
    fn waiting(&mut self) -> Result<(), Error> {
        let free = Product::find(&settings::read().product_schema)
            .is_ok_and(|product| are_free(&product, &READ));
        if !free {
            return Ok(());
        }
        let builds = match in_subtransaction(waiting) {
            Ok(builds) => builds,
            // A cancel request is for the whole statement.
            Err(error) if error.sqlstate().is_intervention() => return Err(error),
            Err(_) => return Ok(()),
        };
        let now = clock::now();
        for state in STATES {
            let in_state = || builds.iter().filter(|build| build.state == state);
            let oldest = in_state().map(|build| build.since).min();
            let age = oldest.map_or(0, |since| now.micros().saturating_sub(since.micros()));
            let labels = json!({"state": state});
            self.add("waiting_builds", labels.clone(), in_state().count() as f64);
            self.add("waiting_oldest_seconds", labels, seconds(age.max(0)));
        }
        Ok(())
    }

    fn counters(&mut self, counters: &Counters) {
        for (result, &count) in TickResult::ALL.iter().zip(&counters.ticks) {
            self.add(
                "ticks_total",
                json!({"result": result.name()}),
                count as f64,
            );
        }
        for (kind, outcomes) in Transition::ALL.iter().zip(&counters.tried) {
            for (outcome, &count) in Outcome::ALL.iter().zip(outcomes) {
                let labels = json!({"transition": kind.name(), "outcome": outcome.name()});
                self.add("transitions_total", labels, count as f64);
            }
        }
        for (sqlstate, count) in &counters.errors {
            if let Some(sqlstate) = sqlstate.get() {
                self.add("errors_total", json!({"sqlstate": sqlstate}), *count as f64);
            }
        }
        if counters.other_errors > 0 {
            let labels = json!({"sqlstate": "other"});
            self.add("errors_total", labels, counters.other_errors as f64);
        }
        for (result, count) in [("queued", counters.told), ("failed", counters.untold)] {
            self.add("messages_total", json!({"result": result}), count as f64);
        }
        let mut below = 0;
        for (bound, &count) in BUCKETS_MS.iter().zip(&counters.histogram) {
            below += count;
            let le = (*bound as f64 / 1000.0).to_string();
            self.add("tick_seconds_bucket", json!({"le": le}), below as f64);
        }
        self.add(
            "tick_seconds_bucket",
            json!({"le": "+Inf"}),
            counters.measured as f64,
        );
        self.gauge("tick_seconds_sum", counters.measured_ms as f64 / 1000.0);
        self.gauge("tick_seconds_count", counters.measured as f64);
    }
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / SECOND as f64
}

fn metrics() -> Result<Rows, Error> {
    let extension = Extension::get()?;
    let seen = seen()?;
    let pause = extension.as_owner(|| pauses::find(&extension))?;
    let mut rows = Rows(Vec::new());
    let up = seen.as_ref().is_some_and(|seen| seen.launcher);
    rows.gauge("up", f64::from(up));
    rows.gauge("standby", f64::from(in_recovery()));
    rows.gauge("paused", f64::from(pause.is_some()));
    rows.gauge(
        "starved",
        f64::from(seen.as_ref().is_some_and(|seen| seen.starved)),
    );
    rows.gauge(
        "blocked",
        extension.as_owner(|| attempts::count_blocked(&extension))? as f64,
    );
    let on = brakes::on(&extension)?;
    for kind in KINDS {
        let braked = on.iter().any(|brake| brake.transition == kind);
        let labels = json!({"transition": kind.name()});
        rows.add("braked", labels, f64::from(braked));
    }
    rows.waiting()?;
    if let Some(slot) = seen.and_then(|seen| seen.slot) {
        rows.slot(&slot);
    }
    Ok(rows)
}

/// How many schedules can't be read; not known while they can't be looked at.
fn unreadable_schedules() -> Result<Option<f64>, Error> {
    let Some((product, settings)) = seen_by_ticks::found()? else {
        return Ok(None);
    };
    let schedules = unreadable::seen(&product, &settings)?;
    Ok(schedules.map(|schedules| schedules.unreadable.len() as f64))
}

/// The row of one metric, which has a function of its own: an exporter asks for the others
/// again and again, and this one looks at all workspaces.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_count_unreadable() -> SetOfIterator<'static, f64> {
    SetOfIterator::new(unreadable_schedules().or_raise())
}

/// The other rows of the view autobuild_metrics.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
pub(crate) fn autobuild_worker_metrics() -> TableIterator<
    'static,
    (
        name!(metric, String),
        name!(labels, JsonB),
        name!(value, f64),
    ),
> {
    TableIterator::new(metrics().or_raise().0)
}

extension_sql_file!(
    "../../sql/metrics.sql",
    name = "metrics",
    requires = [
        autobuild_count_unreadable,
        versions::autobuild_count_unknown_templates,
        autobuild_worker_metrics
    ],
);
