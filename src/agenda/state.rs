//! Can the agenda be used, and how far is the pass that builds or audits it?

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use uuid::Uuid;

use crate::decision::holds;
use crate::instant::Instant;
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, Row, execute, for_each_row};
use crate::server::transaction::in_recovery;
use crate::server::zones;
use crate::settings::Settings;

use super::marks;
use super::triggers::Triggers;

/// The agenda's row of `autobuild_agenda_state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// It is complete: ticks use it.
    pub ready: bool,
    /// Of the rules and settings that its entries were computed under.
    pub fingerprint: i64,
    /// The workspace that the pass under way has come to.
    pub position: Option<Uuid>,
    /// Workspaces that the pass under way has looked at.
    pub passed: i64,
    /// Entries that the pass under way had to mend.
    pub repaired: i64,
    /// When that pass began.
    pub begun_at: Instant,
    /// When the last pass ended.
    pub audited_at: Option<Instant>,
    /// Entries that the last audit had to mend.
    pub drift: i64,
    /// The zones that its entries were computed with, separated by spaces.
    pub zones: String,
    /// The prints of their files, added up.
    pub zone_files: i64,
}

/// What ticks and previews do with the agenda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Agenda {
    /// No capture trigger is there: ticks scan.
    Detached,
    /// It was attached, and triggers of these tables are gone or off: ticks scan.
    Broken(Vec<&'static str>),
    /// There are changes without a mark, since the table of marks was full: ticks scan
    /// until it is emptied, and only then is the agenda built anew.
    Overrun,
    /// No pass over it has begun: it was attached a moment ago, restored from a dump, or
    /// computed under other rules or with other time zones than these. Ticks scan.
    Unbuilt(i64),
    /// It is being built: ticks scan.
    Building(State),
    /// Ticks use it.
    Ready(State),
}

impl Agenda {
    /// `scan` or `agenda`, as status and history show it.
    pub(crate) fn mode(&self) -> &'static str {
        match self {
            Agenda::Ready(_) => "agenda",
            Agenda::Detached
            | Agenda::Broken(_)
            | Agenda::Overrun
            | Agenda::Unbuilt(_)
            | Agenda::Building(_) => "scan",
        }
    }

    /// Looks at the triggers and the state; whoever may have written it asks with
    /// [`Access::ReadOwn`].
    pub(crate) fn find(
        extension: &Extension,
        product: &Product,
        settings: &Settings,
        access: Access,
    ) -> Result<Agenda, Error> {
        // Another version's state has other columns; its ticks wait for the update.
        if !extension.is_current() {
            return Ok(Agenda::Detached);
        }
        let triggers = Triggers::find(product)?;
        let state = State::read(extension, access)?;
        if !triggers.missing.is_empty() {
            return Ok(if triggers.any || state.is_some() {
                Agenda::Broken(triggers.missing)
            } else {
                Agenda::Detached
            });
        }
        if marks::are_full(extension)? {
            return Ok(Agenda::Overrun);
        }
        let holds = holds::print(extension, &settings.policy)?;
        let fingerprint = fingerprint(product, settings, &triggers, &holds);
        Ok(match state {
            Some(state) if state.fingerprint == fingerprint && state.zones_stand() => {
                if state.ready {
                    Agenda::Ready(state)
                } else {
                    Agenda::Building(state)
                }
            }
            // Attached a moment ago, emptied by a crash, not there as on a standby and in
            // what was restored from a dump, or computed under other rules or with other
            // time zones.
            _ => Agenda::Unbuilt(fingerprint),
        })
    }
}

/// A number that changes with anything that entries depend on beside the facts, and with
/// anything by which facts may have changed without a mark: triggers that were off or
/// made anew, columns that were altered, another reader, holds that were released.
fn fingerprint(product: &Product, settings: &Settings, triggers: &Triggers, holds: &str) -> i64 {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    format!("{:?}{:?}", product.signs, settings.policy).hash(&mut hasher);
    (product.name(), &product.shape).hash(&mut hasher);
    (&settings.role, product.owner.to_u32()).hash(&mut hasher);
    triggers.identity.hash(&mut hasher);
    holds.hash(&mut hasher);
    hasher.finish().cast_signed()
}

/// How far the agenda is, with the numbers of its entries and marks, for people.
pub(crate) fn progress(extension: &Extension) -> Result<Option<(State, i64, i64)>, Error> {
    let Some(state) = State::read(extension, Access::Read)? else {
        return Ok(None);
    };
    let (mut entries, mut marks) = (0, 0);
    extension.as_owner(|| {
        for_each_row(
            &format!(
                "SELECT (SELECT pg_catalog.count(*) FROM {}),
                        (SELECT pg_catalog.count(*) FROM {})",
                extension.table("autobuild_agenda"),
                extension.table("autobuild_marks")
            ),
            Access::Read,
            vec![],
            |row| {
                entries = row.bigint(0)?.unwrap_or(0);
                marks = row.bigint(1)?.unwrap_or(0);
                Ok(())
            },
        )
    })?;
    Ok(Some((state, entries, marks)))
}

/// Empties the agenda and throws the marks away: it is built anew if the triggers stay.
pub(crate) fn give_up(extension: &Extension) -> Result<(), Error> {
    extension.as_owner(|| {
        execute(
            &format!(
                "TRUNCATE {}, {}, {}",
                extension.table("autobuild_marks"),
                extension.table("autobuild_agenda"),
                extension.table("autobuild_agenda_state")
            ),
            vec![],
        )
    })?;
    Ok(())
}

/// Whoever took marks or wrote entries says so in the one row of the state, so that a
/// tick by hand, whose snapshot may be older than the lock that it got, can't do the same
/// from older facts: it meets 40001 here.
pub(crate) fn touch(extension: &Extension) -> Result<(), Error> {
    let state = State::read(extension, Access::ReadOwn)?;
    state.map_or(Ok(()), |state| state.write(extension))
}

impl State {
    /// An agenda that is to be built from nothing.
    pub(crate) fn new(fingerprint: i64) -> State {
        State {
            ready: false,
            fingerprint,
            position: None,
            passed: 0,
            repaired: 0,
            begun_at: crate::server::clock::now(),
            audited_at: None,
            drift: 0,
            zones: String::new(),
            zone_files: 0,
        }
    }

    /// Are the files of its zones what they were?
    fn zones_stand(&self) -> bool {
        let names = self.zones.split_whitespace();
        let now = names.map(zones::print).fold(0, i64::wrapping_add);
        now == self.zone_files
    }

    /// With the zones that this transaction used: entries may be computed with them. Where
    /// a zone is known already, its files stay as they are noted, so that a change since
    /// then is found.
    fn with_zones_used(&self) -> (String, i64) {
        let mut names: BTreeSet<&str> = self.zones.split_whitespace().collect();
        let mut files = self.zone_files;
        let used = zones::used();
        for (name, print) in &used {
            if names.insert(name) {
                files = files.wrapping_add(*print);
            }
        }
        let names: Vec<&str> = names.into_iter().collect();
        (names.join(" "), files)
    }

    /// What the last audit found, if it found anything.
    pub(crate) fn drift_sentence(&self) -> Option<String> {
        (self.drift > 0).then(|| {
            format!(
                "the last audit of the agenda found {} entries late or missing, and corrected \
                them: rows of the product's tables were changed without firing the capture \
                triggers",
                self.drift
            )
        })
    }

    /// Reads it, as the extension's owner. A standby has none: unlogged tables are empty
    /// there, and may not even be named in a query.
    pub(crate) fn read(extension: &Extension, access: Access) -> Result<Option<State>, Error> {
        if in_recovery() {
            return Ok(None);
        }
        let mut found = None;
        extension.as_owner(|| {
            for_each_row(
                &format!(
                    "SELECT ready, fingerprint, position, passed, repaired, begun_at, audited_at,
                            drift, zones, zone_files
                       FROM {}",
                    extension.table("autobuild_agenda_state")
                ),
                access,
                vec![],
                |row| {
                    found = Some(State {
                        ready: row.bool(0)?,
                        fingerprint: row.bigint(1)?.unwrap_or(0),
                        position: row.uuid(2)?,
                        passed: row.bigint(3)?.unwrap_or(0),
                        repaired: row.bigint(4)?.unwrap_or(0),
                        begun_at: Row::required(row.time(5)?, "begun_at")?,
                        audited_at: row.time(6)?,
                        drift: row.bigint(7)?.unwrap_or(0),
                        zones: row.text(8)?.unwrap_or_default(),
                        zone_files: row.bigint(9)?.unwrap_or(0),
                    });
                    Ok(())
                },
            )
        })?;
        Ok(found)
    }

    /// Writes it, as the extension's owner, with the zones that this transaction used.
    pub(crate) fn write(&self, extension: &Extension) -> Result<(), Error> {
        let (zones, zone_files) = self.with_zones_used();
        extension.as_owner(|| {
            execute(
                &format!(
                    "INSERT INTO {} AS s
                            (ready, fingerprint, position, passed, repaired, begun_at, audited_at,
                             drift, zones, zone_files)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                     ON CONFLICT (only_row) DO UPDATE
                        SET ready = EXCLUDED.ready, fingerprint = EXCLUDED.fingerprint,
                            position = EXCLUDED.position, passed = EXCLUDED.passed,
                            repaired = EXCLUDED.repaired, begun_at = EXCLUDED.begun_at,
                            audited_at = EXCLUDED.audited_at, drift = EXCLUDED.drift,
                            zones = EXCLUDED.zones, zone_files = EXCLUDED.zone_files,
                            turn = s.turn + 1",
                    extension.table("autobuild_agenda_state")
                ),
                vec![
                    Arg::Bool(self.ready),
                    Arg::BigInt(Some(self.fingerprint)),
                    Arg::OptionalUuid(self.position),
                    Arg::BigInt(Some(self.passed)),
                    Arg::BigInt(Some(self.repaired)),
                    Arg::Time(Some(self.begun_at)),
                    Arg::Time(self.audited_at),
                    Arg::BigInt(Some(self.drift)),
                    Arg::Text(Some(&zones)),
                    Arg::BigInt(Some(zone_files)),
                ],
            )
        })?;
        Ok(())
    }
}
