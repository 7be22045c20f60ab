//! Do the product's rows and the settings go together, and do the two executors agree?

use uuid::Uuid;

use crate::api::agreement::compared;
use crate::api::{seen_by_ticks, unreadable};
use crate::columns::{templates, workspace_builds, workspaces};
use crate::decision::agreement::Summary;
use crate::decision::hanging;
use crate::instant::{HOUR, Micros};
use crate::lifecycle::rules::{ActingRule, RuleSet};
use crate::product::facts;
use crate::product::licence;
use crate::product::locks::are_free;
use crate::product::schema::{Product, alter_database, quoted};
use crate::server::error::Error;
use crate::server::identity::{current_user, role_name};
use crate::server::query::exists;
use crate::server::subtransaction::in_subtransaction;
use crate::server::{clock, zones};
use crate::settings::{Action, Settings};

use super::item::Item;

const NOT_READ: &str = "the product's tables can't be read now: see the rows role and rights, or a \
                        session has locked them";

/// The rows `rules`, `licence`, `zones` and `schedules`.
pub(super) fn items(product: &Product, settings: &Settings) -> Result<Vec<Item>, Error> {
    Ok(vec![
        rules(product, settings)?,
        match licence::problem(product, settings)? {
            None => Item::fine(
                "licence",
                "licensed_rules and the product's licences go together",
            ),
            Some(problem) => {
                let statement = licence::mending_statement(product, settings);
                Item::lacking("licence", problem, statement)
            }
        },
        zones_of_schedules(product, settings)?,
        schedules(product, settings)?,
    ])
}

/// Does a rule act that the product's executor has? Deletion, which is off by default, is asked
/// for where there is something to delete by it.
fn rules(product: &Product, settings: &Settings) -> Result<Item, Error> {
    const ITEM: &str = "rules";
    let mut missing: Vec<ActingRule> = ActingRule::ALL
        .into_iter()
        .filter(|rule| !settings.policy.rules.contains(*rule) && !rule.reminds())
        .filter(|rule| product.signs.bring(*rule))
        .collect();
    if missing.contains(&ActingRule::Delete) {
        let Some(deletes) = deletes(product, settings)? else {
            return Ok(Item::unknown(ITEM, NOT_READ));
        };
        missing.retain(|rule| *rule != ActingRule::Delete || deletes);
    }
    if missing.is_empty() {
        return Ok(Item::fine(
            ITEM,
            format!("rules that act: {}", settings.policy.rules),
        ));
    }
    let wanted = missing
        .iter()
        .copied()
        .fold(settings.policy.rules, RuleSet::with);
    let missing: RuleSet = missing.into_iter().collect();
    Ok(Item::lacking(
        ITEM,
        format!(
            "the product's executor acts on rules that are not in workspace_autobuild.rules: {missing}"
        ),
        alter_database("rules", &wanted.to_string()),
    ))
}

/// Does a template that is in use have its dormant workspaces deleted? `None` where it can't be
/// read.
fn deletes(product: &Product, settings: &Settings) -> Result<Option<bool>, Error> {
    if !settings.policy.licensed {
        return Ok(Some(false));
    }
    let sql = format!(
        "SELECT FROM {} t
          WHERE {} > 0
            AND EXISTS (SELECT FROM {} w WHERE w.template_id = t.id AND NOT w.deleted)
          LIMIT 1",
        product.table(templates::TABLE),
        product.read("t", templates::TIME_TIL_DORMANT_AUTODELETE),
        product.table(workspaces::TABLE),
    );
    let tables = [templates::TABLE, workspaces::TABLE];
    seen_by_ticks::read(product, settings, &tables, || exists(&sql, vec![]))
}

fn zones_of_schedules(product: &Product, settings: &Settings) -> Result<Item, Error> {
    const ITEM: &str = "zones";
    let Some(schedules) = unreadable::seen(product, settings)? else {
        return Ok(Item::unknown(ITEM, NOT_READ));
    };
    Ok(match zones::problem(&schedules.zones) {
        None => Item::fine(
            ITEM,
            format!(
                "zones of schedules, with a file for each: {}",
                schedules.zones.len()
            ),
        ),
        Some(problem) => Item::lacking(ITEM, problem, None),
    })
}

/// Workspaces that one statement mends.
const MENDED_AT_ONCE: usize = 100;
/// Workspaces that are named.
const NAMED: usize = 3;

fn schedules(product: &Product, settings: &Settings) -> Result<Item, Error> {
    const ITEM: &str = "schedules";
    let tick = clock::now().truncate_to_minute();
    let hanging = seen_by_ticks::read(product, settings, &facts::READ, || {
        hanging::read(product, tick)
    })?;
    let Some(hanging) = hanging else {
        return Ok(Item::unknown(ITEM, NOT_READ));
    };
    if hanging.is_empty() {
        return Ok(Item::fine(
            ITEM,
            "no schedule keeps a tick of the product's own executor from ending",
        ));
    }
    let list = |ids: &[Uuid], separator: &str, quote: &str| {
        let ids: Vec<String> = ids.iter().map(|id| format!("{quote}{id}{quote}")).collect();
        ids.join(separator)
    };
    let some = |most: usize| hanging.get(..most).unwrap_or(&hanging);
    let more = if hanging.len() > NAMED { ", ..." } else { "" };
    Ok(Item::lacking(
        ITEM,
        format!(
            "a tick of the product's own executor never ends, so that it moves no workspace any \
             more, once it looks at one whose schedule is empty or can't be read and whose \
             next_start_at is NULL; such workspaces: {} ({}{more})",
            hanging.len(),
            list(some(NAMED), ", ", "")
        ),
        format!(
            "UPDATE {} SET autostart_schedule = NULL WHERE id IN ({});",
            product.table(workspaces::TABLE),
            list(some(MENDED_AT_ONCE), ", ", "'")
        ),
    ))
}

/// For so long the two are compared.
const WEEK: Micros = Micros(7 * 24 * HOUR);

/// What the two agreed on in the last week, as far as the caller may read it.
pub(super) fn agreement(product: &Product, settings: &Settings) -> Result<Item, Error> {
    const ITEM: &str = "agreement";
    if !are_free(product, &[workspace_builds::TABLE]) {
        return Ok(Item::unknown(
            ITEM,
            "a session has locked the product's builds: ask again",
        ));
    }
    let now = clock::now();
    let found = in_subtransaction(|| compared(settings, now.saturating_sub(WEEK), now));
    let summary = match found {
        Ok(compared) => Summary::of(&compared),
        Err(error) if error.sqlstate().lacks_right() => {
            let role = quoted(&role_name(current_user()).unwrap_or_default());
            let builds = product.table(workspace_builds::TABLE);
            return Ok(Item {
                statement: Some(format!(
                    "GRANT pg_monitor TO {role}; GRANT SELECT ON {builds} TO {role};"
                )),
                ..Item::unknown(ITEM, format!("you may not read it: {}", error.message))
            });
        }
        Err(error) if error.sqlstate().is_intervention() => return Err(error),
        Err(error) => return Ok(Item::unknown(ITEM, error.message)),
    };
    let detail = format!("in the last 7 days: {}", summary.sentence());
    let observed = summary.agreed + summary.only_ours > 0;
    Ok(if summary.all_agree() {
        Item::fine(ITEM, detail)
    } else if !observed && settings.action != Action::Observe {
        Item::lacking(ITEM, detail, alter_database("action", "observe"))
    } else if !observed && summary.only_product == 0 {
        Item::lacking(ITEM, format!("{detail}; let both run for some days"), None)
    } else {
        let statement = "SELECT * FROM autobuild_agreement(now() - interval '7 days') \
                         WHERE verdict <> 'both' AND code IS DISTINCT FROM 'overtaken';";
        Item::lacking(ITEM, detail, statement.to_owned())
    })
}
