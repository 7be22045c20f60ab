//! Can the agenda be used, and how far is the pass that builds or audits it?

use std::hash::{DefaultHasher, Hash, Hasher};

use uuid::Uuid;

use crate::instant::Instant;
use crate::lifecycle::signs::Policy;
use crate::product::schema::Product;
use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, Row, run};

use super::attach;

/// The agenda's row of `autobuild_agenda_state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
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
}

/// What ticks and previews do with the agenda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agenda {
    /// No capture trigger is there: ticks scan.
    Detached,
    /// It is being built: ticks scan.
    Building(State),
    /// Ticks use it.
    Ready(State),
}

impl Agenda {
    /// `scan` or `agenda`, as status and history show it.
    pub fn mode(&self) -> &'static str {
        match self {
            Agenda::Ready(_) => "agenda",
            Agenda::Detached | Agenda::Building(_) => "scan",
        }
    }

    /// Looks at the triggers and the state.
    pub fn find(
        extension: &Extension,
        product: &Product,
        policy: &Policy,
    ) -> Result<Agenda, Error> {
        if !attach::missing_triggers(product)?.is_empty() {
            return Ok(Agenda::Detached);
        }
        let fingerprint = fingerprint(product, policy);
        Ok(match State::read(extension)? {
            Some(state) if state.fingerprint == fingerprint && state.ready => Agenda::Ready(state),
            Some(state) if state.fingerprint == fingerprint => Agenda::Building(state),
            // Attached a moment ago, restored from a dump, or computed under other rules.
            _ => Agenda::Building(State::new(fingerprint)),
        })
    }
}

/// A number that changes with anything that entries depend on beside the facts.
fn fingerprint(product: &Product, policy: &Policy) -> i64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?}{policy:?}{}", product.signs, product.name()).hash(&mut hasher);
    hasher.finish().cast_signed()
}

impl State {
    /// An agenda that is to be built from nothing.
    pub fn new(fingerprint: i64) -> State {
        State {
            ready: false,
            fingerprint,
            position: None,
            passed: 0,
            repaired: 0,
            begun_at: crate::server::clock::now(),
            audited_at: None,
            drift: 0,
        }
    }

    /// Reads it, as the extension's owner.
    pub fn read(extension: &Extension) -> Result<Option<State>, Error> {
        let mut found = None;
        extension.as_owner(|| {
            run(
                &format!(
                    "SELECT ready, fingerprint, position, passed, repaired, begun_at, audited_at,
                            drift
                       FROM {}",
                    extension.table("autobuild_agenda_state")
                ),
                Access::Read,
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
                    });
                    Ok(())
                },
            )
        })?;
        Ok(found)
    }

    /// Writes it, as the extension's owner.
    pub fn write(&self, extension: &Extension) -> Result<(), Error> {
        extension.as_owner(|| {
            run(
                &format!(
                    "INSERT INTO {}
                            (ready, fingerprint, position, passed, repaired, begun_at, audited_at,
                             drift)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                     ON CONFLICT (only_row) DO UPDATE
                        SET ready = EXCLUDED.ready, fingerprint = EXCLUDED.fingerprint,
                            position = EXCLUDED.position, passed = EXCLUDED.passed,
                            repaired = EXCLUDED.repaired, begun_at = EXCLUDED.begun_at,
                            audited_at = EXCLUDED.audited_at, drift = EXCLUDED.drift",
                    extension.table("autobuild_agenda_state")
                ),
                Access::Write,
                vec![
                    Arg::Bool(self.ready),
                    Arg::BigInt(Some(self.fingerprint)),
                    Arg::OptionalUuid(self.position),
                    Arg::BigInt(Some(self.passed)),
                    Arg::BigInt(Some(self.repaired)),
                    Arg::Time(Some(self.begun_at)),
                    Arg::Time(self.audited_at),
                    Arg::BigInt(Some(self.drift)),
                ],
                |_| Ok(()),
            )
        })?;
        Ok(())
    }
}
