//! `autobuild_transitions`: the history, a row for each attempt at a transition.

use std::collections::HashSet;

use crate::decision::attempt::Attempt;
use crate::instant::Instant;
use crate::lifecycle::transition::Transition;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, execute, for_each_row, uuids};

/// Writes a row for each attempt.
pub(super) fn record(
    extension: &Extension,
    tick_id: i64,
    attempts: &[Attempt],
    now: Instant,
) -> Result<(), Error> {
    let texts =
        |text: &dyn Fn(&Attempt) -> Option<String>| Arg::Texts(attempts.iter().map(text).collect());
    execute(
        &format!(
            "INSERT INTO {}
                    (tick_id, decided_at, workspace_id, transition, reason, due_at, outcome,
                     code, build_id, job_id, build_number, sqlstate, message)
             SELECT $1, $2, d.*
               FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) AS d",
            extension.table("autobuild_transitions")
        ),
        vec![
            Arg::BigInt(Some(tick_id)),
            Arg::Time(Some(now)),
            uuids(attempts.iter().map(|a| a.workspace_id)),
            texts(&|a| Some(a.transition.name().to_owned())),
            texts(&|a| Some(a.reason.name().to_owned())),
            Arg::Times(attempts.iter().map(|a| Some(a.due_at)).collect()),
            texts(&|a| Some(a.outcome.name().to_owned())),
            texts(&|a| a.code.map(|code| code.code().to_owned())),
            Arg::Uuids(attempts.iter().map(|a| a.build_id).collect()),
            Arg::Uuids(attempts.iter().map(|a| a.job_id).collect()),
            Arg::Ints(attempts.iter().map(|a| a.build_number).collect()),
            texts(&|a| a.sqlstate.map(|state| state.to_string())),
            texts(&|a| a.message.clone()),
        ],
    )?;
    Ok(())
}

/// Of these attempts under `action = observe`, the ones that were not recorded yet:
/// each (workspace, latest build number, transition, reason) is recorded once; a reminder once
/// for each deadline of a build, and so for each time at which it fell due.
pub(crate) fn not_yet_observed(
    extension: &Extension,
    attempts: Vec<Attempt>,
) -> Result<Vec<Attempt>, Error> {
    let mut seen = HashSet::new();
    extension.as_owner(|| {
        for_each_row(
            &format!(
                "SELECT DISTINCT workspace_id, build_number, transition, reason,
                        CASE WHEN transition = 'remind' THEN due_at END
                   FROM {}
                  WHERE workspace_id = ANY ($1) AND outcome = 'observed'",
                extension.table("autobuild_transitions")
            ),
            Access::Read,
            vec![uuids(attempts.iter().map(|a| a.workspace_id))],
            |row| {
                seen.insert((
                    row.uuid(0)?,
                    row.int(1)?,
                    row.text(2)?,
                    row.text(3)?,
                    row.time(4)?,
                ));
                Ok(())
            },
        )
    })?;
    Ok(attempts
        .into_iter()
        .filter(|a| {
            !seen.contains(&(
                Some(a.workspace_id),
                a.build_number,
                Some(a.transition.name().to_owned()),
                Some(a.reason.name().to_owned()),
                Some(a.due_at).filter(|_| a.transition == Transition::Remind),
            ))
        })
        .collect())
}
