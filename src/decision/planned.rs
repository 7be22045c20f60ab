//! What is to be written for a workspace that is due.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::new_build::inputs::{Block, PreviousSource, PreviousValue, ValueSource};
use crate::new_build::plan::Plan;

use super::due::Due;

/// A workspace that is due, and what is to be written for it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What is due.
    pub due: Due,
    /// What is written: a build by its plan, or a mark or a reminder alone (`None`); or why
    /// nothing can be written now.
    pub work: Result<Option<Plan>, Block>,
    /// The build's parameters are those of the latest build, all of them and no other.
    pub same_parameters: bool,
}

impl Planned {
    /// Puts together what is due and what is to be written, where `previous` are the values
    /// that the workspace had before.
    pub fn new(due: Due, work: Result<Option<Plan>, Block>, previous: &[PreviousValue]) -> Planned {
        let same_parameters = match &work {
            Ok(Some(plan)) => carries_all(plan, previous),
            Ok(None) | Err(_) => false,
        };
        Planned {
            due,
            work,
            same_parameters,
        }
    }

    /// A number that changes with what would be written: while it stays, so does a failure.
    pub fn fingerprint(&self) -> i64 {
        let mut hasher = DefaultHasher::new();
        let facts = &self.due.facts;
        facts.schedule.hash(&mut hasher);
        format!("{:?}{:?}", facts.template, facts.latest).hash(&mut hasher);
        match &self.work {
            Ok(plan) => format!("{plan:?}").hash(&mut hasher),
            Err(block) => (block.code, &block.message).hash(&mut hasher),
        }
        hasher.finish().cast_signed()
    }
}

/// Does a plan take every parameter of the latest build as it is, and no other? Neither
/// side has a name twice, so counting them tells.
fn carries_all(plan: &Plan, previous: &[PreviousValue]) -> bool {
    let there = previous
        .iter()
        .filter(|value| value.source == PreviousSource::Build)
        .count();
    let carried = plan
        .parameters
        .iter()
        .all(|row| row.source == ValueSource::Build);
    carried && plan.parameters.len() == there
}
