//! Proofs in ticks: of the versions that what is due is built of, and ahead of the versions
//! that templates make active.

use std::collections::HashSet;
use std::time::Instant as Clock;

use uuid::Uuid;

use crate::instant::Instant;
use crate::ledger::ticks::Source;
use crate::product::locks::{hold_if_free, hold_sources};
use crate::product::sources::Versions;
use crate::proofs;
use crate::server::error::Error;
use crate::server::subtransaction::in_subtransaction;
use crate::settings::Settings;

use super::context::Executor;
use super::timed::timed;

impl Executor<'_> {
    /// Does it prove anything, on the product's tables as they are?
    fn proves(&self) -> bool {
        self.settings.prove_templates && self.product.signs.dynamic
    }

    /// Those of these versions that are to be proved, each once.
    pub(super) fn versions(&self, due: impl Iterator<Item = Option<Uuid>>) -> Vec<Uuid> {
        if !self.proves() {
            return Vec::new();
        }
        let each: HashSet<Uuid> = due.flatten().collect();
        each.into_iter().collect()
    }

    /// Proves what is not proved of these, each in a transaction of the worker's own, as long
    /// as there is time, and as nobody has the tables: nothing is waited for. A version that
    /// can't be looked at keeps no other from it.
    pub(super) fn prove(&self, versions: Vec<Uuid>) -> Result<(), Error> {
        if versions.is_empty() {
            return Ok(());
        }
        let wanted = timed(
            self.settings,
            || hold_if_free(&self.settings.product_schema),
            |product| match product {
                Some(product) => self.with(product)?.wanted(Versions::These(versions)),
                None => Ok(Vec::new()),
            },
        )?;
        self.prove_each(wanted)
    }

    fn prove_each(&self, wanted: Vec<Uuid>) -> Result<(), Error> {
        let begun = Clock::now();
        let schema = &self.settings.product_schema;
        let mut failed = Ok(());
        for version in wanted {
            if begun.elapsed() >= proofs::PATIENCE {
                break;
            }
            let made = timed(
                self.settings,
                || hold_if_free(schema),
                |product| match product {
                    Some(product) => self.with(product)?.make(version),
                    None => Ok(()),
                },
            );
            match made {
                Err(error) if concerns_one(&error) => {
                    failed = failed.and_then(|()| Err(of_version(error, version)));
                }
                made => made?,
            }
        }
        failed
    }

    /// Proves all that is not proved of these, in the caller's transaction. What can't be
    /// looked at stays unproved, and keeps nothing else from being built.
    pub(super) fn prove_by_hand(&self, versions: Vec<Uuid>) -> Result<(), Error> {
        if versions.is_empty() {
            return Ok(());
        }
        let wanted = self.wanted(Versions::These(versions))?;
        if wanted.is_empty() {
            return Ok(());
        }
        match in_subtransaction(|| hold_sources(&self.product)) {
            Err(error) if error.sqlstate().is_locked_or_deadlock() => {
                pgrx::warning!(
                    "template versions could not be proved, since a table that their sources are \
                     in is locked: {error}"
                );
                return Ok(());
            }
            held => held?,
        }
        for version in wanted {
            match self.make(version) {
                Err(error) if concerns_one(&error) => {
                    pgrx::warning!("{}", of_version(error, version));
                }
                made => made?,
            }
        }
        Ok(())
    }

    /// Those of these versions that are to be proved. A right that the role lacks is named.
    fn wanted(&self, versions: Versions) -> Result<Vec<Uuid>, Error> {
        in_subtransaction(|| proofs::wanted(&self.extension, &self.product, self.role, versions))
            .map_err(|error| self.name_missing_right(error))
    }

    fn make(&self, version: Uuid) -> Result<(), Error> {
        in_subtransaction(|| proofs::make(&self.extension, &self.product, self.role, version))
            .map_err(|error| self.name_missing_right(error))
    }
}

/// Has an error to do with the one version that was looked at? Others would meet the same
/// lock, the same cancel, the same lack of a right.
fn concerns_one(error: &Error) -> bool {
    let sqlstate = error.sqlstate();
    !sqlstate.ends_batch() && !sqlstate.lacks_prerequisite()
}

/// Says of which version it is.
fn of_version(mut error: Error, version: Uuid) -> Error {
    error.message = format!(
        "template version {version} could not be proved: {}",
        error.message
    );
    error
}

/// Proves the active versions of templates ahead of their builds, as long as there is time.
pub(crate) fn worker_ahead(at: Instant, settings: &Settings) -> Result<(), Error> {
    if !settings.prove_templates {
        return Ok(());
    }
    let found = timed(
        settings,
        || hold_if_free(&settings.product_schema),
        |product| match product {
            Some(product) if product.signs.dynamic => {
                let executor = Executor::new(settings, at, Source::Worker, product)?;
                let wanted = executor.wanted(Versions::Active)?;
                Ok(Some((executor, wanted)))
            }
            _ => Ok(None),
        },
    )?;
    found.map_or(Ok(()), |(executor, wanted)| executor.prove_each(wanted))
}
