//! `autobuild_report`: a page for a browser, of what this extension's other functions and views
//! say to the caller.
//!
//! Each section is read for itself, as the caller: what the caller may not read, or what can't
//! be read now, leaves out that section, and the page says why.

use std::collections::HashMap;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use uuid::Uuid;

use crate::columns::{templates, users, workspaces};
use crate::instant::Instant;
use crate::page::{Coming, Hour, HourOfTicks, KINDS, Page, Section, Status, Table, Ticks, render};
use crate::product::locks::hold_for_preview;
use crate::server::clock::argument;
use crate::server::error::{Error, OrRaise};
use crate::server::extension::{Extension, database};
use crate::server::identity::{current_user, role_name};
use crate::server::query::{Access, Arg, fetch_one, for_each_row, uuids};
use crate::server::row::Row;
use crate::server::subtransaction::in_subtransaction;
use crate::settings;

use super::names::names;

/// Hours that are shown, to come and past.
const HOURS: usize = 24;
/// Rows of the table of what comes next, and of the other tables.
const FIRST: usize = 30;
const MOST: usize = 200;

/// One section: what it says, or why it is left out. Who ends the statement ends it all.
fn section<T>(read: impl FnOnce() -> Result<T, Error>) -> Result<Section<T>, Error> {
    match in_subtransaction(read) {
        Ok(content) => Ok(Ok(content)),
        Err(error) if error.sqlstate().is_intervention() => Err(error),
        Err(error) if error.sqlstate().lacks_right() => Ok(Err(format!(
            "it needs more rights than yours ({}). Members of pg_monitor who may read the \
             product's tables see all.",
            error.message
        ))),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// A time as the page gives it, in SQL.
fn shown(time: &str) -> String {
    format!("pg_catalog.to_char({time}, 'YYYY-MM-DD HH24:MI')")
}

fn one_text(sql: &str, at: Instant) -> Result<String, Error> {
    let args = vec![Arg::Time(Some(at))];
    let text = fetch_one(sql, args, |row| row.text(0))?.flatten();
    Ok(text.unwrap_or_default())
}

/// The names of the hours, each by when it begins, from so many hours after a time on.
fn hour_labels(at: Instant, from: i32) -> Result<Vec<String>, Error> {
    let mut labels = Vec::new();
    for_each_row(
        "SELECT pg_catalog.to_char($1 + pg_catalog.make_interval(hours => $2 + h), 'HH24:MI')
           FROM pg_catalog.generate_series(0, $3 - 1) h",
        Access::Read,
        vec![
            Arg::Time(Some(at)),
            Arg::Int(Some(from)),
            Arg::Int(i32::try_from(HOURS).ok()),
        ],
        |row| {
            labels.push(row.text(0)?.unwrap_or_default());
            Ok(())
        },
    )?;
    Ok(labels)
}

fn status(extension: &Extension) -> Result<Status, Error> {
    const VALUES: [&str; 8] = [
        "state",
        "action",
        "ticks by",
        "last tick",
        "it took",
        "due then",
        "built then",
        "late by",
    ];
    let sql = format!(
        "SELECT s.problem, s.worker_state, s.action, s.mode, {}, s.last_tick_ms || ' ms',
                s.last_tick_due::text, s.last_tick_built::text,
                CASE WHEN s.lag > interval '0' THEN s.lag::text END
           FROM {} s",
        shown("s.last_tick_at"),
        extension.table("autobuild_status")
    );
    let mut status = Status::default();
    fetch_one(&sql, vec![], |row| {
        status.problem = row.text(0)?;
        for (place, name) in (1..).zip(VALUES) {
            if let Some(value) = row.text(place)? {
                status.values.push((name, value));
            }
        }
        Ok(())
    })?;
    Ok(status)
}

fn coming(extension: &Extension, at: Instant) -> Result<Coming, Error> {
    let hour = |label| Hour {
        label,
        ..Hour::default()
    };
    let mut hours: Vec<Hour> = hour_labels(at, 0)?.into_iter().map(hour).collect();
    let mut first = Table {
        headings: vec!["when", "what", "workspace", "owner", "template"],
        ..Table::default()
    };
    let last = HOURS - 1;
    let sql = format!(
        "SELECT CASE WHEN u.due THEN 'due' ELSE {} END, u.transition,
                coalesce(u.workspace, u.workspace_id::text), u.owner, u.template,
                pg_catalog.floor(extract(epoch FROM u.next_transition_at - $1) / 3600)::bigint
           FROM {}($2::interval, $1) u",
        shown("u.next_transition_at"),
        extension.table("autobuild_upcoming")
    );
    let horizon = format!("{HOURS} hours");
    let args = vec![Arg::Time(Some(at)), Arg::Text(Some(&horizon))];
    for_each_row(&sql, Access::Read, args, |row| {
        let transition = row.text(1)?.unwrap_or_default();
        let kind = KINDS.iter().position(|(_, kind)| *kind == transition);
        // What is overdue is made first.
        let place = usize::try_from(row.bigint(5)?.unwrap_or(0))
            .unwrap_or(0)
            .min(last);
        let count = hours.get_mut(place).zip(kind);
        if let Some(count) = count.and_then(|(hour, kind)| hour.counts.get_mut(kind)) {
            *count += 1;
        }
        add(&mut first, row, 5, FIRST)
    })?;
    Ok(Coming { hours, first })
}

/// Adds a row of texts to a table, or counts it where there are enough.
fn add(table: &mut Table, row: &Row<'_>, columns: usize, most: usize) -> Result<(), Error> {
    if table.rows.len() >= most {
        table.more += 1;
        return Ok(());
    }
    let cells = (0..columns).map(|column| Ok(row.text(column)?.unwrap_or_default()));
    table.rows.push(cells.collect::<Result<_, Error>>()?);
    Ok(())
}

fn blocked(extension: &Extension) -> Result<Table, Error> {
    let mut table = Table {
        headings: vec![
            "workspace",
            "owner",
            "what",
            "why",
            "since",
            "tried",
            "again",
        ],
        ..Table::default()
    };
    let sql = format!(
        "SELECT b.workspace_id::text, NULL, b.transition,
                pg_catalog.concat_ws(': ', coalesce(b.code, b.sqlstate), b.message),
                {}, b.attempts::text, {}, b.workspace_id
           FROM {} b ORDER BY b.since, b.workspace_id",
        shown("b.since"),
        shown("b.next_attempt_at"),
        extension.table("autobuild_blocked")
    );
    let mut ids = Vec::new();
    for_each_row(&sql, Access::Read, vec![], |row| {
        if table.rows.len() < MOST {
            ids.extend(row.uuid(7)?);
        }
        add(&mut table, row, 7, MOST)
    })?;
    // Who may not read names sees ids.
    let named = section(|| {
        let product = hold_for_preview(&settings::read().product_schema)?;
        names(&product, ids.iter().copied())
    })?;
    let named = named.unwrap_or_default();
    for (row, id) in table.rows.iter_mut().zip(ids) {
        if let Some((Some(workspace), owner, _)) = named.get(&id) {
            let owner = owner.clone().unwrap_or_default();
            row.splice(0..2, [workspace.clone(), owner]);
        }
    }
    Ok(table)
}

fn holds(extension: &Extension) -> Result<Table, Error> {
    let mut table = Table {
        headings: vec![
            "now", "of", "which", "from", "until", "again by", "what", "reason", "made by",
        ],
        ..Table::default()
    };
    let sql = format!(
        "SELECT CASE WHEN h.holds_now THEN 'holds' ELSE coalesce('from ' || {}, 'is over') END,
                h.scope, h.scope_id::text, {}, coalesce({}, 'it is released'), h.recurrence,
                coalesce(pg_catalog.array_to_string(h.transitions, ', '), 'everything'),
                h.reason, h.created_by, h.scope_id
           FROM {} h ORDER BY h.holds_now DESC, h.next_change_at, h.hold_id",
        shown("h.next_change_at"),
        shown("h.starts_at"),
        shown("h.ends_at"),
        extension.table("autobuild_holds")
    );
    let mut ids = Vec::new();
    for_each_row(&sql, Access::Read, vec![], |row| {
        if table.rows.len() < MOST {
            ids.push(row.uuid(9)?);
        }
        add(&mut table, row, 9, MOST)
    })?;
    let named = section(|| names_of_scopes(ids.iter().flatten().copied()))?.unwrap_or_default();
    for (row, id) in table.rows.iter_mut().zip(ids) {
        if let Some((cell, name)) = row.get_mut(2).zip(id.and_then(|id| named.get(&id))) {
            cell.clone_from(name);
        }
    }
    Ok(table)
}

/// The names of what holds are for: of all but organizations, whose table we don't read.
fn names_of_scopes(ids: impl Iterator<Item = Uuid>) -> Result<HashMap<Uuid, String>, Error> {
    let product = hold_for_preview(&settings::read().product_schema)?;
    let of = [
        (workspaces::TABLE, "name"),
        (templates::TABLE, "name"),
        (users::TABLE, "username"),
    ];
    let of = of.map(|(table, name)| {
        format!(
            "SELECT t.id, t.{name}::pg_catalog.text FROM {} t WHERE t.id = ANY ($1)",
            product.table(table)
        )
    });
    let mut names = HashMap::new();
    for_each_row(
        &of.join(" UNION ALL "),
        Access::Read,
        vec![uuids(ids)],
        |row| {
            names.extend(row.uuid(0)?.zip(row.text(1)?));
            Ok(())
        },
    )?;
    Ok(names)
}

fn agreement(extension: &Extension, at: Instant) -> Result<String, Error> {
    let sql = format!(
        "SELECT 'In the last seven days: ' || a.sentence FROM {}($1 - interval '7 days', $1) a",
        extension.table("autobuild_agreement_summary")
    );
    one_text(&sql, at)
}

fn ticks(extension: &Extension, at: Instant) -> Result<Ticks, Error> {
    const MS: &str = "extract(epoch FROM t.finished_at - t.started_at) * 1000";
    let ticks = extension.table("autobuild_ticks");
    let within = "t.started_at > $1 - interval '24 hours' AND t.started_at <= $1";
    let hour = |label| HourOfTicks {
        label,
        ..HourOfTicks::default()
    };
    let before = i32::try_from(HOURS).unwrap_or(0);
    let mut hours: Vec<HourOfTicks> = hour_labels(at, -before)?.into_iter().map(hour).collect();
    let by_hour = format!(
        "SELECT pg_catalog.floor(extract(epoch FROM t.started_at - $1) / 3600)::bigint + $2,
                pg_catalog.count(*),
                pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY {MS})::text,
                pg_catalog.max({MS})::text
           FROM {ticks} t WHERE {within} GROUP BY 1"
    );
    let args = vec![Arg::Time(Some(at)), Arg::Int(Some(before))];
    for_each_row(&by_hour, Access::Read, args, |row| {
        let place = row.bigint(0)?.and_then(|place| usize::try_from(place).ok());
        let ms = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0.0);
        if let Some(hour) = place.and_then(|place| hours.get_mut(place)) {
            hour.ticks = u64::try_from(row.bigint(1)?.unwrap_or(0)).unwrap_or(0);
            hour.median_ms = ms(row.text(2)?);
            hour.longest_ms = ms(row.text(3)?);
        }
        Ok(())
    })?;
    let sentence = format!(
        "SELECT CASE pg_catalog.count(*) WHEN 0
                THEN 'No tick had anything to do, or none was made.'
                ELSE pg_catalog.format('Ticks that had something to do: %s. Transitions that they made: %s. '
                     'Half of them took at most %s ms, 95 in 100 at most %s ms, the longest %s ms.',
                     pg_catalog.count(*), pg_catalog.sum(t.built),
                     pg_catalog.round((pg_catalog.percentile_cont(0.5)
                         WITHIN GROUP (ORDER BY {MS}))::numeric, 1),
                     pg_catalog.round((pg_catalog.percentile_cont(0.95)
                         WITHIN GROUP (ORDER BY {MS}))::numeric, 1),
                     pg_catalog.round(pg_catalog.max({MS})::numeric, 1)) END
           FROM {ticks} t WHERE {within}"
    );
    let sentence = one_text(&sentence, at)?;
    let some = hours.iter().any(|hour| hour.ticks > 0);
    Ok(Ticks {
        sentence,
        hours: if some { hours } else { Vec::new() },
    })
}

/// One HTML page on this database's workspaces: what is wrong, the next 24 hours, who is blocked,
/// what is held, agreement with the product's executor, what ticks cost.
///
/// Errors: 22023 an infinite time. What can't be read is left out, and the page says so.
#[pg_extern(stable, strict, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_report(at: default!(TimestampWithTimeZone, "pg_catalog.now()")) -> String {
    report(argument("at", at).or_raise()).or_raise()
}

fn report(at: Instant) -> Result<String, Error> {
    let extension = Extension::get()?;
    let extension = &extension;
    let sql = format!(
        "SELECT {}, pg_catalog.current_setting('TimeZone')",
        shown("$1")
    );
    let args = vec![Arg::Time(Some(at))];
    let times = fetch_one(&sql, args, |row| Ok((row.text(0)?, row.text(1)?)))?;
    let (shown_at, zone) = times.unwrap_or_default();
    let page = Page {
        database: database(),
        at: shown_at.unwrap_or_default(),
        zone: zone.unwrap_or_default(),
        reader: role_name(current_user()).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION"),
        status: section(|| status(extension))?,
        coming: section(|| coming(extension, at))?,
        blocked: section(|| blocked(extension))?,
        holds: section(|| holds(extension))?,
        agreement: section(|| agreement(extension, at))?,
        ticks: section(|| ticks(extension, at))?,
    };
    Ok(render(&page))
}
