//! `autobuild_brakes`: which kinds of transitions wait for `autobuild_resume()`, and since when
//! what is made counts anew.

use crate::decision::brakes::{Brake, KINDS};
use crate::instant::{HOUR, Instant};
use crate::lifecycle::transition::Transition;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, Row, execute, for_each_row};

/// A kind by its name; `None` for one of another version of the extension.
fn kind(name: Option<String>) -> Option<Transition> {
    let name = name?;
    KINDS.into_iter().find(|kind| kind.name() == name)
}

/// The brakes that are on, under the active snapshot. A catalog of another version has none.
pub(crate) fn on(extension: &Extension) -> Result<Vec<Brake>, Error> {
    let mut on = Vec::new();
    if !extension.is_current() {
        return Ok(on);
    }
    // Where one is replicated from elsewhere, the later one tells.
    let sql = format!(
        "SELECT DISTINCT ON (b.transition) b.transition, b.braked_at, b.allowed, b.workspaces
           FROM {} b
          WHERE b.released_at IS NULL
          ORDER BY b.transition USING OPERATOR(pg_catalog.<),
                   b.braked_at USING OPERATOR(pg_catalog.>)",
        extension.table("autobuild_brakes")
    );
    extension.as_owner(|| {
        for_each_row(&sql, Access::Read, Vec::new(), |row| {
            if let Some(transition) = kind(row.text(0)?) {
                on.push(Brake {
                    transition,
                    since: Row::required(row.time(1)?, "autobuild_brakes.braked_at")?,
                    allowed: row.bigint(2)?.unwrap_or(0),
                    workspaces: row.bigint(3)?.unwrap_or(0),
                });
            }
            Ok(())
        })
    })?;
    Ok(on)
}

/// How many of each of these kinds were made within the hour before `now`, and since their brake
/// was released last; 0 is left out. What is said of times to come, as when the clock was set
/// back, does not count: neither what was made then nor a release, after which nothing would
/// count until that time.
pub(crate) fn made(
    extension: &Extension,
    kinds: &[Transition],
    now: Instant,
) -> Result<Vec<(Transition, i64)>, Error> {
    let mut made = Vec::new();
    let sql = format!(
        "SELECT t.transition, pg_catalog.count(*)
           FROM {transitions} t
           LEFT JOIN (SELECT b.transition, pg_catalog.max(b.released_at) AS at
                        FROM {brakes} b WHERE b.released_at <= $2 GROUP BY b.transition) r
             ON r.transition = t.transition
          WHERE t.decided_at > $1 AND t.decided_at <= $2
            AND t.outcome = 'built' AND t.transition = ANY ($3)
            AND (r.at IS NULL OR t.decided_at > r.at)
          GROUP BY t.transition",
        transitions = extension.table("autobuild_transitions"),
        brakes = extension.table("autobuild_brakes"),
    );
    let names = kinds.iter().map(|kind| Some(kind.name().to_owned()));
    let args = vec![
        Arg::Time(Some(now.saturating_add_micros(-HOUR))),
        Arg::Time(Some(now)),
        Arg::Texts(names.collect()),
    ];
    extension.as_owner(|| {
        for_each_row(&sql, Access::Read, args, |row| {
            if let Some(kind) = kind(row.text(0)?) {
                made.push((kind, row.bigint(1)?.unwrap_or(0)));
            }
            Ok(())
        })
    })?;
    Ok(made)
}

/// Keeps brakes that were put on.
pub(crate) fn record(extension: &Extension, brakes: &[Brake]) -> Result<(), Error> {
    for brake in brakes {
        extension.as_owner(|| {
            execute(
                &format!(
                    "INSERT INTO {} (transition, braked_at, allowed, workspaces)
                     VALUES ($1, $2, $3, $4)",
                    extension.table("autobuild_brakes")
                ),
                vec![
                    Arg::Text(Some(brake.transition.name())),
                    Arg::Time(Some(brake.since)),
                    Arg::BigInt(Some(brake.allowed)),
                    Arg::BigInt(Some(brake.workspaces)),
                ],
            )
        })?;
    }
    Ok(())
}

/// Releases all brakes; without one it does nothing. A catalog of another version has none.
pub(crate) fn release(extension: &Extension, by: Option<&str>, now: Instant) -> Result<(), Error> {
    if !extension.is_current() {
        return Ok(());
    }
    extension.as_owner(|| {
        execute(
            &format!(
                "UPDATE {} SET released_at = $1, released_by = $2 WHERE released_at IS NULL",
                extension.table("autobuild_brakes")
            ),
            vec![Arg::Time(Some(now)), Arg::Text(by)],
        )
    })?;
    Ok(())
}
