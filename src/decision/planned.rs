//! What is to be written for a workspace that is due.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::instant::Instant;
use crate::lifecycle::facts::{Facts, Job, LatestBuild};
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

    /// The facts of the workspace once its build is written at `now` and nothing else was changed,
    /// but for the build's id. `None` where no build is written, or not a build alone.
    pub fn facts_once_built(&self, now: Instant) -> Option<Facts> {
        let (due, plan) = (&self.due, self.work.as_ref().ok()?.as_ref()?);
        if due.next.mark_dormant || due.fill_next_start_at.is_some() {
            return None;
        }
        let latest = due.facts.latest.as_ref()?;
        let built = LatestBuild {
            build_number: latest.build_number.saturating_add(1),
            transition: due.next.transition.of_build()?,
            created_at: now,
            deadline: None,
            notified_deadline: None,
            template_version_id: plan.template_version_id,
            job: Some(Job::PENDING),
            ..latest.clone()
        };
        Some(Facts {
            latest: Some(built),
            ..due.facts.clone()
        })
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
