//! Writing builds: jobs, builds, parameters, task rows and dormancy marks, a statement
//! each for a whole batch.
//!
//! Large values (provisioner state, parameter values) go from row to row inside the
//! server. Each statement must write as many rows as it was asked for; one that writes
//! fewer (a row was hidden by row security) is an error, so that a build is whole or
//! absent.

use pgrx::{PgSqlErrorCode, pg_sys};
use uuid::Uuid;

use crate::columns::{
    Column, parameter_values, provisioner_jobs, task_workspace_apps, tasks,
    template_version_parameters, template_versions, templates, workspace_build_parameters,
    workspace_builds, workspaces,
};
use crate::instant::Instant;
use crate::lifecycle::transition::{BuildReason, Transition};
use crate::new_build::inputs::{ParameterRow, ValueSource};
use crate::new_build::job_input;
use crate::server::error::Error;
use crate::server::guc::with_settings;
use crate::server::identity::acting_as;
use crate::server::query::{Arg, execute, uuids};
use crate::server::subtransaction::in_subtransaction;

use super::inputs::has_legacy_values;
use super::schema::Product;

/// A build that is to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewBuild {
    /// The workspace.
    pub workspace_id: Uuid,
    /// Its owner.
    pub owner_id: Uuid,
    /// Its template's organization.
    pub organization_id: Uuid,
    /// `workspace_builds.id` of the new row.
    pub build_id: Uuid,
    /// `provisioner_jobs.id` of the new row.
    pub job_id: Uuid,
    /// `workspace_builds.id` of the latest build, whose state is carried on.
    pub latest_build_id: Uuid,
    /// The template version that is built.
    pub template_version_id: Uuid,
    /// The new build's number.
    pub build_number: i32,
    /// `start`, `stop` or `delete`.
    pub transition: Transition,
    /// `build_reason`.
    pub reason: BuildReason,
    /// The job's tags as JSON text.
    pub tags: String,
    /// The preset that fits, if one does.
    pub preset_id: Option<Uuid>,
    /// The rows of `workspace_build_parameters`.
    pub parameters: Vec<ParameterRow>,
    /// They are those of the latest build, all of them and no other.
    pub same_parameters: bool,
}

/// Runs something that writes the product's tables, whole or not at all: as the role, and
/// with the product's own `search_path` for its triggers.
///
/// What a table's owner planted to run at commit runs in the statement, as the role: at
/// commit it would run as whoever commits. (That holds for the rest of the transaction.)
pub(crate) fn writing<R>(
    product: &Product,
    role: pg_sys::Oid,
    work: impl FnOnce() -> Result<R, Error>,
) -> Result<R, Error> {
    in_subtransaction(|| {
        acting_as(role, || {
            execute("SET CONSTRAINTS ALL IMMEDIATE", vec![])?;
            with_settings(&[("search_path", &product.search_path())], work)
        })
    })
}

/// Writes builds, in the order given, all with one clock reading.
pub(crate) fn builds(product: &Product, builds: &[NewBuild], now: Instant) -> Result<(), Error> {
    if builds.is_empty() {
        return Ok(());
    }
    jobs(product, builds, now)?;
    build_rows(product, builds, now)?;
    parameters(product, builds)?;
    if product.signs.task_row {
        task_rows(product, builds)?;
    }
    Ok(())
}

/// Locks the workspaces of builds that delete, so that none is woken before the commit.
/// Fails with 40001 where one was changed since the snapshot.
pub(crate) fn lock_to_be_deleted(product: &Product, builds: &[NewBuild]) -> Result<(), Error> {
    let ids: Vec<Uuid> = builds
        .iter()
        .filter(|build| build.transition == Transition::Delete)
        .map(|build| build.workspace_id)
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let locked = execute(
        &format!(
            "SELECT FROM {} w WHERE w.id = ANY ($1) ORDER BY w.id FOR NO KEY UPDATE",
            product.table(workspaces::TABLE)
        ),
        vec![uuids(ids.iter().copied())],
    )?;
    check_written(product, workspaces::TABLE, locked, ids.len())
}

fn jobs(product: &Product, builds: &[NewBuild], now: Instant) -> Result<(), Error> {
    use provisioner_jobs as j;
    let at = product.time_value("$7", j::CREATED_AT);
    let cast = |value: &str, column| format!("{value}::{}", product.type_of(column));
    let (columns, values) = insert_lists(&[
        (j::ID, "d.job_id".to_owned()),
        (j::CREATED_AT, at.clone()),
        (j::UPDATED_AT, at),
        (j::INITIATOR_ID, "d.owner_id".to_owned()),
        (j::ORGANIZATION_ID, "d.organization_id".to_owned()),
        (j::PROVISIONER, "t.provisioner".to_owned()),
        (j::STORAGE_METHOD, "i.storage_method".to_owned()),
        (j::FILE_ID, "i.file_id".to_owned()),
        (j::TYPE, cast("'workspace_build'", j::TYPE)),
        (j::INPUT, cast("d.input", j::INPUT)),
        (j::TAGS, cast("d.tags", j::TAGS)),
        (j::TRACE_METADATA, cast("$8", j::TRACE_METADATA)),
    ]);
    let sql = format!(
        "INSERT INTO {jobs} ({columns})
         SELECT {values}
           FROM unnest($1, $2, $3, $4, $5, $6) WITH ORDINALITY
                AS d (job_id, owner_id, organization_id, version_id, input, tags, place)
           JOIN {versions} v ON v.id = d.version_id
           JOIN {templates} t ON t.id = v.template_id
           JOIN {jobs} i ON i.id = v.job_id
          ORDER BY d.place",
        jobs = product.table(j::TABLE),
        templates = product.table(templates::TABLE),
        versions = product.table(template_versions::TABLE),
    );
    let texts = |text: &dyn Fn(&NewBuild) -> String| {
        Arg::Texts(builds.iter().map(|build| Some(text(build))).collect())
    };
    let written = execute(
        &sql,
        vec![
            uuids(builds.iter().map(|build| build.job_id)),
            uuids(builds.iter().map(|build| build.owner_id)),
            uuids(builds.iter().map(|build| build.organization_id)),
            uuids(builds.iter().map(|build| build.template_version_id)),
            texts(&|build| job_input::job_input(build.build_id)),
            texts(&|build| build.tags.clone()),
            Arg::Time(Some(now)),
            Arg::Text(Some(job_input::trace_metadata(&product.signs))),
        ],
    )?;
    check_written(product, provisioner_jobs::TABLE, written, builds.len())
}

/// The columns of an INSERT and the values for them, each as a list for SQL.
fn insert_lists(insert: &[(Column, String)]) -> (String, String) {
    let (columns, values): (Vec<&str>, Vec<&str>) = insert
        .iter()
        .map(|(column, value)| (column.name, value.as_str()))
        .unzip();
    (columns.join(", "), values.join(", "))
}

fn build_rows(product: &Product, builds: &[NewBuild], now: Instant) -> Result<(), Error> {
    use workspace_builds as b;
    let at = product.time_value("$11", b::CREATED_AT);
    let cast = |value: &str, column| format!("{value}::{}", product.type_of(column));
    let mut insert = vec![
        (b::ID, "d.build_id".to_owned()),
        (b::CREATED_AT, at.clone()),
        (b::UPDATED_AT, at),
        (b::WORKSPACE_ID, "d.workspace_id".to_owned()),
        (b::TEMPLATE_VERSION_ID, "d.version_id".to_owned()),
        (b::BUILD_NUMBER, "d.build_number".to_owned()),
        // The product writes empty bytes where it read NULL.
        (
            b::PROVISIONER_STATE,
            format!(
                "coalesce(l.provisioner_state, {})",
                cast("''", b::PROVISIONER_STATE)
            ),
        ),
        (b::INITIATOR_ID, "d.owner_id".to_owned()),
        (b::TRANSITION, cast("d.transition", b::TRANSITION)),
        (b::JOB_ID, "d.job_id".to_owned()),
        (b::REASON, cast("d.reason", b::REASON)),
        (b::DEADLINE, product.time_value(NO_TIME, b::DEADLINE)),
        (
            b::MAX_DEADLINE,
            product.time_value(NO_TIME, b::MAX_DEADLINE),
        ),
        (b::DAILY_COST, "0".to_owned()),
    ];
    if product.has(b::TEMPLATE_VERSION_PRESET_ID) {
        insert.push((b::TEMPLATE_VERSION_PRESET_ID, "d.preset_id".to_owned()));
    }
    let (columns, values) = insert_lists(&insert);
    let sql = format!(
        "INSERT INTO {builds} ({columns})
         SELECT {values}
           FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) WITH ORDINALITY
                AS d (workspace_id, owner_id, build_id, job_id, latest_build_id, version_id,
                      build_number, transition, reason, preset_id, place)
           JOIN {builds} l ON l.id = d.latest_build_id
          ORDER BY d.place",
        builds = product.table(b::TABLE),
    );
    let written = execute(
        &sql,
        vec![
            uuids(builds.iter().map(|build| build.workspace_id)),
            uuids(builds.iter().map(|build| build.owner_id)),
            uuids(builds.iter().map(|build| build.build_id)),
            uuids(builds.iter().map(|build| build.job_id)),
            uuids(builds.iter().map(|build| build.latest_build_id)),
            uuids(builds.iter().map(|build| build.template_version_id)),
            Arg::Ints(
                builds
                    .iter()
                    .map(|build| Some(build.build_number))
                    .collect(),
            ),
            Arg::Texts(
                builds
                    .iter()
                    .map(|build| Some(build.transition.name().to_owned()))
                    .collect(),
            ),
            Arg::Texts(
                builds
                    .iter()
                    .map(|build| Some(build.reason.name().to_owned()))
                    .collect(),
            ),
            Arg::Uuids(builds.iter().map(|build| build.preset_id).collect()),
            Arg::Time(Some(now)),
        ],
    )?;
    check_written(product, workspace_builds::TABLE, written, builds.len())
}

/// The product's "no time".
const NO_TIME: &str = "'0001-01-01 00:00:00+00'::pg_catalog.timestamptz";

/// Parameters go over build by build where they stay as they are, which is one look-up
/// for each build; else row by row.
fn parameters(product: &Product, builds: &[NewBuild]) -> Result<(), Error> {
    let (same, others): (Vec<&NewBuild>, Vec<&NewBuild>) =
        builds.iter().partition(|build| build.same_parameters);
    same_parameters(product, &same)?;
    other_parameters(product, &others)
}

fn same_parameters(product: &Product, builds: &[&NewBuild]) -> Result<(), Error> {
    let rows = builds.iter().map(|build| build.parameters.len()).sum();
    if rows == 0 {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO {parameters} (workspace_build_id, name, value)
         SELECT d.build_id, l.name, l.value
           FROM unnest($1, $2) AS d (build_id, latest_build_id)
           JOIN {parameters} l ON l.workspace_build_id = d.latest_build_id",
        parameters = product.table(workspace_build_parameters::TABLE),
    );
    let written = execute(
        &sql,
        vec![
            uuids(builds.iter().map(|build| build.build_id)),
            uuids(builds.iter().map(|build| build.latest_build_id)),
        ],
    )?;
    check_written(product, workspace_build_parameters::TABLE, written, rows)
}

fn other_parameters(product: &Product, builds: &[&NewBuild]) -> Result<(), Error> {
    let rows: Vec<(&NewBuild, &ParameterRow)> = builds
        .iter()
        .copied()
        .flat_map(|build| build.parameters.iter().map(move |row| (build, row)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let (legacy_value, legacy_join) = if has_legacy_values(product) {
        (
            "WHEN 'legacy' THEN o.source_value",
            format!(
                "LEFT JOIN {} o ON d.source = 'legacy' AND o.scope = 'workspace'
                      AND o.scope_id = d.workspace_id AND o.name = f.legacy_variable_name",
                product.table(parameter_values::TABLE)
            ),
        )
    } else {
        ("", String::new())
    };
    let sql = format!(
        "INSERT INTO {parameters} (workspace_build_id, name, value)
         SELECT d.build_id, d.name,
                CASE d.source WHEN 'build' THEN l.value {legacy_value}
                              ELSE f.default_value END
           FROM unnest($1, $2, $3, $4, $5, $6) WITH ORDINALITY
                AS d (workspace_id, build_id, latest_build_id, version_id, name, source, place)
           LEFT JOIN {parameters} l
                  ON d.source = 'build' AND l.workspace_build_id = d.latest_build_id
                     AND l.name = d.name
           LEFT JOIN {definitions} f
                  ON d.source <> 'build' AND f.template_version_id = d.version_id
                     AND f.name = d.name
           {legacy_join}
          ORDER BY d.place",
        parameters = product.table(workspace_build_parameters::TABLE),
        definitions = product.table(template_version_parameters::TABLE),
    );
    let source = |source: ValueSource| match source {
        ValueSource::Build => "build",
        ValueSource::Legacy => "legacy",
        ValueSource::Default => "default",
    };
    let written = execute(
        &sql,
        vec![
            uuids(rows.iter().map(|(build, _)| build.workspace_id)),
            uuids(rows.iter().map(|(build, _)| build.build_id)),
            uuids(rows.iter().map(|(build, _)| build.latest_build_id)),
            uuids(rows.iter().map(|(build, _)| build.template_version_id)),
            Arg::Texts(rows.iter().map(|(_, row)| Some(row.name.clone())).collect()),
            Arg::Texts(
                rows.iter()
                    .map(|(_, row)| Some(source(row.source).to_owned()))
                    .collect(),
            ),
        ],
    )?;
    check_written(
        product,
        workspace_build_parameters::TABLE,
        written,
        rows.len(),
    )
}

/// The row that ties a task to the workspace's new build, where a task that is not
/// deleted names the workspace: one row, also where several do. One that is there already
/// stays, without the agent and the app of whatever build it was made for.
fn task_rows(product: &Product, builds: &[NewBuild]) -> Result<(), Error> {
    let emptied: Vec<String> = [
        task_workspace_apps::WORKSPACE_AGENT_ID,
        task_workspace_apps::WORKSPACE_APP_ID,
    ]
    .into_iter()
    .filter(|column| product.has(*column))
    .map(|column| format!("{} = NULL", product.name_of(column)))
    .collect();
    let there_already = if emptied.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!("UPDATE SET {}", emptied.join(", "))
    };
    let sql = format!(
        "INSERT INTO {apps} (task_id, workspace_build_number)
         SELECT DISTINCT ON (d.place) k.id, d.build_number
           FROM unnest($1, $2) WITH ORDINALITY AS d (workspace_id, build_number, place)
           JOIN {tasks} k ON k.workspace_id = d.workspace_id AND k.deleted_at IS NULL
          ORDER BY d.place, k.id
         ON CONFLICT (task_id, workspace_build_number) DO {there_already}",
        apps = product.table(task_workspace_apps::TABLE),
        tasks = product.table(tasks::TABLE),
    );
    execute(
        &sql,
        vec![
            uuids(builds.iter().map(|build| build.workspace_id)),
            Arg::Ints(
                builds
                    .iter()
                    .map(|build| Some(build.build_number))
                    .collect(),
            ),
        ],
    )?;
    Ok(())
}

/// Marks workspaces dormant as of `now`, with the time at which they are to be deleted
/// if their template has one. Fails with 40001 where a workspace was changed since the
/// snapshot, so a newer `last_used_at` is never lost.
pub(crate) fn dormancy_marks(
    product: &Product,
    workspaces: &[Uuid],
    now: Instant,
    delete_after: &[Option<i64>],
) -> Result<(), Error> {
    if workspaces.is_empty() {
        return Ok(());
    }
    let dormant_at = product.name_of(workspaces::DORMANT_AT);
    let deleting_at = if product.has(workspaces::DELETING_AT) {
        format!(
            ", deleting_at = {}",
            product.time_value("d.deleting_at", workspaces::DELETING_AT)
        )
    } else {
        String::new()
    };
    let sql = format!(
        "UPDATE {} w
            SET {dormant_at} = {at}{deleting_at}
           FROM unnest($1, $2) AS d (workspace_id, deleting_at)
          WHERE w.id = d.workspace_id AND w.{dormant_at} IS NULL",
        product.table(workspaces::TABLE),
        at = product.time_value("$3", workspaces::DORMANT_AT),
    );
    let deleting_at = delete_after
        .iter()
        .map(|after| after.map(|micros| now.saturating_add_micros(micros)))
        .collect();
    let written = execute(
        &sql,
        vec![
            uuids(workspaces.iter().copied()),
            Arg::Times(deleting_at),
            Arg::Time(Some(now)),
        ],
    )?;
    check_written(product, workspaces::TABLE, written, workspaces.len())
}

/// A build whose owner is reminded, and of which deadline.
pub(crate) type Reminded = (Uuid, Instant);

/// Notes on builds of which deadline the owner is reminded. Fails with 40001 where one was
/// changed since the snapshot.
pub(crate) fn reminder_marks(
    product: &Product,
    reminded: &[Reminded],
    now: Instant,
) -> Result<(), Error> {
    use workspace_builds as b;
    if reminded.is_empty() {
        return Ok(());
    }
    let deadline = product.time_value("d.deadline", b::DEADLINE);
    let sql = format!(
        "UPDATE {} b
            SET notified_autostop_deadline = {}, updated_at = {}
           FROM unnest($1, $2) AS d (build_id, deadline)
          WHERE b.id = d.build_id AND b.deadline = {deadline}",
        product.table(b::TABLE),
        product.time_value("d.deadline", b::NOTIFIED_AUTOSTOP_DEADLINE),
        product.time_value("$3", b::UPDATED_AT),
    );
    let written = execute(
        &sql,
        vec![
            uuids(reminded.iter().map(|(build, _)| *build)),
            Arg::Times(
                reminded
                    .iter()
                    .map(|(_, deadline)| Some(*deadline))
                    .collect(),
            ),
            Arg::Time(Some(now)),
        ],
    )?;
    check_written(product, b::TABLE, written, reminded.len())
}

/// Fills in `next_start_at` where it is still NULL and the schedule is still the one
/// that it was computed from. Returns how many rows were filled.
pub(crate) fn next_start_at(
    product: &Product,
    fills: &[(Uuid, String, Instant)],
) -> Result<u64, Error> {
    fill_next_start_at(product, fills, "")
}

/// As [`next_start_at`], leaving out the rows that someone else has locked.
pub(crate) fn free_next_start_at(
    product: &Product,
    fills: &[(Uuid, String, Instant)],
) -> Result<u64, Error> {
    let workspaces = product.table(workspaces::TABLE);
    let free = format!(
        " AND w.id IN (SELECT l.id FROM {workspaces} l WHERE l.id = ANY ($1)
                        ORDER BY l.id FOR NO KEY UPDATE SKIP LOCKED)"
    );
    fill_next_start_at(product, fills, &free)
}

fn fill_next_start_at(
    product: &Product,
    fills: &[(Uuid, String, Instant)],
    and: &str,
) -> Result<u64, Error> {
    if fills.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        "UPDATE {} w
            SET next_start_at = {}
           FROM unnest($1, $2, $3) AS d (workspace_id, schedule, next_start_at)
          WHERE w.id = d.workspace_id
            AND w.next_start_at IS NULL
            AND w.autostart_schedule = d.schedule{and}",
        product.table(workspaces::TABLE),
        product.time_value("d.next_start_at", workspaces::NEXT_START_AT),
    );
    execute(
        &sql,
        vec![
            uuids(fills.iter().map(|(id, _, _)| *id)),
            Arg::Texts(
                fills
                    .iter()
                    .map(|(_, text, _)| Some(text.clone()))
                    .collect(),
            ),
            Arg::Times(fills.iter().map(|(_, _, at)| Some(*at)).collect()),
        ],
    )
}

fn check_written(product: &Product, table: &str, written: u64, wanted: usize) -> Result<(), Error> {
    if usize::try_from(written) == Ok(wanted) {
        return Ok(());
    }
    Err(Error::new(
        PgSqlErrorCode::ERRCODE_CARDINALITY_VIOLATION,
        format!(
            "{written} rows were written to {} instead of {wanted}",
            product.table(table)
        ),
    )
    .hint("Do row security, a rule or a trigger on the product's tables hide rows from the executor's role?"))
}
