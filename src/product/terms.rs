//! What deadlines come of: read for forecasts, as their caller, and by nothing else.

use std::collections::HashMap;
use std::rc::Rc;

use uuid::Uuid;

use crate::columns::{templates, users, workspaces};
use crate::forecast::{Requirement, Terms};
use crate::instant::Nanos;
use crate::lifecycle::facts::Facts;
use crate::server::error::Error;
use crate::server::query::{Access, Row, for_each_row};

use super::schema::Product;
use super::select::select;
use super::starts::weekdays;

/// What is set anywhere.
#[derive(Default)]
pub(crate) struct AllTerms {
    /// By workspace, where there is any.
    ttls: HashMap<Uuid, Nanos>,
    templates: HashMap<Uuid, TemplateTerms>,
    /// By user, where they are set.
    quiet_hours: HashMap<Uuid, Rc<str>>,
}

struct TemplateTerms {
    default_ttl: Nanos,
    allow_user_autostop: bool,
    requirement: Requirement,
}

select! {
    /// A workspace's own time.
    struct TtlRow(product) {
        id: uuid = product.read("w", workspaces::ID),
        ttl: bigint = product.read("w", workspaces::TTL),
    }
}

select! {
    /// What a template says of stops.
    struct TemplateRow(product) {
        id: uuid = product.read("t", templates::ID),
        default_ttl: bigint = product.read("t", templates::DEFAULT_TTL),
        allow_user_autostop: optional_bool = product.read("t", templates::ALLOW_USER_AUTOSTOP),
        days: bigint = product.read("t", templates::AUTOSTOP_REQUIREMENT_DAYS_OF_WEEK),
        weeks: bigint = product.read("t", templates::AUTOSTOP_REQUIREMENT_WEEKS),
    }
}

select! {
    /// A user's quiet hours.
    struct UserRow(product) {
        id: uuid = product.read("u", users::ID),
        quiet_hours: text = product.read("u", users::QUIET_HOURS_SCHEDULE),
    }
}

/// Reads all of it.
pub(crate) fn read(product: &Product) -> Result<AllTerms, Error> {
    let mut terms = AllTerms::default();
    if product.has(workspaces::TTL) {
        let sql = format!(
            "SELECT {} FROM {} w WHERE NOT w.deleted AND w.ttl > 0",
            TtlRow::list(product),
            product.table(workspaces::TABLE)
        );
        each(&sql, |row| {
            let row = TtlRow::read(row)?;
            let ttl = row.id.zip(row.ttl);
            terms.ttls.extend(ttl.map(|(id, ttl)| (id, Nanos(ttl))));
            Ok(())
        })?;
    }
    let sql = format!(
        "SELECT {} FROM {} t",
        TemplateRow::list(product),
        product.table(templates::TABLE)
    );
    each(&sql, |row| {
        let row = TemplateRow::read(row)?;
        let set = TemplateTerms {
            default_ttl: Nanos(row.default_ttl.unwrap_or(0)),
            allow_user_autostop: row.allow_user_autostop.unwrap_or(true),
            requirement: Requirement {
                days: weekdays(row.days),
                weeks: row.weeks.unwrap_or(0),
            },
        };
        terms.templates.extend(row.id.map(|id| (id, set)));
        Ok(())
    })?;
    if product.has(users::QUIET_HOURS_SCHEDULE) {
        let sql = format!(
            "SELECT {} FROM {} u WHERE u.quiet_hours_schedule <> ''",
            UserRow::list(product),
            product.table(users::TABLE)
        );
        each(&sql, |row| {
            let row = UserRow::read(row)?;
            let set = row.id.zip(row.quiet_hours);
            terms
                .quiet_hours
                .extend(set.map(|(id, text)| (id, text.into())));
            Ok(())
        })?;
    }
    Ok(terms)
}

fn each(sql: &str, each: impl FnMut(&Row<'_>) -> Result<(), Error>) -> Result<(), Error> {
    for_each_row(sql, Access::Read, vec![], each).map(drop)
}

impl AllTerms {
    /// What one workspace's deadlines come of.
    pub(crate) fn of(&self, facts: &Facts) -> Terms {
        let template = facts.template.as_ref();
        let template = template.and_then(|template| self.templates.get(&template.id));
        Terms {
            ttl: self
                .ttls
                .get(&facts.workspace_id)
                .copied()
                .unwrap_or_default(),
            default_ttl: template.map_or(Nanos(0), |template| template.default_ttl),
            allow_user_autostop: template.is_none_or(|template| template.allow_user_autostop),
            requirement: template
                .map_or_else(Requirement::default, |template| template.requirement),
            quiet_hours: self.quiet_hours.get(&facts.owner_id).cloned(),
        }
    }
}
