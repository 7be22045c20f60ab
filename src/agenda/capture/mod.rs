//! The capture triggers: each leaves a mark where a change may move a transition forward.
//!
//! They run inside the product's own statements, most often for one that moves nothing
//! (a heartbeat, a bump of `last_used_at`): the few columns that matter are compared
//! (`watch`), and that is all. A mark is a row of `autobuild_marks`, written in the
//! product's own transaction (`trigger`). Here is what is captured, and what of it
//! matters.

mod trigger;
mod watch;

/// What a mark says has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A workspace.
    Workspace,
    /// A provisioner job.
    Job,
    /// A template.
    Template,
    /// A user.
    User,
    /// Anything: a table was truncated.
    Anything,
}

impl Kind {
    /// How `autobuild_marks.kind` has it.
    pub fn letter(self) -> u8 {
        match self {
            Kind::Workspace => b'w',
            Kind::Job => b'j',
            Kind::Template => b't',
            Kind::User => b'u',
            Kind::Anything => b'a',
        }
    }
}

/// When a change of a column matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matters {
    /// Whenever it changes.
    Changed,
    /// When a time becomes earlier, or there was none: NULL, or the product's "no time".
    Sooner,
    /// When a time becomes earlier; NULL is the earliest.
    SoonerOrNull,
}

/// A table with a capture trigger.
#[derive(Debug)]
pub struct Captured {
    /// Its name, which is also the trigger's argument.
    pub table: &'static str,
    /// The events of the row trigger, for CREATE TRIGGER.
    pub events: &'static str,
    /// What the mark names.
    kind: Kind,
    /// The column with its id.
    id: &'static str,
    /// Columns without which a row is of no consequence: NULL in all of them in the new row
    /// means that nothing can be due for its sake.
    needs: &'static [&'static str],
    /// The columns that matter in an UPDATE.
    watched: &'static [(&'static str, Matters)],
}

use Matters::{Changed, Sooner, SoonerOrNull};

/// Every table with a capture trigger, the busiest last. An INSERT counts everywhere: the
/// copy that begins a logical replication brings the tables in any order.
pub const CAPTURED: &[Captured] = &[
    Captured {
        table: "templates",
        events: "INSERT OR UPDATE",
        kind: Kind::Template,
        id: "id",
        needs: &[],
        watched: &[
            ("allow_user_autostart", Changed),
            ("autostart_block_days_of_week", Changed),
            ("failure_ttl", Changed),
            ("inactivity_ttl", Changed),
            ("locked_ttl", Changed),
            ("time_til_dormant", Changed),
            ("time_til_dormant_autodelete", Changed),
        ],
    },
    Captured {
        table: "users",
        events: "INSERT OR UPDATE",
        kind: Kind::User,
        id: "id",
        needs: &[],
        watched: &[("status", Changed)],
    },
    Captured {
        table: "workspaces",
        events: "INSERT OR UPDATE",
        kind: Kind::Workspace,
        id: "id",
        needs: &[],
        watched: &[
            ("autostart_schedule", Changed),
            ("deleted", Changed),
            ("owner_id", Changed),
            ("template_id", Changed),
            ("dormant_at", Changed),
            ("locked_at", Changed),
            ("deleting_at", Changed),
            ("next_start_at", SoonerOrNull),
            ("last_used_at", SoonerOrNull),
        ],
    },
    Captured {
        table: "workspace_builds",
        events: "INSERT OR UPDATE OR DELETE",
        kind: Kind::Workspace,
        id: "workspace_id",
        needs: &[],
        watched: &[
            ("build_number", Changed),
            ("transition", Changed),
            ("created_at", Changed),
            ("job_id", Changed),
            ("workspace_id", Changed),
            ("deadline", Sooner),
        ],
    },
    Captured {
        table: "provisioner_jobs",
        events: "INSERT OR UPDATE",
        kind: Kind::Job,
        id: "id",
        needs: &["completed_at", "error"],
        watched: &[
            ("completed_at", Changed),
            ("canceled_at", Changed),
            ("error", Changed),
        ],
    },
];
