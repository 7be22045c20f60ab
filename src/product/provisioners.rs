//! Is there a provisioner daemon for a job? Asked once for each distinct organization
//! and tags.

use std::collections::HashMap;

use uuid::Uuid;

use crate::columns::provisioner_daemons;
use crate::instant::{Instant, SECOND};
use crate::server::error::Error;
use crate::server::query::{Access, Arg, Row, for_each_row};

use super::schema::Product;

/// How long ago a daemon may have been seen: 90 s.
const STALE: i64 = 90 * SECOND;

/// An organization, and the tags of a version's import job as stored JSON text.
pub(crate) type Demand = (Uuid, Option<String>);

/// For each demand: is there a daemon that was seen lately and takes such jobs?
///
/// A daemon takes a job whose tags its own contain, where JSON `null` stands for no tags; but a job with exactly the tags
/// `{"scope": "organization", "owner": ""}` goes only to a daemon with just these.
pub(crate) fn available(
    product: &Product,
    demands: &[Demand],
    at: Instant,
) -> Result<HashMap<Demand, bool>, Error> {
    let mut available: HashMap<Demand, bool> = demands
        .iter()
        .cloned()
        .map(|demand| (demand, false))
        .collect();
    if demands.is_empty() {
        return Ok(available);
    }
    // The product compares with the clock as it is, not cut to the minute; a time in
    // the future counts as seen, NULL as never.
    let seen_since = at.saturating_add_micros(-STALE);
    let sql = format!(
        r#"SELECT d.n
             FROM unnest($1, $2) WITH ORDINALITY AS d (organization_id, tags, n)
            CROSS JOIN LATERAL (
                  SELECT CASE WHEN d.tags::pg_catalog.jsonb = 'null' THEN '{{}}'
                              ELSE d.tags::pg_catalog.jsonb END AS tags) AS t
            WHERE EXISTS (
                  SELECT FROM {} p
                   WHERE p.organization_id = d.organization_id
                     AND {} >= $3
                     AND CASE WHEN t.tags = '{{"scope": "organization", "owner": ""}}'
                              THEN p.tags::pg_catalog.jsonb = t.tags
                              ELSE p.tags::pg_catalog.jsonb @> t.tags END)"#,
        product.table(provisioner_daemons::TABLE),
        product.read("p", provisioner_daemons::LAST_SEEN_AT),
    );
    let args = vec![
        Arg::Uuids(demands.iter().map(|(id, _)| Some(*id)).collect()),
        Arg::Texts(demands.iter().map(|(_, tags)| tags.clone()).collect()),
        Arg::Time(Some(seen_since)),
    ];
    for_each_row(&sql, Access::Read, args, |row| {
        let place = Row::required(row.bigint(0)?, "a place")?;
        let demand = usize::try_from(place - 1).ok().and_then(|n| demands.get(n));
        if let Some(demand) = demand {
            available.insert(demand.clone(), true);
        }
        Ok(())
    })?;
    Ok(available)
}
