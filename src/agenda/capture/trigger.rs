//! The trigger function, and the mark that it leaves.

use std::cell::{Cell, RefCell};

use pgrx::{pg_guard, pg_sys};
use uuid::Uuid;

use crate::server::catalog;
use crate::server::error::{Error, OrRaise, check_for_interrupts};
use crate::server::extension::Extension;
use crate::server::identity::acting_as;
use crate::server::query::Row;
use crate::server::table::{Value, hold, insert};
use crate::server::transaction::with_latest_catalog;

use super::Kind;
use super::settled::is_settled;
use super::watch::{Values, Watch};
use crate::agenda::marks::MOST_PAGES;

/// The trigger function's declaration for the server: version 1 calling convention.
// SAFETY: the name is this extension's own.
#[unsafe(no_mangle)]
extern "C" fn pg_finfo_autobuild_capture() -> &'static pg_sys::Pg_finfo_record {
    const V1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &V1
}

/// The trigger function as the server calls it.
///
/// # Safety
/// Called by the server as a trigger; called otherwise it raises.
// SAFETY: the name is this extension's own.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn autobuild_capture(
    fcinfo: pg_sys::FunctionCallInfo,
) -> pg_sys::Datum {
    // SAFETY: the context is a TriggerData when its tag says so; its relation and tuples
    // live for the call. AFTER triggers' results are ignored.
    unsafe {
        let context = (*fcinfo).context;
        if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
            refuse("autobuild_capture is a trigger function");
        }
        let trigger = &*context.cast::<pg_sys::TriggerData>();
        check(trigger);
        if let Some(noticed) = noticed(trigger) {
            for id in noticed.ids.into_iter().flatten() {
                mark(noticed.kind, Some(id)).or_raise();
            }
            if noticed.kind == Kind::Anything {
                mark(noticed.kind, None).or_raise();
            }
        }
        pg_sys::Datum::from(0)
    }
}

/// Raises unless the trigger is of the kind that autobuild_attach() makes. Any other has no
/// rows to look at, or its result counts, which here is none.
fn check(trigger: &pg_sys::TriggerData) {
    let event = trigger.tg_event;
    if event & pg_sys::TRIGGER_EVENT_TIMINGMASK != pg_sys::TRIGGER_EVENT_AFTER {
        refuse("autobuild_capture was called by a trigger that is not an AFTER trigger");
    }
    let for_each_row = event & pg_sys::TRIGGER_EVENT_ROW != 0;
    let truncate = event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_TRUNCATE;
    if !for_each_row && !truncate {
        refuse("autobuild_capture was called by a trigger that is not FOR EACH ROW");
    }
    if !trigger.tg_oldtable.is_null() || !trigger.tg_newtable.is_null() {
        refuse("autobuild_capture was called by a trigger with transition tables");
    }
}

fn refuse(message: &str) -> ! {
    Error::new(
        pgrx::PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
        message,
    )
    .hint(
        "Only autobuild_attach() creates its triggers; drop any other trigger that calls this \
    function.",
    )
    .raise()
}

/// A change that matters.
struct Noticed {
    kind: Kind,
    /// Of what: twice where a row went from one to another.
    ids: [Option<Uuid>; 2],
}

/// What changed, if it matters.
///
/// # Safety
/// `trigger` is what the server gave to a trigger function, and passed [`check`].
unsafe fn noticed(trigger: &pg_sys::TriggerData) -> Option<Noticed> {
    thread_local! {
        static ROWS: RefCell<[Values; 2]> = RefCell::default();
    }
    let operation = trigger.tg_event & pg_sys::TRIGGER_EVENT_OPMASK;
    if operation == pg_sys::TRIGGER_EVENT_TRUNCATE {
        return Some(Noticed {
            kind: Kind::Anything,
            ids: [None; 2],
        });
    }
    // SAFETY: the relation's descriptor describes both tuples; the server keeps all of
    // them while the trigger runs.
    ROWS.with_borrow_mut(|[old, new]| unsafe {
        let watch = Watch::of(trigger)?;
        let descriptor = (*trigger.tg_relation).rd_att;
        match operation {
            pg_sys::TRIGGER_EVENT_UPDATE => {
                new.read(trigger.tg_newtuple, descriptor);
                if watch.is_of_no_consequence(new) {
                    return None;
                }
                old.read(trigger.tg_trigtuple, descriptor);
                if !watch.sees_change(old, new) {
                    return None;
                }
                let (before, id) = (watch.id(old), watch.id(new));
                Some(Noticed {
                    kind: watch.kind,
                    ids: [id, before.filter(|&before| Some(before) != id)],
                })
            }
            pg_sys::TRIGGER_EVENT_INSERT => {
                new.read(trigger.tg_trigtuple, descriptor);
                let id = watch.id(new);
                if watch.is_of_no_consequence(new)
                    || watch.kind == Kind::Workspace && is_settled(id)
                {
                    return None;
                }
                Some(Noticed {
                    kind: watch.kind,
                    ids: [id, None],
                })
            }
            _ => {
                old.read(trigger.tg_trigtuple, descriptor);
                Some(Noticed {
                    kind: watch.kind,
                    ids: [watch.id(old), None],
                })
            }
        }
    })
}

/// Where marks go.
#[derive(Clone, Copy)]
struct MarksTable {
    owner: pg_sys::Oid,
    table: pg_sys::Oid,
    /// The table is one of this library's.
    current: bool,
}

impl MarksTable {
    /// Looked up anew after the catalog changed.
    fn find() -> Result<MarksTable, Error> {
        thread_local! {
            static KNOWN: Cell<Option<(u64, MarksTable)>> = const { Cell::new(None) };
        }
        let generation = catalog::generation();
        if let Some((known, marks)) = KNOWN.get()
            && known == generation
        {
            return Ok(marks);
        }
        // Also in a transaction whose snapshot is older than the extension.
        let extension = with_latest_catalog(Extension::get)?;
        let table = extension.relation(c"autobuild_marks");
        let marks = MarksTable {
            owner: extension.owner,
            table: Row::required(table, "a table of the extension's")?,
            current: extension.is_current(),
        };
        KNOWN.set(Some((generation, marks)));
        Ok(marks)
    }
}

/// Leaves a mark, as the extension's owner: whoever changed the row needs no right on it.
/// Written without a statement, which would cost several times as much: the product pays
/// for it. Where marks have filled their table since nobody takes them, none is added: what
/// reads the agenda sees that, too.
///
/// A table of another version of the extension gets no mark: no tick is made until ALTER
/// EXTENSION, which makes the table anew and begins with an empty agenda. It is locked as
/// if there were one, so that ALTER EXTENSION waits for what went unmarked to be committed
/// and the new agenda is built from it; whoever waited for ALTER EXTENSION finds the table
/// gone, and looks for the new one.
fn mark(kind: Kind, id: Option<Uuid>) -> Result<(), Error> {
    loop {
        let marks = MarksTable::find()?;
        let there = acting_as(marks.owner, || {
            let kind = Value::Char(kind.letter());
            if marks.current {
                insert(marks.table, &[kind, Value::Uuid(id)], MOST_PAGES)
            } else {
                Ok(hold(marks.table))
            }
        })?;
        if there {
            return Ok(());
        }
        check_for_interrupts();
    }
}
