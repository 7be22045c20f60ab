//! In which state the worker is: `worker_state`.

use crate::api::control;
use crate::server::transaction::in_recovery;
use crate::settings::Action;
use crate::worker::slot::{Health, Phase};

use super::read::Status;

/// The states that `worker_state` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerState {
    NotPreloaded,
    Standby,
    Off,
    Paused,
    Running,
    Failing,
    Waiting,
    Idle,
}

impl WorkerState {
    pub(super) fn name(self) -> &'static str {
        match self {
            WorkerState::NotPreloaded => "not_preloaded",
            WorkerState::Standby => "standby",
            WorkerState::Off => "off",
            WorkerState::Paused => "paused",
            WorkerState::Running => "running",
            WorkerState::Failing => "failing",
            WorkerState::Waiting => "waiting",
            WorkerState::Idle => "idle",
        }
    }

    /// Are ticks to be made?
    pub(super) fn ticks(self) -> bool {
        matches!(
            self,
            WorkerState::Running | WorkerState::Failing | WorkerState::Waiting | WorkerState::Idle
        )
    }
}

impl Status {
    /// The first that applies.
    pub(super) fn state(&self) -> WorkerState {
        let Some(seen) = &self.seen else {
            return WorkerState::NotPreloaded;
        };
        if in_recovery() {
            return WorkerState::Standby;
        }
        if self.settings.action == Action::Off || !control::names_this_database() {
            return WorkerState::Off;
        }
        if self.pause.is_some() {
            return WorkerState::Paused;
        }
        match &seen.slot {
            Some(slot) if slot.phase == Phase::Ticking => WorkerState::Running,
            _ if self.launcher_comes => WorkerState::Idle,
            _ if !seen.launcher || seen.starved => WorkerState::Failing,
            Some(slot) if slot.failures > 0 => WorkerState::Failing,
            Some(slot) if matches!(slot.health, Health::Waiting | Health::Busy) => {
                WorkerState::Waiting
            }
            _ if self.product.is_err() => WorkerState::Waiting,
            _ => WorkerState::Idle,
        }
    }
}
