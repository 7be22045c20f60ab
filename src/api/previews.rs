//! `autobuild_next_transition` and `autobuild_explain`: what will happen to a workspace and
//! why, read as the caller.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;
use uuid::Uuid;

use crate::decision::due::Due;
use crate::decision::holds;
use crate::decision::judge::judge;
use crate::decision::plan::plan_all;
use crate::instant::Instant;
use crate::ledger::brakes;
use crate::lifecycle::explain::explain;
use crate::lifecycle::facts::Facts;
use crate::lifecycle::outcome::Next;
use crate::lifecycle::skip::Skip;
use crate::lifecycle::transition::Transition;
use crate::lifecycle::verdict::Verdict;
use crate::new_build::codes::BlockCode;
use crate::new_build::inputs::Proof;
use crate::new_build::request::Request;
use crate::new_build::version::chosen_version;
use crate::product::facts::{self, Selection};
use crate::product::licence;
use crate::product::locks::hold_for_preview;
use crate::product::schema::Product;
use crate::proofs::Proofs;
use crate::server::clock::{argument, timestamptz};
use crate::server::error::{Error, OrRaise};
use crate::server::extension::Extension;
use crate::settings::Settings;

use super::{messages, versions};

/// The facts of one workspace. Errors: P0002 there is no such workspace (or the caller
/// may not see it).
fn facts_of(product: &Product, id: Uuid) -> Result<Facts, Error> {
    let mut found = None;
    facts::read(product, Selection::One(id), |facts| {
        found = Some(facts);
        Ok(())
    })?;
    found.ok_or_else(|| {
        Error::new(
            PgSqlErrorCode::ERRCODE_NO_DATA_FOUND,
            format!("workspace {id} does not exist"),
        )
        .hint(format!(
            "Is it a workspaces.id of schema {}, and do you have the right to see its row?",
            product.name()
        ))
    })
}

/// Why a workspace that is due can't be built now, if it can't: code and sentence.
fn block(
    product: &Product,
    settings: &Settings,
    facts: Facts,
    next: Next,
    at: Instant,
) -> Result<Option<(String, String)>, Error> {
    let due = Due {
        facts,
        next,
        fill_next_start_at: None,
    };
    let planned = plan_all(product, settings, vec![due], at, Proofs::Made)?;
    if let Some(block) = planned.into_iter().find_map(|planned| planned.work.err()) {
        return Ok(Some((block.code.code().to_owned(), block.message)));
    }
    let extension = Extension::to_read()?;
    let on = brakes::on(&extension)?;
    let against = on.iter().find(|brake| brake.transition == next.transition);
    Ok(against.map(|brake| (BlockCode::Braked.code().to_owned(), brake.sentence())))
}

/// What happens next to one workspace and when, or the code and sentence why nothing
/// does.
///
/// Errors: P0002 no such workspace, 22023 an infinite time, 42xxx what the product's
/// tables or the caller's rights lack.
#[pg_extern(stable, strict, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn autobuild_next_transition(
    workspace_id: pgrx::Uuid,
    at: default!(TimestampWithTimeZone, "pg_catalog.now()"),
) -> TableIterator<
    'static,
    (
        name!(transition, Option<String>),
        name!(reason, Option<String>),
        name!(next_transition_at, Option<TimestampWithTimeZone>),
        name!(due, bool),
        name!(skip_reason, Option<String>),
        name!(detail, Option<String>),
    ),
> {
    let at = argument("at", at).or_raise();
    let settings = licence::settings().or_raise();
    let product = hold_for_preview(&settings.product_schema).or_raise();
    let facts = facts_of(&product, Uuid::from_bytes(*workspace_id.as_bytes())).or_raise();
    let tick = at.truncate_to_minute();
    let holds = holds::read(tick).or_raise();
    let Verdict { outcome, .. } = judge(&product, &settings.policy, &holds, &facts, tick);
    let row = match outcome {
        Err(
            ref skip @ Skip::Held {
                transition,
                reason,
                at,
                ..
            },
        ) => (
            Some(transition.name().to_owned()),
            Some(reason.name().to_owned()),
            at.map(timestamptz),
            false,
            Some(skip.code().to_owned()),
            Some(skip.to_string()),
        ),
        Err(skip) => (
            None,
            None,
            None,
            false,
            Some(skip.code().to_owned()),
            Some(skip.to_string()),
        ),
        Ok(next) => {
            let block = if next.due {
                block(&product, &settings, facts, next, at).or_raise()
            } else {
                None
            };
            let (code, message) = block.unzip();
            (
                Some(next.transition.name().to_owned()),
                Some(next.reason.name().to_owned()),
                Some(timestamptz(next.at)),
                next.due,
                code,
                message,
            )
        }
    };
    TableIterator::once(row)
}

/// The conditions and rules for one workspace in order, with what was observed, down to
/// the deciding one.
///
/// Errors: as `autobuild_next_transition`.
#[pg_extern(stable, strict, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_explain(
    workspace_id: pgrx::Uuid,
    at: default!(TimestampWithTimeZone, "pg_catalog.now()"),
) -> TableIterator<
    'static,
    (
        name!(step, i32),
        name!(rule, String),
        name!(passed, bool),
        name!(observed, String),
    ),
> {
    let at = argument("at", at).or_raise();
    let settings = licence::settings().or_raise();
    let product = hold_for_preview(&settings.product_schema).or_raise();
    let facts = facts_of(&product, Uuid::from_bytes(*workspace_id.as_bytes())).or_raise();
    let tick = at.truncate_to_minute();
    let holds = holds::read(tick).or_raise();
    let mut steps: Vec<(String, bool, String)> = holds
        .with_schedules(|schedules| {
            explain(&facts, &product.signs, &settings.policy, tick, schedules)
        })
        .into_iter()
        .map(|step| (step.rule.to_owned(), step.passed, step.observed))
        .collect();
    let Verdict {
        outcome, reminder, ..
    } = judge(&product, &settings.policy, &holds, &facts, tick);
    if let Some(next) = reminder.filter(|reminder| reminder.due) {
        steps.push(message_step(&product, &settings, facts, next).or_raise());
        return numbered(steps);
    }
    if let Ok(next) = outcome {
        steps.extend(source_step(&product, &settings, &facts, &next).or_raise());
        if !next.due {
            return numbered(steps);
        }
        let (passed, observed) = match block(&product, &settings, facts, next, at).or_raise() {
            None => (true, "It can be written now.".to_owned()),
            Some((code, message)) => (false, format!("{code}: {message}")),
        };
        steps.push(("buildable".to_owned(), passed, observed));
    }
    numbered(steps)
}

/// Can the message of a reminder that is due be queued?
fn message_step(
    product: &Product,
    settings: &Settings,
    facts: Facts,
    next: Next,
) -> Result<(String, bool, String), Error> {
    let due = Due {
        facts,
        next,
        fill_next_start_at: None,
    };
    let (passed, observed) = match messages::keeps_from_reminding(product, settings, due)? {
        None => (true, "The owner's message can be queued now.".to_owned()),
        Some(why) => (false, format!("The owner can't be reminded: {why}.")),
    };
    Ok(("message".to_owned(), passed, observed))
}

/// The rows of `autobuild_explain`.
type StepRows = TableIterator<'static, (i32, String, bool, String)>;

fn numbered(steps: Vec<(String, bool, String)>) -> StepRows {
    TableIterator::new(
        (1..)
            .zip(steps)
            .map(|(step, (rule, passed, observed))| (step, rule, passed, observed)),
    )
}

/// What is known of the source of the version that a start takes, where the product renders
/// it. Only a change of version depends on that.
fn source_step(
    product: &Product,
    settings: &Settings,
    facts: &Facts,
    next: &Next,
) -> Result<Option<(String, bool, String)>, Error> {
    if next.transition != Transition::Start || !product.signs.dynamic {
        return Ok(None);
    }
    let version = chosen_version(&Request {
        facts,
        next,
        signs: &product.signs,
        policy: &settings.policy,
    });
    let proof = match version {
        Some(id) => versions::of_source(product, settings, id)?.map(|proof| (id, proof)),
        None => None,
    };
    Ok(proof.map(|(id, proof)| {
        let (passed, observed) = match proof {
            Proof::Static(_) => (
                true,
                format!(
                    "The source of template version {id} decides nothing that is not stored \
                    (static)."
                ),
            ),
            Proof::Unproved => (
                false,
                format!(
                    "The source of template version {id} was not looked at yet; the next tick \
                    does."
                ),
            ),
            Proof::Unknown(why) => (
                false,
                format!("The parameters of template version {id} can't be known here: {why}."),
            ),
        };
        ("template_source".to_owned(), passed, observed)
    }))
}
