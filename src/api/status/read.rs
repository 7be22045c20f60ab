//! All that the row is made of, read once.

use crate::agenda;
use crate::agenda::state::Agenda;
use crate::api::{holds, messages, unreadable, versions};
use crate::instant::Instant;
use crate::ledger::attempts::{self, Stuck};
use crate::ledger::brakes;
use crate::ledger::pauses::{self, Pause};
use crate::ledger::ticks;
use crate::product::copies::{dump_problem, not_subscribed};
use crate::product::licence;
use crate::product::locks::are_free;
use crate::product::role::executor_role;
use crate::product::schema::Product;
use crate::server::clock;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::identity::role_name;
use crate::server::query::{Access, fetch_one};
use crate::server::zones;
use crate::settings::Settings;
use crate::worker::configured::workers_settings;
use crate::worker::slot::{LastTick, Slot};

use super::seen::{LATE, Seen, seen};
use super::{blockers, collation};

/// All that the row is made of.
pub(super) struct Status {
    pub extension: Extension,
    pub settings: Settings,
    pub pause: Option<Pause>,
    pub seen: Option<Seen>,
    pub last_tick: Option<LastTick>,
    /// The role as which the product's tables are used, or what is missing there.
    pub product: Result<Option<String>, String>,
    pub agenda: Agenda,
    /// What is wrong with the agenda.
    pub agenda_problem: Option<String>,
    /// What is wrong between `licensed_rules` and the product's licences.
    pub licence_problem: Option<String>,
    /// Who is kept from being started by a schedule that can't be read, and which zones of
    /// schedules the server has no file of.
    pub schedule_problems: Vec<String>,
    /// Which templates have an active version that workspaces follow and can't be started on.
    pub template_problem: Option<String>,
    /// Which messages to owners can't be queued.
    pub message_problem: Option<String>,
    /// What the brakes say that are on.
    pub brakes: Vec<String>,
    /// Which holds have a rule that can't be read any more.
    pub hold_problem: Option<String>,
    /// Who is in a tick's way.
    pub blockers: Vec<String>,
    /// What is in the way of a dump.
    pub dump_problem: Option<String>,
    /// The workspaces that can't move.
    pub stuck: Stuck,
    /// The database's collation version isn't the system's.
    pub collation_problem: Option<String>,
    /// The server has just become one in which a launcher is to run, and has none yet.
    pub launcher_comes: bool,
}

impl Status {
    pub(super) fn read() -> Result<Status, Error> {
        let extension = Extension::get()?;
        let seen = seen()?;
        let pause = extension.as_owner(|| pauses::find(&extension))?;
        let last_tick = match seen.as_ref().and_then(|seen| seen.slot.as_ref()) {
            Some(slot) if slot.last_tick.made => Some(slot.last_tick),
            _ => extension
                .as_owner(|| ticks::last(&extension))?
                .map(of_history),
        };
        let mut settings = workers_settings(&extension)?;
        let blockers = match seen.as_ref().and_then(|seen| seen.slot.as_ref()) {
            Some(slot) => blockers::problems(&settings, slot)?,
            None => Vec::new(),
        };
        let stuck = extension.as_owner(|| attempts::count_stuck(&extension))?;
        let brakes = brakes::on(&extension)?
            .iter()
            .map(|brake| format!("{} (since {})", brake.sentence(), brake.since))
            .collect();
        let launcher_comes = match &seen {
            Some(seen) => !seen.launcher && !seen.launched && has_just_begun()?,
            None => false,
        };
        // Without the product's tables there is none.
        let found = Product::find(&settings.product_schema).ok();
        let (licence_problem, schedules, unknown, message_problem) = match &found {
            // A migration that holds them is told of by others; it must not be waited for.
            Some(product) if are_free(product, &licence::READ) => {
                licence::follow(product, &mut settings)?;
                (
                    licence::problem(product, &settings)?,
                    unreadable::seen(product, &settings)?,
                    versions::seen(product, &settings)?,
                    messages::problem(product, &settings)?,
                )
            }
            _ => (None, None, None, None),
        };
        let agenda = match &found {
            Some(product) => Agenda::find(&extension, product, &settings, Access::Read)?,
            None => Agenda::Detached,
        };
        Ok(Status {
            product: extension
                .must_be_current()
                .and_then(|()| role(&settings))
                .map_err(|error| error.to_string()),
            agenda_problem: match &found {
                Some(product) => agenda::problem(&extension, &agenda, product)?,
                None => None,
            },
            dump_problem: match &found {
                Some(product) => dump_problem(&extension, product)?,
                None => None,
            },
            licence_problem,
            schedule_problems: schedules.map_or_else(Vec::new, |schedules| {
                let unreadable = unreadable::problem(&schedules.unreadable);
                let lacking = zones::problem(&schedules.zones);
                unreadable.into_iter().chain(lacking).collect()
            }),
            message_problem,
            hold_problem: holds::problem(&extension)?,
            template_problem: unknown.and_then(|unknown| versions::problem(&unknown)),
            agenda,
            brakes,
            blockers,
            settings,
            stuck,
            collation_problem: collation::problem()?,
            launcher_comes,
            extension,
            pause,
            seen,
            last_tick,
        })
    }

    /// The database's slot.
    pub(super) fn slot(&self) -> Option<&Slot> {
        self.seen.as_ref().and_then(|seen| seen.slot.as_ref())
    }
}

/// Was the server started or promoted so lately that its launcher may still be on its way?
/// The control file is written when recovery ends.
fn has_just_begun() -> Result<bool, Error> {
    let began = fetch_one(
        "SELECT c.pg_control_last_modified FROM pg_catalog.pg_control_system() c",
        Vec::new(),
        |row| row.time(0),
    )?
    .flatten();
    let age = began.map(|at| clock::now().micros().saturating_sub(at.micros()));
    Ok(age.is_some_and(|age| (0..LATE).contains(&age)))
}

/// A tick of the history, in the shape of a slot's.
fn of_history(tick: ticks::Recorded) -> LastTick {
    let micros = |at: Option<Instant>| at.map_or(0, Instant::micros);
    let taken = micros(tick.finished_at).saturating_sub(micros(tick.started_at));
    LastTick {
        made: true,
        at: micros(tick.tick_at),
        ms: taken.max(0) / 1000,
        due: tick.due,
        built: tick.built,
        blocked: tick.blocked,
        failed: tick.failed,
        observed: tick.observed,
        locked: 0,
        held_back: 0,
        troubled: tick.troubled,
    }
}

/// The role as which the product's tables are read and written, or what is missing.
fn role(settings: &Settings) -> Result<Option<String>, Error> {
    let product = Product::find(&settings.product_schema)?;
    not_subscribed(&product)?;
    executor_role(&product, settings).map(role_name)
}
