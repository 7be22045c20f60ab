//! Reading the facts of workspaces, in sets.
//!
//! One statement serves every caller; what differs is which workspaces it is asked
//! for. What SQL can decide narrows the set down beforehand, never more than the rules
//! would: the verdict is [`crate::lifecycle`]'s alone.

use std::borrow::Cow;

use uuid::Uuid;

use crate::columns::{
    Column, provisioner_jobs, tasks, templates, users, workspace_builds, workspaces,
};
use crate::instant::{Instant, Nanos};
use crate::lifecycle::facts::{BuildTransition, Facts, Job, LatestBuild, OwnerStatus, Template};
use crate::lifecycle::policy::Policy;
use crate::lifecycle::rules::ActingRule;
use crate::server::error::Error;
use crate::server::guc::{NOT_PARALLEL, with_settings};
use crate::server::query::{Access, Arg, Row, for_each_row, uuids};

use super::candidates::{Condition, candidates};
use super::schema::Product;
use super::select::select;
use super::starts::{Starts, Wanted, joined, weekdays};

/// Which workspaces' facts are read.
#[derive(Clone, Debug)]
pub(crate) enum Selection {
    /// One, whatever its state.
    One(Uuid),
    /// These, whatever their state.
    These(Vec<Uuid>),
    /// Those of these that are among some, whatever their state.
    TheseAmong(Vec<Uuid>, Among),
    /// These, as if a build of theirs were not there.
    Without(Vec<(Uuid, Option<Uuid>)>),
    /// Every one that a rule might act on at the tick, by what schedules come to then.
    DueAt(Policy, Instant, Wanted, Starts, Among),
    /// Every one that a rule might ever act on as things stand.
    Candidates(Policy, Among),
    /// So many of these, in the order of ids, after this id; a job that can only put things off
    /// is as if it had ended well as soon as its build was made.
    CandidatesAfter(Policy, Uuid, i64),
    /// Every one that is not deleted.
    Every,
    /// Every one that is not deleted and has one of these schedules, as if it had no build.
    Scheduled(Vec<String>),
}

/// Of which workspaces something is asked; of all where none is named.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Among {
    /// This one.
    pub workspace: Option<Uuid>,
    /// Those of this template.
    pub template: Option<Uuid>,
    /// Those of this owner.
    pub owner: Option<Uuid>,
}

impl Among {
    /// Is the workspace with these facts among them?
    pub(crate) fn has(&self, facts: &Facts) -> bool {
        let template = facts.template.as_ref().map(|template| template.id);
        self.workspace.is_none_or(|id| id == facts.workspace_id)
            && self.owner.is_none_or(|id| id == facts.owner_id)
            && self.template.is_none_or(|id| Some(id) == template)
    }

    /// Is nothing asked for?
    pub(crate) fn are_all(&self) -> bool {
        !self.are_few() && self.template.is_none()
    }

    /// Does the product have an index that finds them?
    pub(crate) fn are_few(&self) -> bool {
        self.workspace.is_some() || self.owner.is_some()
    }

    /// What is asked of a workspace for it, under this alias; its values come after these.
    fn condition(&self, alias: &str, args: &mut Vec<Arg<'_>>) -> String {
        let mut condition = String::new();
        for (column, id) in [
            (workspaces::ID, self.workspace),
            (workspaces::TEMPLATE_ID, self.template),
            (workspaces::OWNER_ID, self.owner),
        ] {
            if let Some(id) = id {
                args.push(Arg::Uuid(id));
                condition.push_str(&format!(" AND {alias}.{} = ${}", column.name, args.len()));
            }
        }
        condition
    }
}

/// The tables that [`read`] reads.
pub(crate) const READ: [&str; 6] = [
    provisioner_jobs::TABLE,
    tasks::TABLE,
    templates::TABLE,
    users::TABLE,
    workspace_builds::TABLE,
    workspaces::TABLE,
];

/// Hands each text of a schedule to `each`, once, of workspaces that are not deleted.
pub(crate) fn schedules(product: &Product, mut each: impl FnMut(String)) -> Result<(), Error> {
    let sql = format!(
        "SELECT DISTINCT {} COLLATE pg_catalog.\"C\"
           FROM {} w
          WHERE NOT w.deleted AND w.autostart_schedule <> ''",
        product.read("w", workspaces::AUTOSTART_SCHEDULE),
        product.table(workspaces::TABLE)
    );
    let settings = [("jit", "off"), NOT_PARALLEL];
    with_settings(&settings, || {
        for_each_row(&sql, Access::Read, vec![], |row| {
            row.text(0)?.into_iter().for_each(&mut each);
            Ok(())
        })
    })?;
    Ok(())
}

/// Reads facts and hands them to `each`. A workspace whose row can't be read as facts
/// (a NULL where the product never has one) is an error that names it.
pub(crate) fn read(
    product: &Product,
    selection: Selection,
    mut each: impl FnMut(Facts) -> Result<(), Error>,
) -> Result<(), Error> {
    let table = || product.table(workspaces::TABLE);
    let (mut builds, mut jobs) = ("true", "true");
    let one = matches!(selection, Selection::One(_));
    let (workspaces, condition, args) = match selection {
        Selection::One(id) => (table(), "w.id = $1".to_owned(), vec![Arg::Uuid(id)]),
        Selection::These(ids) => (table(), "w.id = ANY ($1)".to_owned(), vec![uuids(ids)]),
        Selection::TheseAmong(ids, among) => {
            let mut args = vec![uuids(ids)];
            let among = among.condition("w", &mut args);
            (table(), format!("w.id = ANY ($1){among}"), args)
        }
        Selection::Without(own) => {
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
        Selection::DueAt(policy, tick, wanted, starts, among) => {
            let Condition { first, whole } = candidates(product, &policy, Some(wanted));
            let [schedules, templates, bounds] = starts.into_args();
            // Seconds since 1970: durations are compared as numbers, so that no stored
            // duration or time can be out of range.
            let seconds = Arg::Double(tick.unix_seconds() as f64);
            let mut args = vec![Arg::Time(Some(tick)), seconds, schedules, templates, bounds];
            let among = among.condition("x", &mut args);
            (workspaces_found(product, &first, &among), whole, args)
        }
        Selection::Candidates(policy, among) => {
            let condition = candidates(product, &policy, None).whole;
            let mut args = vec![];
            let among = among.condition("x", &mut args);
            (every_workspace(product, &among), condition, args)
        }
        Selection::CandidatesAfter(policy, id, limit) => {
            jobs = jobs_that_count(product, &policy);
            (
                table(),
                format!(
                    "w.id > $1 AND NOT w.deleted AND {} ORDER BY w.id LIMIT $2",
                    candidates(product, &policy, None).whole
                ),
                vec![Arg::Uuid(id), Arg::BigInt(Some(limit))],
            )
        }
        Selection::Every => (every_workspace(product, ""), "true".to_owned(), vec![]),
        Selection::Scheduled(texts) => {
            builds = "false";
            (
                table(),
                "NOT w.deleted AND w.autostart_schedule = ANY ($1)".to_owned(),
                vec![Arg::Texts(texts.into_iter().map(Some).collect())],
            )
        }
    };
    let common = (builds, jobs) == ("true", "true") && workspaces == table();
    let select = || statement(product, &workspaces, builds, jobs);
    let select = match common {
        true => Cow::Borrowed(product.facts.get_or_init(select)),
        false => Cow::Owned(select()),
    };
    let sql = format!("{select} WHERE {condition}");
    let mut each_row = |args| for_each_row(&sql, Access::Read, args, |row| each(decode(row)?));
    if one {
        each_row(args)?;
        return Ok(());
    }
    // Compiling the statement takes longer than running it, remembering jobs by their ids
    // costs memory for ids that never come twice, and a bitmap of the workspaces loses the
    // order of their ids, in which builds are looked up.
    let settings = [
        ("jit", "off"),
        ("enable_memoize", "off"),
        ("enable_bitmapscan", "off"),
        NOT_PARALLEL,
    ];
    with_settings(&settings, || each_row(args))?;
    Ok(())
}

select! {
    /// One workspace with its owner, its template, its latest build and that build's job.
    struct FactsRow(product) {
        workspace_id: uuid = product.read("w", workspaces::ID),
        owner_id: uuid = product.read("w", workspaces::OWNER_ID),
        organization_id: uuid = product.read("w", workspaces::ORGANIZATION_ID),
        deleted: bool = product.read("w", workspaces::DELETED),
        schedule: text = product.read("w", workspaces::AUTOSTART_SCHEDULE),
        dormant_at: time = product.read("w", workspaces::DORMANT_AT),
        deleting_at: time = product.read("w", workspaces::DELETING_AT),
        last_used_at: time = product.read("w", workspaces::LAST_USED_AT),
        next_start_at: time = product.read("w", workspaces::NEXT_START_AT),
        always_update: bool =
            format!("({} = 'always')", product.read("w", workspaces::AUTOMATIC_UPDATES)),
        has_task: bool = has_task(product),
        owner_status: text = product.read("u", users::STATUS),
        template_id: uuid = product.read("t", templates::ID),
        active_version_id: uuid = product.read("t", templates::ACTIVE_VERSION_ID),
        allow_user_autostart: bool = product.read("t", templates::ALLOW_USER_AUTOSTART),
        blocked_days: bigint = product.read("t", templates::AUTOSTART_BLOCK_DAYS_OF_WEEK),
        failure_ttl: bigint = product.read("t", templates::FAILURE_TTL),
        time_til_dormant: bigint = product.read("t", templates::TIME_TIL_DORMANT),
        time_til_dormant_autodelete: bigint =
            product.read("t", templates::TIME_TIL_DORMANT_AUTODELETE),
        time_til_autostop_notify: bigint = product.read("t", templates::TIME_TIL_AUTOSTOP_NOTIFY),
        require_active_version: bool = product.read("t", templates::REQUIRE_ACTIVE_VERSION),
        build_id: uuid = product.read("b", workspace_builds::ID),
        build_number: bigint = product.read("b", workspace_builds::BUILD_NUMBER),
        transition: text = product.read("b", workspace_builds::TRANSITION),
        build_created_at: time = product.read("b", workspace_builds::CREATED_AT),
        deadline: time = product.read("b", workspace_builds::DEADLINE),
        notified_deadline: time =
            product.read("b", workspace_builds::NOTIFIED_AUTOSTOP_DEADLINE),
        template_version_id: uuid = product.read("b", workspace_builds::TEMPLATE_VERSION_ID),
        job_id: uuid = product.read("j", provisioner_jobs::ID),
        completed_at: time = product.read("j", provisioner_jobs::COMPLETED_AT),
        canceled_at: time = product.read("j", provisioner_jobs::CANCELED_AT),
        failed: bool = format!("(j.{} <> '')", provisioner_jobs::ERROR.name),
        has_owner: bool = format!("(u.{} IS NOT NULL)", users::ID.name),
        template_organization_id: uuid = product.read("t", templates::ORGANIZATION_ID),
    }
}

fn has_task(product: &Product) -> String {
    if product.has(tasks::WORKSPACE_ID) {
        format!(
            "EXISTS (SELECT FROM {} task WHERE task.workspace_id = w.id)",
            product.table(tasks::TABLE)
        )
    } else {
        "false".to_owned()
    }
}

/// Which jobs a pass has to look at, a condition on the template `t`: whether it ended, and how,
/// makes nothing due earlier unless failed builds are stopped.
fn jobs_that_count(product: &Product, policy: &Policy) -> &'static str {
    let failed = ActingRule::Failed;
    if product.signs.bring(failed) && policy.allows(failed) {
        "t.failure_ttl > 0"
    } else {
        "false"
    }
}

/// The statement without its condition; `builds_that` is one on each build `l`, `jobs_that` one
/// on the template `t`: without it the job is as if it had ended well when its build was made.
///
/// Latest build and job are looked up in the product's indexes, workspace by workspace:
/// most rows of those tables are old builds, which no tick should read. The job comes
/// last, for the few workspaces that are left by then.
fn statement(product: &Product, workspaces: &str, builds_that: &str, jobs_that: &str) -> String {
    format!(
        "SELECT {columns}
           FROM {workspaces} w
           LEFT JOIN LATERAL (
                SELECT {of_a_build}
                  FROM {builds} l
                 WHERE l.workspace_id = w.id AND {builds_that}
                 ORDER BY l.build_number DESC
                 LIMIT 1) b ON true
           LEFT JOIN {users} u ON u.id = w.owner_id
           LEFT JOIN {templates} t ON t.id = w.template_id
           LEFT JOIN LATERAL (
                SELECT {of_a_job}
                  FROM {jobs} p
                 WHERE p.id = b.job_id{or_as_if}
                 LIMIT 1) j ON true",
        columns = FactsRow::list(product),
        of_a_build = inner_columns(product, "l", OF_A_BUILD),
        of_a_job = inner_columns(product, "p", OF_A_JOB),
        or_as_if = or_as_if(product, jobs_that),
        builds = product.table(workspace_builds::TABLE),
        jobs = product.table(provisioner_jobs::TABLE),
        users = product.table(users::TABLE),
        templates = product.table(templates::TABLE),
    )
}

/// Where a job does not count: one that ended well when its build was made.
fn or_as_if(product: &Product, jobs_that: &str) -> String {
    if jobs_that == "true" {
        return String::new();
    }
    let ended_well = OF_A_JOB
        .iter()
        .filter(|column| product.has(**column))
        .map(|&column| {
            let value = match column {
                provisioner_jobs::ID => "b.job_id",
                provisioner_jobs::COMPLETED_AT => "b.created_at",
                provisioner_jobs::ERROR => "''",
                _ => "NULL",
            };
            format!("{value}::{}", product.type_of(column))
        });
    format!(
        " AND {jobs_that}
                 UNION ALL
                SELECT {}
                 WHERE b.job_id IS NOT NULL AND ({jobs_that}) IS NOT TRUE",
        ended_well.collect::<Vec<_>>().join(", ")
    )
}

/// The workspaces that are not deleted, in the order of their ids: so the index of builds
/// is read from its one end to the other, which is nearly twice as fast as going to and
/// fro in it. (OFFSET 0 keeps the server from taking the order away.)
fn every_workspace(product: &Product, among: &str) -> String {
    format!(
        "(SELECT {} FROM {} x WHERE NOT x.deleted{among} ORDER BY x.id OFFSET 0)",
        inner_columns(product, "x", OF_A_WORKSPACE),
        product.table(workspaces::TABLE)
    )
}

/// The workspaces that a condition on the workspace and its latest build leaves, each with
/// the bound of its schedule. Nearly all are left out, so what is sorted has only what the
/// condition asks for; the few others, and their builds, are looked up again.
fn workspaces_found(product: &Product, condition: &str, among: &str) -> String {
    // Which schedule does not matter here.
    let schedule = workspaces::AUTOSTART_SCHEDULE.name;
    format!(
        "(SELECT {all}, found.start_bound
            FROM (SELECT w.id, w.start_bound
                    FROM (SELECT * FROM (
                              SELECT {asked}, start.bound AS start_bound,
                                     CASE WHEN x.{schedule} <> '' THEN '*' END AS {schedule}
                                FROM {workspaces} x {joined}
                               WHERE NOT x.deleted{among} OFFSET 0) every
                           ORDER BY every.id OFFSET 0) w
                    LEFT JOIN LATERAL (
                         SELECT {of_a_build}
                           FROM {builds} l
                          WHERE l.workspace_id = w.id
                          ORDER BY l.build_number DESC
                          LIMIT 1) b ON true
                   WHERE {condition} OFFSET 0) found
            JOIN LATERAL (
                 SELECT {all} FROM {workspaces} x WHERE x.id = found.id LIMIT 1) x ON true)",
        all = inner_columns(product, "x", OF_A_WORKSPACE),
        asked = inner_columns(product, "x", ASKED),
        of_a_build = inner_columns(product, "l", OF_A_BUILD),
        workspaces = product.table(workspaces::TABLE),
        builds = product.table(workspace_builds::TABLE),
        joined = joined(product),
    )
}

/// The columns of `workspaces` that rules ask for before anything else is looked up, beside
/// the schedule.
const ASKED: &[Column] = &[
    workspaces::ID,
    workspaces::OWNER_ID,
    workspaces::TEMPLATE_ID,
    workspaces::DORMANT_AT,
    workspaces::DELETING_AT,
    workspaces::LAST_USED_AT,
    workspaces::NEXT_START_AT,
];

/// The workspaces of `$1`, each with a build of `$2`.
fn with_own_builds(product: &Product) -> String {
    format!(
        "(SELECT {}, d.own_build
            FROM unnest($1, $2) AS d (workspace_id, own_build)
            JOIN {} x ON x.id = d.workspace_id)",
        inner_columns(product, "x", OF_A_WORKSPACE),
        product.table(workspaces::TABLE)
    )
}

/// The columns of `workspaces` that are facts: only these may be granted.
const OF_A_WORKSPACE: &[Column] = &[
    workspaces::ID,
    workspaces::OWNER_ID,
    workspaces::ORGANIZATION_ID,
    workspaces::TEMPLATE_ID,
    workspaces::DELETED,
    workspaces::AUTOSTART_SCHEDULE,
    workspaces::DORMANT_AT,
    workspaces::DELETING_AT,
    workspaces::LAST_USED_AT,
    workspaces::NEXT_START_AT,
    workspaces::AUTOMATIC_UPDATES,
];

/// Those of its latest build.
const OF_A_BUILD: &[Column] = &[
    workspace_builds::ID,
    workspace_builds::BUILD_NUMBER,
    workspace_builds::TRANSITION,
    workspace_builds::CREATED_AT,
    workspace_builds::DEADLINE,
    workspace_builds::NOTIFIED_AUTOSTOP_DEADLINE,
    workspace_builds::TEMPLATE_VERSION_ID,
    workspace_builds::JOB_ID,
];

/// Those of that build's job.
const OF_A_JOB: &[Column] = &[
    provisioner_jobs::ID,
    provisioner_jobs::COMPLETED_AT,
    provisioner_jobs::CANCELED_AT,
    provisioner_jobs::ERROR,
];

/// What a subquery hands up: those of the columns that are there, as they are.
fn inner_columns(product: &Product, alias: &str, columns: &[Column]) -> String {
    let there: Vec<String> = columns
        .iter()
        .filter(|column| product.has(**column))
        .map(|column| format!("{alias}.{}", product.name_of(*column)))
        .collect();
    there.join(", ")
}

/// A row of [`statement`] as facts.
fn decode(row: &Row<'_>) -> Result<Facts, Error> {
    let row = FactsRow::read(row)?;
    let template = row.template_id.map(|id| Template {
        id,
        organization_id: row.template_organization_id.unwrap_or_default(),
        active_version_id: row.active_version_id.unwrap_or_default(),
        allow_user_autostart: row.allow_user_autostart,
        blocked_days: weekdays(row.blocked_days),
        failure_ttl: Nanos(row.failure_ttl.unwrap_or(0)),
        time_til_dormant: Nanos(row.time_til_dormant.unwrap_or(0)),
        time_til_dormant_autodelete: Nanos(row.time_til_dormant_autodelete.unwrap_or(0)),
        time_til_autostop_notify: Nanos(row.time_til_autostop_notify.unwrap_or(0)),
        require_active_version: row.require_active_version,
    });
    let status = match row.owner_status.as_deref() {
        Some("active") => OwnerStatus::Active,
        Some("dormant") => OwnerStatus::Dormant,
        Some("suspended") => OwnerStatus::Suspended,
        _ => OwnerStatus::Other,
    };
    let latest = row.build_id.map(|id| LatestBuild {
        id,
        build_number: row
            .build_number
            .and_then(|number| i32::try_from(number).ok())
            .unwrap_or(i32::MAX),
        transition: match row.transition.as_deref() {
            Some("start") => BuildTransition::Start,
            Some("stop") => BuildTransition::Stop,
            // A transition of a later version: nothing is known of it, so nothing is done,
            // as after a delete.
            _ => BuildTransition::Delete,
        },
        created_at: row.build_created_at.unwrap_or(Instant::NO_TIME),
        deadline: row.deadline.filter(|&at| at != Instant::NO_TIME),
        notified_deadline: row.notified_deadline.filter(|&at| at != Instant::NO_TIME),
        template_version_id: row.template_version_id.unwrap_or_default(),
        job: row.job_id.map(|_| Job {
            completed_at: row.completed_at,
            canceled_at: row.canceled_at,
            failed: row.failed,
        }),
    });
    Ok(Facts {
        workspace_id: Row::required(row.workspace_id, "workspaces.id")?,
        owner_id: row.owner_id.unwrap_or_default(),
        organization_id: row.organization_id.unwrap_or_default(),
        deleted: row.deleted,
        schedule: row.schedule,
        dormant_at: row.dormant_at,
        deleting_at: row.deleting_at,
        last_used_at: row.last_used_at.unwrap_or(Instant::NO_TIME),
        next_start_at: row.next_start_at,
        always_update: row.always_update,
        has_task: row.has_task,
        owner: row.has_owner.then_some(status),
        template,
        latest,
    })
}
