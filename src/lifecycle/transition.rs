//! What is done to a workspace, and the reason that is written with it.

use super::facts::BuildTransition;

/// What a rule does to a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transition {
    /// A build that starts it.
    Start,
    /// A build that stops it.
    Stop,
    /// A build that deletes it.
    Delete,
    /// The dormancy mark alone, without a build.
    Dormant,
    /// The owner is reminded of the deadline: no transition, but tried and recorded as one.
    Remind,
}

impl Transition {
    /// All of them.
    pub const ALL: [Transition; 5] = [
        Transition::Start,
        Transition::Stop,
        Transition::Delete,
        Transition::Dormant,
        Transition::Remind,
    ];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Transition::Start => "start",
            Transition::Stop => "stop",
            Transition::Delete => "delete",
            Transition::Dormant => "dormant",
            Transition::Remind => "remind",
        }
    }

    /// The build that it is, if it is one.
    pub fn of_build(self) -> Option<BuildTransition> {
        match self {
            Transition::Start => Some(BuildTransition::Start),
            Transition::Stop => Some(BuildTransition::Stop),
            Transition::Delete => Some(BuildTransition::Delete),
            Transition::Dormant | Transition::Remind => None,
        }
    }

    /// Is it a build?
    pub fn is_a_build(self) -> bool {
        self.of_build().is_some()
    }
}

/// A value of the product's enum `build_reason`, as far as it is written or is a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BuildReason {
    /// A schedule's start.
    Autostart,
    /// A stop at the deadline, of a suspended owner's workspace, or after a failed build.
    Autostop,
    /// Such a stop of a task's workspace.
    TaskAutoPause,
    /// A stop, or a mark, because nobody used the workspace.
    Dormancy,
    /// The same before the product called it dormancy.
    Autolock,
    /// The delete of a dormant workspace.
    Autodelete,
    /// Never written; where the enum has it, the product stops failed builds.
    FailedStop,
}

impl BuildReason {
    /// Those that an executor writes, the product's or ours.
    pub const WRITTEN: [BuildReason; 6] = [
        BuildReason::Autostart,
        BuildReason::Autostop,
        BuildReason::TaskAutoPause,
        BuildReason::Dormancy,
        BuildReason::Autolock,
        BuildReason::Autodelete,
    ];

    /// The value in SQL.
    pub fn name(self) -> &'static str {
        match self {
            BuildReason::Autostart => "autostart",
            BuildReason::Autostop => "autostop",
            BuildReason::TaskAutoPause => "task_auto_pause",
            BuildReason::Dormancy => "dormancy",
            BuildReason::Autolock => "autolock",
            BuildReason::Autodelete => "autodelete",
            BuildReason::FailedStop => "failedstop",
        }
    }
}
