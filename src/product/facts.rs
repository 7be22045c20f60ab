//! Reading the facts of workspaces, in sets.
//!
//! One statement serves every caller; what differs is which workspaces it is asked
//! for. What SQL can decide narrows the set down beforehand, never more than the rules
//! would: the verdict is [`crate::lifecycle`]'s alone.

use uuid::Uuid;

use crate::instant::{Instant, Nanos};
use crate::lifecycle::facts::{
    BuildTransition, Facts, Job, LatestBuild, OwnerStatus, PREBUILDS_OWNER, Template,
};
use crate::server::error::Error;
use crate::server::query::{Access, Arg, Row, run, uuids};
use crate::server::scope::with_settings;

use super::schema::Product;

/// Which workspaces' facts are read.
#[derive(Clone, Debug)]
pub enum Scope {
    /// One, whatever its state.
    One(Uuid),
    /// These, whatever their state.
    These(Vec<Uuid>),
    /// These, as if a build of theirs were not there.
    Without(Vec<(Uuid, Option<Uuid>)>),
    /// Every one that a rule might act on at the tick.
    DueAt(Instant),
    /// Every one that a rule might ever act on as things stand.
    Candidates,
    /// So many of these, in the order of ids, after this id.
    CandidatesAfter(Uuid, i64),
}

/// Reads facts and hands them to `each`. A workspace whose row can't be read as facts
/// (a NULL where the product never has one) is an error that names it.
pub fn read(
    product: &Product,
    scope: Scope,
    mut each: impl FnMut(Facts) -> Result<(), Error>,
) -> Result<(), Error> {
    let table = || product.table("workspaces");
    let mut builds = "true";
    let (workspaces, condition, args) = match scope {
        Scope::One(id) => (table(), "w.id = $1".to_owned(), vec![Arg::Uuid(id)]),
        Scope::These(ids) => (table(), "w.id = ANY ($1)".to_owned(), vec![uuids(ids)]),
        Scope::Without(own) => {
            builds = "l.id IS DISTINCT FROM w.own_build";
            (
                with_own_builds(product),
                "true".to_owned(),
                vec![
                    uuids(own.iter().map(|(workspace, _)| *workspace)),
                    Arg::Uuids(own.iter().map(|(_, build)| *build).collect()),
                ],
            )
        }
        Scope::DueAt(tick) => (
            every_workspace(product),
            candidates(product, true),
            vec![
                Arg::Time(Some(tick)),
                // Seconds since 1970: durations are compared as numbers, so that no
                // stored duration or time can be out of range.
                Arg::Double(tick.unix_seconds() as f64),
            ],
        ),
        Scope::Candidates => (every_workspace(product), candidates(product, false), vec![]),
        Scope::CandidatesAfter(id, limit) => (
            table(),
            format!(
                "w.id > $1 AND NOT w.deleted AND {} ORDER BY w.id LIMIT $2",
                candidates(product, false)
            ),
            vec![Arg::Uuid(id), Arg::BigInt(Some(limit))],
        ),
    };
    let sql = format!("{} WHERE {condition}", select(product, &workspaces, builds));
    // Compiling the statement takes longer than running it, and remembering jobs by
    // their ids costs memory for ids that never come twice.
    with_settings(&[("jit", "off"), ("enable_memoize", "off")], || {
        run(&sql, Access::Read, args, |row| each(decode(row)?))
    })?;
    Ok(())
}

/// The statement without its condition; `builds` is one on each build `l`.
///
/// Latest build and job are looked up in the product's indexes, workspace by workspace:
/// most rows of those tables are old builds, which no tick should read. The job comes
/// last, for the few workspaces that are left by then.
fn select(product: &Product, workspaces: &str, builds_that: &str) -> String {
    let w = |column| product.read("w", "workspaces", column);
    let t = |column| product.read("t", "templates", column);
    let dormant_at = if product.has("workspaces", "dormant_at") {
        "dormant_at"
    } else {
        "locked_at"
    };
    let til_dormant = if product.has("templates", "time_til_dormant") {
        "time_til_dormant"
    } else {
        "inactivity_ttl"
    };
    let til_delete = if product.has("templates", "time_til_dormant_autodelete") {
        "time_til_dormant_autodelete"
    } else {
        "locked_ttl"
    };
    let has_task = if product.has("tasks", "workspace_id") {
        format!(
            "EXISTS (SELECT FROM {} task WHERE task.workspace_id = w.id)",
            product.table("tasks")
        )
    } else {
        "false".to_owned()
    };
    let columns = [
        w("id"),
        w("owner_id"),
        w("organization_id"),
        w("deleted"),
        w("autostart_schedule"),
        w(dormant_at),
        w("deleting_at"),
        w("last_used_at"),
        w("next_start_at"),
        format!("({} = 'always')", w("automatic_updates")),
        has_task,
        product.read("u", "users", "status"),
        t("id"),
        t("active_version_id"),
        t("allow_user_autostart"),
        t("autostart_block_days_of_week"),
        t("failure_ttl"),
        t(til_dormant),
        t(til_delete),
        t("require_active_version"),
        product.read("b", "workspace_builds", "id"),
        product.read("b", "workspace_builds", "build_number"),
        product.read("b", "workspace_builds", "transition"),
        product.read("b", "workspace_builds", "created_at"),
        product.read("b", "workspace_builds", "deadline"),
        product.read("b", "workspace_builds", "template_version_id"),
        product.read("j", "provisioner_jobs", "id"),
        product.read("j", "provisioner_jobs", "completed_at"),
        product.read("j", "provisioner_jobs", "canceled_at"),
        "(j.error <> '')".to_owned(),
        "(u.id IS NOT NULL)".to_owned(),
        t("organization_id"),
    ];
    format!(
        "SELECT {columns}
           FROM {workspaces} w
           LEFT JOIN LATERAL (
                SELECT l.id, l.build_number, l.transition, l.created_at, l.deadline,
                       l.template_version_id, l.job_id
                  FROM {builds} l
                 WHERE l.workspace_id = w.id AND {builds_that}
                 ORDER BY l.build_number DESC
                 LIMIT 1) b ON true
           LEFT JOIN {users} u ON u.id = w.owner_id
           LEFT JOIN {templates} t ON t.id = w.template_id
           LEFT JOIN LATERAL (
                SELECT p.id, p.completed_at, p.canceled_at, p.error
                  FROM {jobs} p
                 WHERE p.id = b.job_id
                 LIMIT 1) j ON true",
        columns = columns.join(", "),
        builds = product.table("workspace_builds"),
        jobs = product.table("provisioner_jobs"),
        users = product.table("users"),
        templates = product.table("templates"),
    )
}

/// The workspaces that are not deleted, in the order of their ids: so the index of builds
/// is read from its one end to the other, which is nearly twice as fast as going to and
/// fro in it. (OFFSET 0 keeps the server from taking the order away.)
fn every_workspace(product: &Product) -> String {
    format!(
        "(SELECT {} FROM {} x WHERE NOT x.deleted ORDER BY x.id OFFSET 0)",
        workspace_columns(product),
        product.table("workspaces")
    )
}

/// The workspaces of `$1`, each with a build of `$2`.
fn with_own_builds(product: &Product) -> String {
    format!(
        "(SELECT {}, d.own_build
            FROM unnest($1, $2) AS d (workspace_id, own_build)
            JOIN {} x ON x.id = d.workspace_id)",
        workspace_columns(product),
        product.table("workspaces")
    )
}

/// The columns of `workspaces` that are facts: only these may be granted.
fn workspace_columns(product: &Product) -> String {
    let columns: Vec<String> = [
        "id",
        "owner_id",
        "organization_id",
        "template_id",
        "deleted",
        "autostart_schedule",
        "dormant_at",
        "locked_at",
        "deleting_at",
        "last_used_at",
        "next_start_at",
        "automatic_updates",
    ]
    .into_iter()
    .filter(|column| product.has("workspaces", column))
    .map(|column| format!("x.{column}"))
    .collect();
    columns.join(", ")
}

/// The condition that no workspace fails on which a rule could act: at the tick `$1`
/// (`$2` in seconds since 1970), or ever.
///
/// It is asked twice, first without each workspace's own owner, template and job: what
/// that leaves out, which is nearly all, costs no further look-up.
fn candidates(product: &Product, at_tick: bool) -> String {
    let signs = &product.signs;
    let deadline = product.read("b", "workspace_builds", "deadline");
    let dormant_at = if product.has("workspaces", "dormant_at") {
        product.read("w", "workspaces", "dormant_at")
    } else {
        product.read("w", "workspaces", "locked_at")
    };
    let templates = product.table("templates");
    let mut ended = "j.completed_at IS NOT NULL".to_owned();
    if signs.job_status {
        ended.push_str(" OR j.error <> ''");
    }
    // What a rule asks, the first time and the second.
    let mut arms: Vec<(String, String)> = Vec::new();

    let mut stop = format!(
        "b.transition = 'start' AND ({deadline} <> '0001-01-01 00:00:00+00'{}",
        if at_tick {
            format!(" AND {deadline} <= $1")
        } else {
            String::new()
        }
    );
    if signs.suspended_owner {
        stop.push_str(&format!(
            " OR w.owner_id IN (SELECT s.id FROM {} s WHERE s.status = 'suspended')",
            product.table("users")
        ));
    }
    stop.push(')');
    arms.push((stop.clone(), stop));

    let mut start = "b.transition = 'stop' AND w.autostart_schedule <> ''".to_owned();
    if signs.dormancy {
        start.push_str(&format!(" AND {dormant_at} IS NULL"));
    }
    if at_tick && signs.next_start_at {
        start.push_str(" AND (w.next_start_at IS NULL OR w.next_start_at <= $1)");
    }
    let active = if signs.active_owner {
        " AND u.status = 'active'"
    } else {
        ""
    };
    arms.push((start.clone(), format!("{start}{active}")));

    if signs.failed_stop {
        arms.push((
            format!("w.template_id IN (SELECT f.id FROM {templates} f WHERE f.failure_ttl > 0)"),
            "t.failure_ttl > 0 AND j.error <> ''".to_owned(),
        ));
    }
    if signs.dormancy {
        let ttl = if product.has("templates", "time_til_dormant") {
            "time_til_dormant"
        } else {
            "inactivity_ttl"
        };
        let some = format!("EXISTS (SELECT FROM {templates} d WHERE d.{ttl} > 0)");
        let mut first = format!("{dormant_at} IS NULL AND {some}");
        let mut second = format!("{dormant_at} IS NULL AND t.{ttl} > 0");
        if at_tick {
            let last_used_at = product.read("w", "workspaces", "last_used_at");
            let last_used_at = format!("pg_catalog.date_part('epoch', {last_used_at})");
            // A second of slack for what a double can't hold.
            let before =
                |ttl: &str| format!("$2 - {ttl}::pg_catalog.float8 / '1e9'::pg_catalog.float8 + 1");
            first.push_str(&format!(
                " AND {last_used_at} < (SELECT {} FROM {templates} d WHERE d.{ttl} > 0)",
                before(&format!("pg_catalog.min(d.{ttl})"))
            ));
            second.push_str(&format!(
                " AND {last_used_at} < {}",
                before(&format!("t.{ttl}"))
            ));
        }
        if signs.failed_stop {
            // The mark alone needs no build, and so does not wait for one.
            ended.push_str(&format!(" OR b.transition <> 'start' AND {second}"));
        }
        arms.push((first, second));
    }
    if signs.deletion {
        let mut delete = format!("{dormant_at} IS NOT NULL AND w.deleting_at IS NOT NULL");
        if at_tick {
            delete.push_str(&format!(
                " AND {} < $1",
                product.read("w", "workspaces", "deleting_at")
            ));
        }
        arms.push((delete.clone(), delete));
    }

    let tick = if at_tick {
        // Both parameters always have their place, whichever arms use them.
        " AND $1::pg_catalog.timestamptz IS NOT NULL AND $2::pg_catalog.float8 IS NOT NULL"
    } else {
        ""
    };
    let (first, second): (Vec<String>, Vec<String>) = arms.into_iter().unzip();
    format!(
        "w.owner_id <> '{PREBUILDS_OWNER}' AND ({ended})
         AND (({})) AND (({})){tick}",
        first.join(") OR ("),
        second.join(") OR ("),
    )
}

/// A row of [`select`] as facts.
fn decode(row: &Row<'_>) -> Result<Facts, Error> {
    let workspace_id = Row::required(row.uuid(0)?, "workspaces.id")?;
    let template = match row.uuid(12)? {
        None => None,
        Some(id) => Some(Template {
            id,
            organization_id: row.uuid(31)?.unwrap_or_default(),
            active_version_id: row.uuid(13)?.unwrap_or_default(),
            allow_user_autostart: row.bool(14)?,
            blocked_days: row
                .bigint(15)?
                .map_or(0, |days| i32::try_from(days).unwrap_or(-1)),
            failure_ttl: Nanos(row.bigint(16)?.unwrap_or(0)),
            time_til_dormant: Nanos(row.bigint(17)?.unwrap_or(0)),
            time_til_dormant_autodelete: Nanos(row.bigint(18)?.unwrap_or(0)),
            require_active_version: row.bool(19)?,
        }),
    };
    let owner = if row.bool(30)? {
        Some(match row.text(11)?.as_deref() {
            Some("active") => OwnerStatus::Active,
            Some("dormant") => OwnerStatus::Dormant,
            Some("suspended") => OwnerStatus::Suspended,
            _ => OwnerStatus::Other,
        })
    } else {
        None
    };
    Ok(Facts {
        workspace_id,
        owner_id: row.uuid(1)?.unwrap_or_default(),
        organization_id: row.uuid(2)?.unwrap_or_default(),
        deleted: row.bool(3)?,
        schedule: row.text(4)?,
        dormant_at: row.time(5)?,
        deleting_at: row.time(6)?,
        last_used_at: row.time(7)?.unwrap_or(Instant::NO_TIME),
        next_start_at: row.time(8)?,
        always_update: row.bool(9)?,
        has_task: row.bool(10)?,
        owner,
        template,
        latest: latest_build(row)?,
    })
}

fn latest_build(row: &Row<'_>) -> Result<Option<LatestBuild>, Error> {
    let Some(id) = row.uuid(20)? else {
        return Ok(None);
    };
    let transition = match row.text(22)?.as_deref() {
        Some("start") => BuildTransition::Start,
        Some("stop") => BuildTransition::Stop,
        // A transition of a later version: nothing is known of it, so nothing is done,
        // as after a delete.
        _ => BuildTransition::Delete,
    };
    let job = match row.uuid(26)? {
        None => None,
        Some(_) => Some(Job {
            completed_at: row.time(27)?,
            canceled_at: row.time(28)?,
            failed: row.bool(29)?,
        }),
    };
    Ok(Some(LatestBuild {
        id,
        build_number: row
            .bigint(21)?
            .and_then(|number| i32::try_from(number).ok())
            .unwrap_or(i32::MAX),
        transition,
        created_at: row.time(23)?.unwrap_or(Instant::NO_TIME),
        deadline: row.time(24)?.filter(|&at| at != Instant::NO_TIME),
        template_version_id: row.uuid(25)?.unwrap_or_default(),
        job,
    }))
}
