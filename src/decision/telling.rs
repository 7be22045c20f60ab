//! What owners are told of what is made: the messages that the product's own executor would
//! queue, made out of what is planned. Nothing is written here.

use std::collections::HashMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::instant::{Instant, Micros};
use crate::lifecycle::rules::ActingRule;
use crate::lifecycle::signs::Signs;
use crate::lifecycle::transition::{BuildReason, Transition};
use crate::messages::actions::{Untold, actions};
use crate::messages::form::{Form, methods};
use crate::messages::message::{Message, Owner, Template, Workspace};
use crate::messages::notice::{Deadline, Notice, Told, Until};
use crate::product::messages::{self, Audited, Names, NoticeRow, Queued};
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::settings::Settings;

use super::planned::Planned;

/// What messages on a set of workspaces are made from.
pub(crate) struct Telling<'a> {
    settings: &'a Settings,
    signs: Signs,
    form: Form,
    audits: bool,
    notices: HashMap<Notice, NoticeRow>,
    names: HashMap<Uuid, Names>,
}

/// A message that can't be made, with the reason in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotMade {
    /// What of.
    pub notice: Notice,
    /// Why.
    pub why: String,
}

/// What is told of a workspace: what there is, and what can't be made.
pub(crate) type Messages = (Vec<Queued>, Vec<NotMade>);

/// Is anybody told of this, if it is made? Asked before anything is read.
fn tells_of(planned: &Planned) -> bool {
    !of_what(planned).is_empty()
}

/// What of, in the order in which the product sends it.
fn of_what(planned: &Planned) -> Vec<Notice> {
    let due = &planned.due;
    let plan = planned.work.as_ref().ok().and_then(Option::as_ref);
    let (latest, template) = (&due.facts.latest, &due.facts.template);
    let updates = due.next.transition == Transition::Start
        && plan
            .zip(latest.as_ref())
            .zip(template.as_ref())
            .is_some_and(|((plan, latest), template)| {
                plan.template_version_id != latest.template_version_id
                    && plan.template_version_id == template.active_version_id
            });
    let all = [
        (Notice::AutoUpdated, updates),
        (Notice::Dormant, due.next.mark_dormant),
        (
            Notice::TaskPaused,
            plan.is_some() && due.next.reason == BuildReason::TaskAutoPause,
        ),
        (Notice::Reminder, due.next.transition == Transition::Remind),
    ];
    all.into_iter()
        .filter(|(_, told)| *told)
        .map(|(notice, _)| notice)
        .collect()
}

impl<'a> Telling<'a> {
    /// Reads what messages on these are made from, as whoever acts; `None` where nobody is
    /// told of any of them. `hold` is called before anything is read.
    pub(crate) fn read(
        product: &Product,
        settings: &'a Settings,
        planned: &[&Planned],
        hold: impl FnOnce() -> Result<(), Error>,
    ) -> Result<Option<Telling<'a>>, Error> {
        let tells = messages::tells(product, settings);
        let audits = messages::audits(product, settings);
        let asked: Vec<(Uuid, Option<Uuid>)> = planned
            .iter()
            .filter(|planned| tells && tells_of(planned) || audits && planned.due.next.mark_dormant)
            .map(|planned| {
                let plan = planned.work.as_ref().ok().and_then(Option::as_ref);
                let version = plan.map(|plan| plan.template_version_id);
                (planned.due.facts.workspace_id, version)
            })
            .collect();
        if asked.is_empty() {
            return Ok(None);
        }
        hold()?;
        Ok(Some(Telling {
            settings,
            form: messages::form(product),
            signs: product.signs,
            audits,
            notices: if tells {
                messages::notices(product)?
            } else {
                HashMap::new()
            },
            names: messages::names(product, &asked)?,
        }))
    }

    /// The messages on what is made for a workspace at this time by the clock. Of what the
    /// installed version has no notice it tells nobody; but for a reminder, which without one
    /// would be none.
    pub(crate) fn messages(&self, planned: &Planned, now: Instant) -> Messages {
        let (mut made, mut not_made) = (Vec::new(), Vec::new());
        for notice in of_what(planned) {
            match self.message(notice, planned, now) {
                Ok(queued) => made.extend(queued),
                Err(why) => not_made.push(NotMade { notice, why }),
            }
        }
        (made, not_made)
    }

    fn message(
        &self,
        notice: Notice,
        planned: &Planned,
        now: Instant,
    ) -> Result<Option<Queued>, String> {
        let facts = &planned.due.facts;
        let Some(row) = self.notices.get(&notice) else {
            return match notice {
                Notice::Reminder => Err(no_row()),
                _ => Ok(None),
            };
        };
        let (Some(names), Some(template)) = (self.names.get(&facts.workspace_id), &facts.template)
        else {
            return Err("the workspace or its owner is hidden from the executor's role".to_owned());
        };
        let told = match notice {
            Notice::AutoUpdated => Told::AutoUpdated {
                version: &names.version,
                message: &names.version_message,
            },
            Notice::Dormant => Told::Dormant(Until::named_by(
                &row.body,
                template.time_til_dormant,
                self.deleted_after(planned),
            )),
            Notice::TaskPaused => match &names.task {
                Some((id, name)) => Told::TaskPaused { id: *id, name },
                None => return Ok(None),
            },
            Notice::Reminder => {
                let latest = facts.latest.as_ref();
                let deadline = latest.and_then(|latest| latest.deadline);
                let deadline = deadline.unwrap_or(Instant::NO_TIME);
                Told::Reminder(Deadline::named_by(&row.body, deadline, now))
            }
        };
        let message = Message::new(
            &told,
            &Workspace {
                id: facts.workspace_id,
                name: &names.workspace,
                template_id: template.id,
                organization_id: facts.organization_id,
            },
            &Owner {
                id: facts.owner_id,
                email: &names.email,
                name: &names.name,
                username: &names.username,
            },
            &Template {
                name: &row.name,
                actions: row.actions.as_deref(),
            },
            self.settings.access_url.as_ref(),
            &self.form,
        );
        let methods = methods(
            &self.form,
            row.method.as_deref(),
            self.settings.notification_method.name(),
            self.settings.notification_inbox,
        );
        Ok(Some(Queued {
            message: message.map_err(|untold| untold.to_string())?,
            methods: methods.into_iter().map(str::to_owned).collect(),
        }))
    }

    fn deleted_after(&self, planned: &Planned) -> Option<Micros> {
        planned
            .due
            .deleted_after(&self.signs, &self.settings.policy)
    }

    /// The audit log's row of a mark that was made at this time.
    pub(crate) fn audited(&self, planned: &Planned, now: Instant) -> Option<Audited> {
        let facts = &planned.due.facts;
        if !self.audits || !planned.due.next.mark_dormant {
            return None;
        }
        let names = self.names.get(&facts.workspace_id)?;
        let mut diff = json!({"dormant_at": changed(facts.dormant_at, now)});
        if let (Some(after), Some(diff)) = (self.deleted_after(planned), diff.as_object_mut()) {
            let deleting_at = now.saturating_add(after);
            diff.insert(
                "deleting_at".to_owned(),
                changed(facts.deleting_at, deleting_at),
            );
        }
        Some(Audited {
            workspace_id: facts.workspace_id,
            name: names.workspace.clone(),
            owner_id: facts.owner_id,
            organization_id: facts.organization_id,
            diff: diff.to_string(),
        })
    }
}

/// What a message on a reminder lacks where the product has no notice of it.
fn no_row() -> String {
    "notification_templates has no row of this notice".to_owned()
}

/// A nullable time that changed, as the product's audit log has it.
fn changed(old: Option<Instant>, new: Instant) -> Value {
    json!({"Old": nullable(old), "New": nullable(Some(new)), "Secret": false})
}

fn nullable(at: Option<Instant>) -> Value {
    let text = at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), in_rfc_3339);
    json!({"Time": text, "Valid": at.is_some()})
}

/// In UTC, zeros at the end of the fraction cut.
fn in_rfc_3339(at: Instant) -> String {
    let text = at.to_string();
    match text.strip_suffix('Z').and_then(|text| text.split_once('.')) {
        Some((whole, fraction)) => format!("{whole}.{}Z", fraction.trim_end_matches('0')),
        None => text,
    }
}

/// What keeps messages of some notices from being made on any workspace: for `problem`.
pub(crate) fn hindrances(product: &Product, settings: &Settings) -> Result<Vec<NotMade>, Error> {
    if !messages::tells(product, settings) {
        return Ok(Vec::new());
    }
    let rows = messages::notices(product)?;
    let mut found = Vec::new();
    for notice in Notice::ALL {
        let acts = |rule| product.signs.bring(rule) && settings.policy.allows(rule);
        let wanted = match notice {
            Notice::AutoUpdated => acts(ActingRule::Autostart),
            Notice::Dormant => acts(ActingRule::Dormancy),
            Notice::TaskPaused => product.signs.task_pause,
            Notice::Reminder => acts(ActingRule::Remind),
        };
        match rows.get(&notice) {
            _ if !wanted => {}
            None if notice == Notice::Reminder => found.push(NotMade {
                notice,
                why: no_row(),
            }),
            None => {}
            Some(row) => {
                if let Err(untold) = has_actions(row, settings) {
                    found.push(NotMade {
                        notice,
                        why: untold.to_string(),
                    });
                }
            }
        }
    }
    Ok(found)
}

/// Can the actions of a notice be filled in, for a user and labels that break nothing?
fn has_actions(row: &NoticeRow, settings: &Settings) -> Result<(), Untold> {
    actions(
        row.actions.as_deref(),
        settings.access_url.as_ref(),
        "owner",
        &serde_json::Map::new(),
    )
    .map(drop)
}
