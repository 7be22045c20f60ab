//! What ours observed beside what the product's executor built, from the history and the
//! product's builds.
//!
//! Both are read as the caller, who needs the rights of both. A transition is one of a
//! workspace, a build number, a kind and a reason: in the time that is asked for it is looked
//! for on either side, and then on the other side at any time.

use crate::columns::workspace_builds;
use crate::decision::agreement::{Compared, Made, OVERTAKEN};
use crate::instant::{Instant, Micros};
use crate::lifecycle::transition::BuildReason;
use crate::product::schema::Product;
use crate::server::clock;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::guc::with_settings;
use crate::server::query::{Access, Arg, Row, for_each_row};

/// What is younger may still get its counterpart: each executor looks once a minute, and the
/// product's passes over a workspace that ours is just looking at. Counted from when the
/// transaction began, whose snapshot may be as old.
const SETTLED: &str = "pg_catalog.now() - interval '3 minutes'";

/// The transitions of `[since, until)`, by the earlier of their two times, in this order.
/// History is complete for as long as it is kept: of a build that is older than that, and
/// than its oldest row, nobody can tell whether ours made it.
///
/// Errors: 42501 the caller may not read the history, or the product's builds.
pub(crate) fn read(
    extension: &Extension,
    product: &Product,
    kept: Option<Micros>,
    since: Instant,
    until: Instant,
) -> Result<Vec<Compared>, Error> {
    let complete = kept.map_or(Instant::MIN, |kept| clock::now().saturating_sub(kept));
    let args = vec![
        Arg::Time(Some(since)),
        Arg::Time(Some(until)),
        Arg::Time(Some(complete)),
    ];
    let mut compared = Vec::new();
    // Whatever the server believes of tables that were never analyzed: each is read once, and
    // a hundred thousand transitions are not looked up one by one.
    let settings = [("jit", "off"), ("enable_nestloop", "off")];
    with_settings(&settings, || {
        for_each_row(&statement(extension, product), Access::Read, args, |row| {
            compared.extend(decode(row)?);
            Ok(())
        })
    })?;
    Ok(compared)
}

/// Neither builds nor the history have an index for all of it, so that each is read from end to
/// end and hashed. Only of what the product's executor alone made is the history asked one by
/// one, by its index.
fn statement(extension: &Extension, product: &Product) -> String {
    let b = |column| product.read("b", column);
    let reasons = BuildReason::WRITTEN.map(|reason| format!("'{}'", reason.name()));
    format!(
        "WITH made AS (
              SELECT DISTINCT h.build_id FROM {history} h WHERE h.build_id IS NOT NULL),
            seen AS (
              SELECT h.workspace_id, h.build_number::pg_catalog.int8 AS build_number,
                     h.transition, h.reason
                FROM {history} h
               WHERE {observed}
                 AND h.decided_at >= $1 AND h.decided_at < $2 AND h.decided_at <= {SETTLED}
               UNION
              SELECT {workspace_id}, {build_number}, {transition}, {reason}
                FROM {builds} b
               WHERE {reason} IN ({reasons})
                 AND {created_at} >= $1 AND {created_at} < $2 AND {created_at} <= {SETTLED}
                 AND NOT EXISTS (SELECT FROM made m WHERE m.build_id = b.id)),
            ours AS (
              SELECT h.workspace_id, h.build_number, h.transition, h.reason,
                     pg_catalog.min(h.decided_at) AS at
                FROM {history} h
               WHERE {observed}
               GROUP BY 1, 2, 3, 4),
            found AS (
              SELECT s.*, o.at AS ours_at,
                     CASE WHEN {transition} = s.transition AND {reason} = s.reason
                               AND m.build_id IS NULL THEN {created_at} END AS product_at,
                     {transition} AS built_transition, {reason} AS built_reason,
                     CASE WHEN m.build_id IS NOT NULL THEN 'ours'
                          WHEN {reason} IN ({reasons}) THEN 'product'
                          WHEN b.id IS NOT NULL THEN 'user' END AS built_by
                FROM seen s
                LEFT JOIN ours o USING (workspace_id, build_number, transition, reason)
                LEFT JOIN {builds} b
                  ON b.workspace_id = s.workspace_id AND b.build_number = s.build_number
                LEFT JOIN made m ON m.build_id = b.id)
         SELECT f.workspace_id, f.build_number, f.transition, f.reason, f.ours_at, f.product_at,
                f.built_by, f.built_transition, f.built_reason,
                w.outcome, w.transition, w.reason, COALESCE(w.code, w.sqlstate), w.message
           FROM found f
           LEFT JOIN LATERAL (
                SELECT h.outcome, h.transition, h.reason, h.code, h.sqlstate, h.message
                  FROM {history} h
                 WHERE f.ours_at IS NULL AND h.workspace_id = f.workspace_id
                   AND (h.build_number = f.build_number OR h.build_number IS NULL)
                   AND h.outcome IN ('blocked', 'failed', 'observed')
                   AND h.transition <> 'remind'
                   AND h.decided_at BETWEEN f.product_at - interval '1 hour' AND f.product_at
                 ORDER BY h.transition = f.transition AND h.reason = f.reason DESC,
                          h.transition_id DESC
                 LIMIT 1) w ON true
          WHERE LEAST(f.ours_at, f.product_at) >= $1 AND LEAST(f.ours_at, f.product_at) < $2
            AND LEAST(f.ours_at, f.product_at) <= {SETTLED}
            AND (f.ours_at IS NOT NULL OR f.product_at >=
                 LEAST($3, (SELECT pg_catalog.min(h.decided_at) FROM {history} h)))
          ORDER BY LEAST(f.ours_at, f.product_at), f.workspace_id, f.build_number, f.transition",
        history = extension.table("autobuild_transitions"),
        observed = "h.outcome = 'observed' AND h.transition IN ('start', 'stop', 'delete')",
        builds = product.table(workspace_builds::TABLE),
        workspace_id = b(workspace_builds::WORKSPACE_ID),
        build_number = b(workspace_builds::BUILD_NUMBER),
        transition = b(workspace_builds::TRANSITION),
        reason = b(workspace_builds::REASON),
        created_at = b(workspace_builds::CREATED_AT),
        reasons = reasons.join(", "),
    )
}

fn decode(row: &Row<'_>) -> Result<Option<Compared>, Error> {
    let number = Row::required(row.bigint(1)?, "build_number")?;
    let Some(made) = Made::new(row.time(4)?, row.time(5)?) else {
        return Ok(None);
    };
    let (code, detail) = match made {
        Made::Both { .. } => (None, None),
        Made::OnlyOurs(_) => instead_of_ours(row, number)?,
        Made::OnlyProduct(_) => (row.text(12)?, said_of_products(row)?),
    };
    Ok(Some(Compared {
        workspace_id: Row::required(row.uuid(0)?, "workspace_id")?,
        build_number: i32::try_from(number).unwrap_or(i32::MAX),
        transition: row.text(2)?.unwrap_or_default(),
        reason: row.text(3)?.unwrap_or_default(),
        made,
        code,
        detail,
    }))
}

/// What became of the build that only ours would have made.
fn instead_of_ours(row: &Row<'_>, number: i64) -> Result<(Option<String>, Option<String>), Error> {
    let what = format!(
        "{}, {}",
        row.text(7)?.unwrap_or_default(),
        row.text(8)?.unwrap_or_default()
    );
    Ok(match row.text(6)?.as_deref() {
        Some("user") => (
            Some(OVERTAKEN.to_owned()),
            Some(format!("a user made build {number}: {what}")),
        ),
        Some("product") => (
            None,
            Some(format!(
                "the product's executor made build {number} otherwise: {what}"
            )),
        ),
        Some(_) => (
            None,
            Some(format!("ours made build {number} itself later: {what}")),
        ),
        None => (None, Some(format!("nobody made build {number}"))),
    })
}

/// What ours last said of the build that only the product's executor made.
fn said_of_products(row: &Row<'_>) -> Result<Option<String>, Error> {
    let Some(outcome) = row.text(9)? else {
        return Ok(None);
    };
    let what = format!(
        "{}, {}",
        row.text(10)?.unwrap_or_default(),
        row.text(11)?.unwrap_or_default()
    );
    let same = row.text(10)? == row.text(2)? && row.text(11)? == row.text(3)?;
    let message = row.text(13)?;
    Ok(match (outcome.as_str(), same) {
        ("observed", _) => Some(format!("ours would have made another one: {what}")),
        (_, true) => message,
        (_, false) => Some(format!(
            "of another one, {what}: {}",
            message.unwrap_or_default()
        )),
    })
}
