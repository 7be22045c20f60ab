//! The capture triggers: each leaves a mark where a change may move a transition forward.
//!
//! They run inside the product's own statements, most often for one that moves nothing
//! (a heartbeat, a bump of `last_used_at`): the few columns that matter are compared
//! (`watch`), and that is all. A mark is a row of `autobuild_marks`, written in the
//! product's own transaction (`trigger`). Here is what is captured, and what of it
//! matters.

pub(crate) mod settled;
mod trigger;
mod watch;

use crate::columns::{
    COLUMNS, Column, provisioner_jobs, templates, users, workspace_builds, workspaces,
};

/// What a mark says has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
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
    pub(crate) fn letter(self) -> u8 {
        match self {
            Kind::Workspace => b'w',
            Kind::Job => b'j',
            Kind::Template => b't',
            Kind::User => b'u',
            Kind::Anything => b'a',
        }
    }
}

/// A table with a capture trigger. Which of its columns matter in an UPDATE is said with
/// the columns ([`crate::columns::Watched`]).
#[derive(Debug)]
pub(crate) struct Captured {
    /// Its name, which is also the trigger's argument.
    pub table: &'static str,
    /// The events of the row trigger, for CREATE TRIGGER.
    pub events: &'static str,
    /// What the mark names.
    kind: Kind,
    /// The column with its id.
    id: Column,
    /// Columns without which a row is of no consequence: NULL in all of them in the new row
    /// means that nothing can be due for its sake.
    needs: &'static [Column],
}

/// Every table with a capture trigger, the busiest last. An INSERT counts everywhere: the
/// copy that begins a logical replication brings the tables in any order.
pub(crate) const CAPTURED: &[Captured] = &[
    Captured {
        table: templates::TABLE,
        events: "INSERT OR UPDATE",
        kind: Kind::Template,
        id: templates::ID,
        needs: &[],
    },
    Captured {
        table: users::TABLE,
        events: "INSERT OR UPDATE",
        kind: Kind::User,
        id: users::ID,
        needs: &[],
    },
    Captured {
        table: workspaces::TABLE,
        events: "INSERT OR UPDATE",
        kind: Kind::Workspace,
        id: workspaces::ID,
        needs: &[],
    },
    Captured {
        table: workspace_builds::TABLE,
        events: "INSERT OR UPDATE OR DELETE",
        kind: Kind::Workspace,
        id: workspace_builds::WORKSPACE_ID,
        needs: &[],
    },
    Captured {
        table: provisioner_jobs::TABLE,
        events: "INSERT OR UPDATE",
        kind: Kind::Job,
        id: provisioner_jobs::ID,
        needs: &[provisioner_jobs::COMPLETED_AT, provisioner_jobs::ERROR],
    },
];

// Changes of a watched column whose table has no trigger would go unseen.
const _: () = {
    let mut columns = COLUMNS;
    while let [column, rest @ ..] = columns {
        assert!(
            column.watched.is_none() || is_captured(column),
            "a column is watched, and its table is not in CAPTURED"
        );
        columns = rest;
    }
};

const fn is_captured(column: &Column) -> bool {
    let mut tables = CAPTURED;
    while let [captured, rest @ ..] = tables {
        if column.is_of(captured.table) {
            return true;
        }
        tables = rest;
    }
    false
}
