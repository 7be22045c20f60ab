//! Adding a row to a table of the extension's own without a statement: as the server's
//! logical replication adds its rows, with the table's indexes, constraints and row
//! triggers, but without planning and running a query. Rules, policies and defaults don't
//! count: a row is given whole.

use pgrx::{PgSqlErrorCode, pg_sys};
use uuid::Uuid;

use super::error::Error;

/// A column's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    /// A `"char"`: one byte.
    Char(u8),
    /// A `uuid`, or NULL.
    Uuid(Option<Uuid>),
}

impl Value {
    fn type_oid(self) -> pg_sys::Oid {
        match self {
            Value::Char(_) => pg_sys::CHAROID,
            Value::Uuid(_) => pg_sys::UUIDOID,
        }
    }
}

/// Adds a row; no right is asked for. A table that has come to `most_pages` is left as it
/// is: one look at the file's end, which costs nothing beside the row. False if there is no
/// such table any more. 42804 if the table's columns are not of the values' types, one by one.
pub(crate) fn insert(table: pg_sys::Oid, row: &[Value], most_pages: u32) -> Result<bool, Error> {
    // SAFETY: the relation is open, and locked as an INSERT locks it until the
    // transaction ends; everything else is made for it and given back here, or, after an
    // ERROR, by the transaction's abort.
    unsafe {
        let relation = pg_sys::try_table_open(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
        if relation.is_null() {
            return Ok(false);
        }
        let serves = serves((*relation).rd_att, row);
        let pages =
            || pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM);
        if serves && pages() < most_pages {
            write(relation, row);
        }
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        if serves {
            Ok(true)
        } else {
            Err(Error::new(
                PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                format!(
                    "a table of the extension (oid {table}) does not have its original columns"
                ),
            )
            .hint("DROP EXTENSION \"workspace-autobuild\" and CREATE EXTENSION recreate it."))
        }
    }
}

/// Locks a table as [`insert`] does, until the transaction ends. False if there is no such
/// table any more.
pub(crate) fn hold(table: pg_sys::Oid) -> bool {
    // SAFETY: the relation is open if it is not NULL, and closed here.
    unsafe {
        let relation = pg_sys::try_table_open(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
        if relation.is_null() {
            return false;
        }
        pg_sys::table_close(relation, pg_sys::NoLock as pg_sys::LOCKMODE);
        true
    }
}

/// # Safety
/// The descriptor is a descriptor.
unsafe fn serves(descriptor: pg_sys::TupleDesc, row: &[Value]) -> bool {
    // SAFETY: see above; no index is past its width.
    unsafe {
        width(descriptor) == row.len()
            && row.iter().enumerate().all(|(index, value)| {
                let attribute = &*attribute(descriptor, index);
                !attribute.attisdropped && attribute.atttypid == value.type_oid()
            })
    }
}

/// # Safety
/// The relation is open for writing, and the row serves its descriptor.
unsafe fn write(relation: pg_sys::Relation, row: &[Value]) {
    // SAFETY: the slot has room for the row, whose bytes outlive the call; number 0 says
    // that the relation is in no range table.
    unsafe {
        let executor = pg_sys::CreateExecutorState();
        let mut target = pg_sys::ResultRelInfo {
            type_: pg_sys::NodeTag::T_ResultRelInfo,
            ..Default::default()
        };
        pg_sys::InitResultRelInfo(&mut target, relation, 0, std::ptr::null_mut(), 0);
        pg_sys::ExecOpenIndices(&mut target, false);
        let slot = pg_sys::MakeSingleTupleTableSlot((*relation).rd_att, &pg_sys::TTSOpsVirtual);
        for (index, value) in row.iter().enumerate() {
            let datum = match value {
                Value::Char(byte) => Some(pg_sys::Datum::from(*byte)),
                Value::Uuid(id) => id
                    .as_ref()
                    .map(|id| pg_sys::Datum::from(id.as_bytes().as_ptr())),
            };
            *(*slot).tts_isnull.add(index) = datum.is_none();
            *(*slot).tts_values.add(index) = datum.unwrap_or(pg_sys::Datum::null());
        }
        pg_sys::ExecStoreVirtualTuple(slot);
        pg_sys::ExecSimpleRelationInsert(&mut target, executor, slot);
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::ExecCloseIndices(&mut target);
        pg_sys::FreeExecutorState(executor);
    }
}

/// How many columns a descriptor has, the dropped ones included.
///
/// # Safety
/// It is a descriptor.
pub(crate) unsafe fn width(descriptor: pg_sys::TupleDesc) -> usize {
    // SAFETY: see above.
    usize::try_from(unsafe { (*descriptor).natts }).unwrap_or(0)
}

/// A column of a descriptor.
///
/// # Safety
/// `index` is below the descriptor's width.
pub(crate) unsafe fn attribute(
    descriptor: pg_sys::TupleDesc,
    index: usize,
) -> *const pg_sys::FormData_pg_attribute {
    // SAFETY: see above. From 18 on the attributes stand behind the compact ones, of which
    // there are as many: what TupleDescAttr does, which is no function that could be called.
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17"))]
        {
            (*descriptor).attrs.as_ptr().add(index)
        }
        #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17")))]
        {
            let all = (*descriptor).compact_attrs.as_ptr().add(width(descriptor));
            all.cast::<pg_sys::FormData_pg_attribute>().add(index)
        }
    }
}
