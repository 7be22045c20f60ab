//! Builds of which the triggers leave no mark, since who inserts them sets the entries.

use std::cell::RefCell;
use std::collections::HashSet;

use uuid::Uuid;

thread_local! {
    /// The workspaces of which this process is writing builds and knows the entries.
    static SETTLED: RefCell<HashSet<Uuid>> = RefCell::default();
}

/// Runs something that inserts builds of these workspaces, which leave no mark: whoever calls
/// sets their entries in the same transaction.
pub(crate) fn without_marks<R>(workspaces: HashSet<Uuid>, work: impl FnOnce() -> R) -> R {
    /// Marks are left again, also after an ERROR that unwinds.
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            SETTLED.take();
        }
    }
    SETTLED.set(workspaces);
    let _restore = Restore;
    work()
}

/// Is it one of them?
pub(super) fn is_settled(workspace: Option<Uuid>) -> bool {
    workspace.is_some_and(|id| SETTLED.with_borrow(|ids| ids.contains(&id)))
}
