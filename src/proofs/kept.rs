//! `autobuild_proofs`: the proofs that are kept. Read and written as the extension's owner.

use std::collections::HashMap;

use uuid::Uuid;

use crate::instant::Instant;
use crate::new_build::inputs::Static;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, Row, execute, for_each_row, uuids};
use crate::template::{Proved, RULES, Reason};

/// The most proofs that are kept; the oldest go first. What is built again is proved again.
const MOST: i64 = 10_000;

/// The kept proofs of these versions, as far as there are any.
pub(crate) fn find(
    extension: &Extension,
    access: Access,
    versions: &[Uuid],
) -> Result<HashMap<Uuid, Proved>, Error> {
    let mut found = HashMap::new();
    if versions.is_empty() {
        return Ok(found);
    }
    extension.as_owner(|| {
        for_each_row(
            &format!(
                "SELECT template_version_id, is_static, findings::pg_catalog.text
                   FROM {}
                  WHERE template_version_id = ANY ($1) AND rules = $2",
                extension.table("autobuild_proofs")
            ),
            access,
            vec![uuids(versions.iter().copied()), Arg::Int(Some(RULES))],
            |row| {
                let id = Row::required(row.uuid(0)?, "autobuild_proofs.template_version_id")?;
                let findings = row.text(2)?.unwrap_or_default();
                // What can't be read is proved anew.
                let proved = if row.bool(1)? {
                    serde_json::from_str(&findings).ok().map(Proved::Static)
                } else {
                    serde_json::from_str::<Vec<Reason>>(&findings)
                        .ok()
                        .filter(|reasons| !reasons.is_empty())
                        .map(Proved::Unknown)
                };
                found.extend(proved.map(|proved| (id, proved)));
                Ok(())
            },
        )
    })?;
    Ok(found)
}

/// Keeps a proof, made now.
pub(super) fn keep(
    extension: &Extension,
    version: Uuid,
    proved: &Proved,
    now: Instant,
) -> Result<(), Error> {
    let (is_static, findings) = match proved {
        Proved::Static(facts) => (true, serde_json::to_string::<Static>(facts)),
        Proved::Unknown(reasons) => (false, serde_json::to_string(reasons)),
    };
    let findings = findings.map_err(|error| Error::internal(format!("a proof: {error}")))?;
    let table = extension.table("autobuild_proofs");
    extension.as_owner(|| {
        execute(
            &format!(
                "INSERT INTO {table} AS p
                        (template_version_id, rules, is_static, findings, proved_at)
                 VALUES ($1, $2, $3, $4::pg_catalog.jsonb, $5)
                 ON CONFLICT (template_version_id) DO UPDATE
                    SET rules = EXCLUDED.rules, is_static = EXCLUDED.is_static,
                        findings = EXCLUDED.findings, proved_at = EXCLUDED.proved_at"
            ),
            vec![
                Arg::Uuid(version),
                Arg::Int(Some(RULES)),
                Arg::Bool(is_static),
                Arg::Text(Some(&findings)),
                Arg::Time(Some(now)),
            ],
        )?;
        execute(
            &format!(
                "DELETE FROM {table} WHERE template_version_id IN
                     (SELECT template_version_id FROM {table} ORDER BY proved_at DESC OFFSET $1)"
            ),
            vec![Arg::BigInt(Some(MOST))],
        )
    })?;
    Ok(())
}
