//! What the schedules of workspaces come to at a tick, worked out once for each, so that SQL
//! can leave out the workspaces that no schedule starts.
//!
//! A schedule stands with its template where templates block weekdays. What is not worked out
//! leaves nothing out.

use uuid::Uuid;

use crate::columns::{templates, workspaces};
use crate::instant::Instant;
use crate::server::error::Error;
use crate::server::guc::{NOT_PARALLEL, with_settings};
use crate::server::query::{Access, Arg, for_each_row};

use super::schema::Product;

/// Longer texts are not worked out beforehand. People's schedules are a few dozen bytes.
const LONGEST: usize = 200;

/// So many are worked out beforehand, which bounds the memory for them.
const MOST: usize = 50_000;

/// What is wanted of the workspaces at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Those that are due.
    Due,
    /// And those whose `next_start_at` is empty, to be filled in.
    DueAndEmpty,
    /// Those for which something comes up to then, be it past by then.
    ByThen,
}

/// Schedules, each with what the latest build must be earlier than for a start: see
/// [`start_bound`](crate::lifecycle::bound::start_bound).
#[derive(Clone, Debug, Default)]
pub(crate) struct Starts {
    schedules: Vec<Option<String>>,
    templates: Vec<Option<Uuid>>,
    bounds: Vec<Option<Instant>>,
}

impl Starts {
    /// Reads the schedules that may start a workspace at the tick. `bound` works one out, with
    /// the weekdays that the template blocks.
    pub(crate) fn read(
        product: &Product,
        tick: Instant,
        wanted: Wanted,
        mut bound: impl FnMut(&str, i32) -> Option<Instant>,
    ) -> Result<Starts, Error> {
        let (sql, args) = statement(product, tick, wanted);
        let mut starts = Starts::default();
        with_settings(&[("jit", "off"), NOT_PARALLEL], || {
            for_each_row(&sql, Access::Read, args, |row| {
                let Some(schedule) = row.text(0)? else {
                    return Ok(());
                };
                let bound = bound(&schedule, weekdays(row.bigint(2)?));
                starts.schedules.push(Some(schedule));
                starts.templates.push(row.uuid(1)?);
                // Nothing is earlier than the first instant.
                starts.bounds.push(bound.or(Some(Instant::MIN)));
                Ok(())
            })
        })?;
        Ok(starts)
    }

    /// As arguments of a statement, in the order of [`joined`].
    pub(super) fn into_args<'a>(self) -> [Arg<'a>; 3] {
        [
            Arg::Texts(self.schedules),
            Arg::Uuids(self.templates),
            Arg::Times(self.bounds),
        ]
    }
}

fn statement<'a>(product: &Product, tick: Instant, wanted: Wanted) -> (String, Vec<Arg<'a>>) {
    let schedule = product.read("x", workspaces::AUTOSTART_SCHEDULE);
    let template = if product.signs.blocked_days {
        "x.template_id"
    } else {
        "NULL::pg_catalog.uuid"
    };
    let mut condition = format!(
        "NOT x.deleted AND x.autostart_schedule <> ''
         AND pg_catalog.octet_length({schedule}) <= {LONGEST}"
    );
    let mut args = vec![];
    if product.signs.dormancy {
        let dormant_at = product.read("x", workspaces::DORMANT_AT);
        condition.push_str(&format!(" AND {dormant_at} IS NULL"));
    }
    if product.signs.next_start_at {
        // What is empty is read in any case where it is to be filled in.
        condition.push_str(match wanted {
            Wanted::Due | Wanted::ByThen => {
                " AND (x.next_start_at IS NULL OR x.next_start_at <= $1)"
            }
            Wanted::DueAndEmpty => " AND x.next_start_at <= $1",
        });
        args.push(Arg::Time(Some(tick)));
    }
    let sql = format!(
        "SELECT s.schedule, s.template_id, {blocked}
           FROM (SELECT DISTINCT {schedule} COLLATE pg_catalog.\"C\" AS schedule,
                        {template} AS template_id
                   FROM {workspaces} x WHERE {condition} LIMIT {MOST}) s
           LEFT JOIN {templates} t ON t.id = s.template_id",
        blocked = product.read("t", templates::AUTOSTART_BLOCK_DAYS_OF_WEEK),
        workspaces = product.table(workspaces::TABLE),
        templates = product.table(templates::TABLE),
    );
    (sql, args)
}

/// A join that gives each workspace `x` the bound of its schedule as `start.bound`, or NULL
/// where none was worked out; the schedules are `$3` to `$5`.
pub(super) fn joined(product: &Product) -> String {
    let schedule = product.read("x", workspaces::AUTOSTART_SCHEDULE);
    let template = if product.signs.blocked_days {
        " AND start.template_id = x.template_id"
    } else {
        ""
    };
    format!(
        "LEFT JOIN unnest($3, $4, $5) AS start (schedule, template_id, bound)
           ON start.schedule = {schedule} COLLATE pg_catalog.\"C\"{template}"
    )
}

/// Weekdays that a template blocks, as stored; a number that is too large blocks all.
pub(super) fn weekdays(stored: Option<i64>) -> i32 {
    stored.map_or(0, |days| i32::try_from(days).unwrap_or(-1))
}
