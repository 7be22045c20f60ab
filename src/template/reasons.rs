//! The reasons that a walk finds, each kept once and known by a number.

use std::collections::{BTreeMap, BTreeSet};

use super::proved::Reason;

/// No proof tells more reasons.
const TOLD: usize = 20;

/// No walk keeps more: a source has an end of what people read of it.
const KEPT: usize = 500;

/// No part of a sentence is longer than this.
const LONGEST: usize = 200;

/// The number of a reason.
pub(super) type Number = u32;

/// All reasons that were found, whether they matter or not.
#[derive(Default)]
pub(super) struct Reasons {
    numbers: BTreeMap<(Option<String>, Option<u32>, String), Number>,
    all: Vec<Reason>,
}

impl Reasons {
    /// The number of a reason. The last one stands for all that were too many.
    pub(super) fn number(&mut self, mut reason: Reason) -> Number {
        if reason.what.len() > LONGEST {
            reason.what = reason.what.chars().take(LONGEST).collect();
        }
        let key = (reason.file.clone(), reason.line, reason.what.clone());
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        if self.all.len() < KEPT {
            self.all.push(reason);
            let number = self.all.len() as Number - 1;
            self.numbers.insert(key, number);
        }
        self.all.len() as Number - 1
    }

    /// These, in order of file and line; those of rows come last.
    pub(super) fn told(&self, numbers: &Found) -> Vec<Reason> {
        let chosen = numbers.0.iter();
        let mut told: Vec<&Reason> = chosen
            .filter_map(|number| self.all.get(*number as usize))
            .collect();
        told.sort_by_key(|reason| {
            (
                reason.file.is_none(),
                &reason.file,
                reason.line,
                &reason.what,
            )
        });
        told.into_iter().take(TOLD).cloned().collect()
    }
}

/// Numbers of reasons, a bounded set: any one is enough to make a version unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found(BTreeSet<Number>);

impl Found {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, number: Number) {
        if self.0.len() < TOLD {
            self.0.insert(number);
        }
    }

    pub(super) fn add_all(&mut self, others: &Found) {
        if self.0.len() < TOLD {
            self.0.extend(others.0.iter().take(TOLD));
        }
    }
}
