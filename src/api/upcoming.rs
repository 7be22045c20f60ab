//! `autobuild_upcoming`: what comes next to all workspaces, or some, in the order of time, read
//! as the caller.
//!
//! With the agenda it is read page by page until enough is found; without it what SQL can tell
//! not to come within the horizon is left out.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::iter::TableIterator;
use pgrx::prelude::*;
use uuid::Uuid;

use crate::agenda;
use crate::decision::holds::{self, KeptHolds};
use crate::decision::judge::{coming, judge};
use crate::instant::Instant;
use crate::lifecycle::facts::Facts;
use crate::lifecycle::outcome::{Next, Outcome};
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::transition::{BuildReason, Transition};
use crate::lifecycle::verdict::Verdict;
use crate::product::facts::{self, Among, Selection};
use crate::product::licence;
use crate::product::locks::hold_for_preview;
use crate::product::schema::Product;
use crate::server::clock::{argument, interval_micros, timestamptz};
use crate::server::error::{Error, OrRaise};
use crate::server::query::sql_uuid;
use crate::settings::Settings;

use super::names::names;

/// Entries of the agenda on its first page, where not all are read; then twice as many on each.
const PAGE: i64 = 200;
/// Entries on a page at the most.
const LARGEST_PAGE: i64 = 10_000;
/// So many entries are looked at for those of one template, before it is asked for by itself.
const LOOKED_AT: usize = 10_000;

/// Where so many are wanted at the most, a look at all workspaces first asks for what comes within
/// this part of the horizon: of a day an hour and a half.
const SOON: i64 = 16;

/// A horizon in microseconds. Errors: 22023 it is negative.
fn horizon_micros(horizon: &Interval) -> Result<i64, Error> {
    let micros = interval_micros(horizon);
    if micros < 0 {
        return Err(Error::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "\"horizon\" must not be negative",
        )
        .hint("Give an interval such as '24 hours'; overdue transitions are always listed."));
    }
    Ok(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// What comes next for a workspace, held until then or not.
struct Coming {
    rule: ActingRule,
    transition: Transition,
    reason: BuildReason,
    at: Instant,
    due: bool,
}

impl Coming {
    /// What a verdict says, if it gives a time: a hold without an end gives none.
    fn of(outcome: &Outcome) -> Option<Coming> {
        match outcome {
            Ok(next) => Some(Coming::from(*next)),
            Err(Skip::Held {
                rule,
                transition,
                reason,
                at: Some(at),
                ..
            }) => Some(Coming {
                rule: *rule,
                transition: *transition,
                reason: *reason,
                at: *at,
                due: false,
            }),
            Err(_) => None,
        }
    }
}

impl From<Next> for Coming {
    fn from(next: Next) -> Coming {
        Coming {
            rule: next.rule,
            transition: next.transition,
            reason: next.reason,
            at: next.at,
            due: next.due,
        }
    }
}

/// The transitions and reminders that are found, in the making.
struct Found {
    until: Instant,
    among: Among,
    most: Option<usize>,
    rows: Vec<(Uuid, Coming)>,
}

impl Found {
    fn add(&mut self, facts: &Facts, verdict: &Verdict) {
        if !self.among.has(facts) {
            return;
        }
        // A reminder is no transition, and has a row of its own.
        let transition = Coming::of(&verdict.outcome);
        let within = transition
            .into_iter()
            .chain(verdict.reminder.map(Coming::from))
            .filter(|coming| coming.due || coming.at <= self.until);
        self.rows
            .extend(within.map(|coming| (facts.workspace_id, coming)));
    }

    /// Puts them in order, and leaves out what is too much.
    fn cut(&mut self) {
        self.rows
            .sort_by_key(|(id, next)| (!next.due, next.at, *id, next.rule));
        self.rows.truncate(self.most.unwrap_or(usize::MAX));
    }

    /// Are all there that come before whatever has an entry at this time or later?
    fn is_full(&self, tick: Instant, entry: Instant) -> bool {
        let last = self.rows.last().map(|(_, next)| (!next.due, next.at));
        self.most.is_some_and(|most| self.rows.len() >= most)
            && last.is_none_or(|last| last < (entry > tick, entry))
    }
}

fn read(
    product: &Product,
    settings: &Settings,
    at: Instant,
    found: &mut Found,
) -> Result<(), Error> {
    let tick = at.truncate_to_minute();
    let until = found.until.max(tick);
    let holds = holds::read(tick)?;
    if !by_agenda(product, settings, &holds, tick, until, found)? {
        let (policy, among) = (&settings.policy, found.among);
        // Of all workspaces those that come soonest are mostly all that is wanted.
        let ahead = until.micros().saturating_sub(tick.micros());
        let soon = Some(tick.saturating_add_micros(ahead / SOON));
        let soon = soon.filter(|&soon| soon < until && found.most.is_some() && among.are_all());
        for until in soon.into_iter().chain([until]) {
            found.rows.clear();
            found.until = until;
            let add = |facts: Facts, verdict| found.add(&facts, &verdict);
            coming(product, policy, &holds, among, tick, until, add)?;
            if found.most.is_some_and(|most| found.rows.len() >= most) {
                break;
            }
        }
    }
    found.cut();
    Ok(())
}

/// Finds what comes by the agenda; false where it can't say, or a look at the product's tables
/// costs less.
fn by_agenda(
    product: &Product,
    settings: &Settings,
    holds: &KeptHolds,
    tick: Instant,
    until: Instant,
    found: &mut Found,
) -> Result<bool, Error> {
    // A workspace, and those of an owner, are found by the product's own indexes.
    if found.among.are_few() {
        return Ok(false);
    }
    let add = |found: &mut Found, ids: Vec<Uuid>| {
        facts::read(product, Selection::TheseAmong(ids, found.among), |facts| {
            let verdict = judge(product, &settings.policy, holds, &facts, tick);
            found.add(&facts, &verdict);
            Ok(())
        })
    };
    if found.most.is_none() {
        let Some(ids) = agenda::due_by(product, settings, tick, until)? else {
            return Ok(false);
        };
        add(found, ids)?;
        return Ok(true);
    }
    let Some(mut pages) = agenda::pages(product, settings, tick)? else {
        return Ok(false);
    };
    add(found, pages.marked.iter().copied().collect())?;
    let mut size = PAGE;
    let mut looked_at = 0;
    loop {
        let page = pages.turn(until, size)?;
        let Some(&(_, entry)) = page.last() else {
            return Ok(true);
        };
        looked_at += page.len();
        let ids = page.into_iter().map(|(id, _)| id);
        add(found, ids.filter(|id| !pages.marked.contains(id)).collect())?;
        found.cut();
        if found.is_full(tick, entry) {
            return Ok(true);
        }
        if found.among.template.is_some() && looked_at >= LOOKED_AT {
            return Ok(false);
        }
        size = size.saturating_mul(2).min(LARGEST_PAGE);
    }
}

/// The rows of `autobuild_upcoming`.
type Rows = TableIterator<
    'static,
    (
        name!(workspace_id, pgrx::Uuid),
        name!(workspace, Option<String>),
        name!(owner, Option<String>),
        name!(template, Option<String>),
        name!(transition, String),
        name!(reason, String),
        name!(next_transition_at, TimestampWithTimeZone),
        name!(due, bool),
    ),
>;

fn upcoming(
    horizon: &Interval,
    at: TimestampWithTimeZone,
    max_rows: Option<i32>,
    among: Among,
) -> Result<Rows, Error> {
    let at = argument("at", at)?;
    let most = max_rows
        .map(|most| {
            usize::try_from(most).map_err(|_| {
                Error::new(
                    PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
                    format!("\"max_rows\" is {most}, and must not be negative"),
                )
                .hint("Give the most rows that are wanted, or NULL for all.")
            })
        })
        .transpose()?;
    let settings = licence::settings()?;
    let product = hold_for_preview(&settings.product_schema)?;
    let mut found = Found {
        until: at.saturating_add_micros(horizon_micros(horizon)?),
        among,
        most,
        rows: Vec::new(),
    };
    if most != Some(0) {
        read(&product, &settings, at, &mut found)?;
    }
    let names = names(&product, found.rows.iter().map(|(id, _)| *id))?;
    Ok(TableIterator::new(found.rows.into_iter().map(
        move |(id, next)| {
            let (workspace, owner, template) = names.get(&id).cloned().unwrap_or_default();
            (
                sql_uuid(id),
                workspace,
                owner,
                template,
                next.transition.name().to_owned(),
                next.reason.name().to_owned(),
                timestamptz(next.at),
                next.due,
            )
        },
    )))
}

/// The next transitions of all workspaces within the horizon, overdue ones first; of one
/// workspace, a template or an owner, and the first so many of them, where these are given.
/// A horizon or a time that is NULL has none.
///
/// Errors: 22023 a negative horizon or number, or an infinite time, 42xxx what the product's
/// tables or the caller's rights lack.
#[pg_extern(name = "autobuild_upcoming", stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn autobuild_list_upcoming(
    horizon: default!(Option<Interval>, "'24 hours'"),
    at: default!(Option<TimestampWithTimeZone>, "pg_catalog.now()"),
    max_rows: default!(Option<i32>, "NULL"),
    workspace_id: default!(Option<pgrx::Uuid>, "NULL"),
    template_id: default!(Option<pgrx::Uuid>, "NULL"),
    owner_id: default!(Option<pgrx::Uuid>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(workspace_id, pgrx::Uuid),
        name!(workspace, Option<String>),
        name!(owner, Option<String>),
        name!(template, Option<String>),
        name!(transition, String),
        name!(reason, String),
        name!(next_transition_at, TimestampWithTimeZone),
        name!(due, bool),
    ),
> {
    let (Some(horizon), Some(at)) = (horizon, at) else {
        return TableIterator::empty();
    };
    let id = |id: Option<pgrx::Uuid>| id.map(|id| Uuid::from_bytes(*id.as_bytes()));
    let among = Among {
        workspace: id(workspace_id),
        template: id(template_id),
        owner: id(owner_id),
    };
    upcoming(&horizon, at, max_rows, among).or_raise()
}

/// The same as version 0.1.0 of the extension declares it, until ALTER EXTENSION.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn autobuild_upcoming(
    horizon: Interval,
    at: TimestampWithTimeZone,
) -> TableIterator<
    'static,
    (
        name!(workspace_id, pgrx::Uuid),
        name!(workspace, Option<String>),
        name!(owner, Option<String>),
        name!(template, Option<String>),
        name!(transition, String),
        name!(reason, String),
        name!(next_transition_at, TimestampWithTimeZone),
        name!(due, bool),
    ),
> {
    upcoming(&horizon, at, None, Among::default()).or_raise()
}
