//! The capture trigger: leaves a mark where a change may move a transition forward.
//!
//! It runs inside the product's own statements, most often for one that moves nothing
//! (a heartbeat, a bump of `last_used_at`), so it compares the few columns that matter
//! and returns. Columns are looked up by name and may come, go or change type at any
//! time: one that is not there or that can't be compared counts as not watched.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::rc::Rc;

use pgrx::{pg_guard, pg_sys};
use uuid::Uuid;

use crate::server::catalog;
use crate::server::error::{Error, OrRaise};
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, run};

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
    pub fn letter(self) -> &'static str {
        match self {
            Kind::Workspace => "w",
            Kind::Job => "j",
            Kind::Template => "t",
            Kind::User => "u",
            Kind::Anything => "a",
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
    /// A column without which a row is of no consequence: NULL in the new row means that
    /// nothing can be due for its sake.
    needs: Option<&'static str>,
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
        needs: None,
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
        needs: None,
        watched: &[("status", Changed)],
    },
    Captured {
        table: "workspaces",
        events: "INSERT OR UPDATE",
        kind: Kind::Workspace,
        id: "id",
        needs: None,
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
        needs: None,
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
        needs: Some("completed_at"),
        watched: &[
            ("completed_at", Changed),
            ("canceled_at", Changed),
            ("error", Changed),
        ],
    },
];

// The server's comparison of two values by their bytes, which pgrx doesn't bind.
unsafe extern "C-unwind" {
    fn datumIsEqual(one: pg_sys::Datum, other: pg_sys::Datum, by_value: bool, length: i32) -> bool;
}

/// Microseconds of the product's "no time" since 2000.
const NO_TIME: i64 = crate::instant::Instant::NO_TIME.micros();

/// A watched column as a relation has it.
struct Column {
    number: i32,
    matters: Matters,
    by_value: bool,
    length: i32,
}

/// What was looked up of relations, and the state of the catalog that it holds for.
type Watches = (u64, HashMap<pg_sys::Oid, Option<Rc<Watch>>>);

/// What the trigger knows of a relation.
struct Watch {
    kind: Kind,
    id: i32,
    needs: Option<i32>,
    columns: Vec<Column>,
}

/// The trigger function's declaration for the server: version 1 calling convention.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_autobuild_capture() -> &'static pg_sys::Pg_finfo_record {
    const V1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &V1
}

/// The trigger function as the server calls it.
///
/// # Safety
/// Called by the server as a trigger; called otherwise it raises.
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
            Error::new(
                pgrx::PgSqlErrorCode::ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
                "autobuild_capture is a trigger function",
            )
            .hint("autobuild_attach() puts it where it belongs.")
            .raise();
        }
        let trigger = &*context.cast::<pg_sys::TriggerData>();
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

const EVENT_OPERATION: u32 = pg_sys::TRIGGER_EVENT_OPMASK;

/// A change that matters.
struct Noticed {
    kind: Kind,
    /// Of what: twice where a row went from one to another.
    ids: [Option<Uuid>; 2],
}

/// What changed, if it matters.
///
/// # Safety
/// `trigger` is what the server gave to a trigger function.
unsafe fn noticed(trigger: &pg_sys::TriggerData) -> Option<Noticed> {
    // SAFETY: the relation's descriptor describes both tuples; the server keeps all of
    // them while the trigger runs.
    unsafe {
        let operation = trigger.tg_event & EVENT_OPERATION;
        if operation == pg_sys::TRIGGER_EVENT_TRUNCATE {
            return Some(Noticed {
                kind: Kind::Anything,
                ids: [None; 2],
            });
        }
        let watch = watch_of(trigger)?;
        let descriptor = (*trigger.tg_relation).rd_att;
        let old = trigger.tg_trigtuple;
        let is_update = operation == pg_sys::TRIGGER_EVENT_UPDATE;
        let new = if is_update { trigger.tg_newtuple } else { old };
        let deleted = operation == pg_sys::TRIGGER_EVENT_DELETE;
        if let Some(needs) = watch.needs
            && !deleted
            && is_null(needs, new, descriptor)
        {
            return None;
        }
        if is_update
            && !watch
                .columns
                .iter()
                .any(|column| column_matters(column, old, new, descriptor))
        {
            return None;
        }
        let id = uuid_at(watch.id, new, descriptor);
        let before = uuid_at(watch.id, old, descriptor).filter(|&before| Some(before) != id);
        Some(Noticed {
            kind: watch.kind,
            ids: [id, before],
        })
    }
}

/// # Safety
/// The tuple is a row of the descriptor's relation, which has this column.
unsafe fn is_null(column: i32, tuple: pg_sys::HeapTuple, descriptor: pg_sys::TupleDesc) -> bool {
    let mut null = false;
    // SAFETY: see above.
    unsafe { pg_sys::heap_getattr(tuple, column, descriptor, &mut null) };
    null
}

/// Did this column change in a way that matters?
///
/// # Safety
/// Both tuples are rows of the descriptor's relation.
unsafe fn column_matters(
    column: &Column,
    old: pg_sys::HeapTuple,
    new: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
) -> bool {
    // SAFETY: see above; the column's number was looked up in this descriptor.
    unsafe {
        let (mut old_null, mut new_null) = (false, false);
        let before = pg_sys::heap_getattr(old, column.number, descriptor, &mut old_null);
        let after = pg_sys::heap_getattr(new, column.number, descriptor, &mut new_null);
        match column.matters {
            Matters::Changed => match (old_null, new_null) {
                (true, true) => false,
                (false, false) => {
                    before != after && !datumIsEqual(before, after, column.by_value, column.length)
                }
                _ => true,
            },
            Matters::Sooner => {
                let (before, after) = (before.value() as i64, after.value() as i64);
                let there_was_none = old_null || before == NO_TIME;
                let there_is_none = new_null || after == NO_TIME;
                !there_is_none && (there_was_none || after < before)
            }
            Matters::SoonerOrNull => match (old_null, new_null) {
                (false, true) => true,
                (false, false) => (after.value() as i64) < (before.value() as i64),
                (true, _) => false,
            },
        }
    }
}

/// # Safety
/// The tuple is a row of the descriptor's relation, and the column, by its look-up, a
/// uuid.
unsafe fn uuid_at(
    column: i32,
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
) -> Option<Uuid> {
    // SAFETY: see above; a uuid datum points to 16 bytes.
    unsafe {
        let mut null = false;
        let datum = pg_sys::heap_getattr(tuple, column, descriptor, &mut null);
        (!null).then(|| Uuid::from_bytes(*datum.cast_mut_ptr::<[u8; 16]>()))
    }
}

/// What the trigger watches on its relation; looked up again after the catalog changed.
///
/// # Safety
/// `trigger` is what the server gave to a trigger function.
unsafe fn watch_of(trigger: &pg_sys::TriggerData) -> Option<Rc<Watch>> {
    thread_local! {
        static WATCHES: RefCell<Watches> = RefCell::default();
    }
    // SAFETY: the relation is open while the trigger runs.
    let relation = unsafe { (*trigger.tg_relation).rd_id };
    let generation = catalog::generation();
    WATCHES.with_borrow_mut(|(known, watches)| {
        if *known != generation {
            watches.clear();
            *known = generation;
        }
        watches
            .entry(relation)
            // SAFETY: as this function.
            .or_insert_with(|| unsafe { look_up(trigger) }.map(Rc::new))
            .clone()
    })
}

/// # Safety
/// `trigger` is what the server gave to a trigger function.
unsafe fn look_up(trigger: &pg_sys::TriggerData) -> Option<Watch> {
    // SAFETY: the trigger's arguments and the relation's descriptor live for the call.
    unsafe {
        let definition = &*trigger.tg_trigger;
        if definition.tgnargs < 1 {
            return None;
        }
        let table = CStr::from_ptr(*definition.tgargs).to_str().ok()?;
        let captured = CAPTURED.iter().find(|captured| captured.table == table)?;
        let descriptor = (*trigger.tg_relation).rd_att;
        let mut columns = Vec::new();
        let mut id = None;
        let mut needs = None;
        for index in 0..usize::try_from((*descriptor).natts).unwrap_or(0) {
            let attribute = &*attribute_of(descriptor, index);
            if attribute.attisdropped {
                continue;
            }
            let name = pgrx::name_data_to_str(&attribute.attname);
            if name == captured.id && attribute.atttypid == pg_sys::UUIDOID {
                id = Some(i32::from(attribute.attnum));
            }
            if captured.needs == Some(name) {
                needs = Some(i32::from(attribute.attnum));
            }
            let Some((_, matters)) = captured
                .watched
                .iter()
                .find(|(watched, _)| *watched == name)
            else {
                continue;
            };
            let is_time = attribute.atttypid == pg_sys::TIMESTAMPTZOID
                || attribute.atttypid == pg_sys::TIMESTAMPOID;
            columns.push(Column {
                number: i32::from(attribute.attnum),
                // A time of another type can't be compared: any change counts.
                matters: if is_time { *matters } else { Matters::Changed },
                by_value: attribute.attbyval,
                length: i32::from(attribute.attlen),
            });
        }
        Some(Watch {
            kind: captured.kind,
            id: id?,
            needs,
            columns,
        })
    }
}

/// # Safety
/// `index` is below the descriptor's number of attributes.
unsafe fn attribute_of(
    descriptor: pg_sys::TupleDesc,
    index: usize,
) -> *const pg_sys::FormData_pg_attribute {
    // SAFETY: see above. From 18 on the attributes stand behind the compact ones, of which
    // there are as many: what TupleDescAttr does, which is no function that could be called.
    unsafe {
        #[cfg(not(feature = "pg18"))]
        {
            (*descriptor).attrs.as_ptr().add(index)
        }
        #[cfg(feature = "pg18")]
        {
            let count = usize::try_from((*descriptor).natts).unwrap_or(0);
            let all = (*descriptor).compact_attrs.as_ptr().add(count);
            all.cast::<pg_sys::FormData_pg_attribute>().add(index)
        }
    }
}

/// Leaves a mark, as the extension's owner: whoever changed the row needs no right on it.
fn mark(kind: Kind, id: Option<Uuid>) -> Result<(), Error> {
    thread_local! {
        static TARGET: RefCell<Option<(u64, Extension, String)>> = const { RefCell::new(None) };
    }
    let generation = catalog::generation();
    let known = TARGET.with_borrow(|target| {
        target
            .as_ref()
            .filter(|(at, ..)| *at == generation)
            .map(|(_, extension, sql)| (extension.clone(), sql.clone()))
    });
    let (extension, sql) = match known {
        Some(known) => known,
        None => {
            let extension = Extension::get()?;
            let sql = format!(
                "INSERT INTO {} (kind, id) VALUES ($1::pg_catalog.\"char\", $2)",
                extension.table("autobuild_marks")
            );
            TARGET.set(Some((generation, extension.clone(), sql.clone())));
            (extension, sql)
        }
    };
    extension.as_owner(|| {
        run(
            &sql,
            Access::Write,
            vec![Arg::Text(Some(kind.letter())), Arg::OptionalUuid(id)],
            |_| Ok(()),
        )
    })?;
    Ok(())
}
