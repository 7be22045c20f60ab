//! The rows of a statement, as the server comes to them.
//!
//! The server hands over each row while the statement runs, so that a result is never
//! held as a whole, however many workspaces there are. A getter for the wrong type is an
//! error, never a guess.

use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};
use uuid::Uuid;

use crate::instant::Instant;

use super::clock;
use super::error::Error;

/// One row of a result, as long as it is looked at.
pub(crate) struct Row<'a> {
    values: &'a [pg_sys::Datum],
    nulls: &'a [bool],
    types: &'a [pg_sys::Oid],
}

impl Row<'_> {
    fn get(&self, column: usize, wanted: &[pg_sys::Oid]) -> Result<Option<pg_sys::Datum>, Error> {
        let (Some(&value), Some(&null), Some(kind)) = (
            self.values.get(column),
            self.nulls.get(column),
            self.types.get(column),
        ) else {
            return Err(Error::internal(format!("a result has no column {column}")));
        };
        if !wanted.contains(kind) {
            return Err(Error::new(
                PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
                format!("column {column} of a result has type {kind:?}"),
            ));
        }
        Ok((!null).then_some(value))
    }

    /// A `uuid`, or NULL.
    pub(crate) fn uuid(&self, column: usize) -> Result<Option<Uuid>, Error> {
        Ok(self.get(column, &[pg_sys::UUIDOID])?.map(|datum| {
            // SAFETY: a uuid datum, as the type check says, points to 16 bytes.
            let bytes: [u8; 16] = unsafe { *datum.cast_mut_ptr::<[u8; 16]>() };
            Uuid::from_bytes(bytes)
        }))
    }

    /// A `boolean`; NULL counts as false.
    pub(crate) fn bool(&self, column: usize) -> Result<bool, Error> {
        Ok(self
            .get(column, &[pg_sys::BOOLOID])?
            .is_some_and(|datum| datum.value() & 0xff != 0))
    }

    /// A `boolean`, or NULL.
    pub(crate) fn optional_bool(&self, column: usize) -> Result<Option<bool>, Error> {
        Ok(self
            .get(column, &[pg_sys::BOOLOID])?
            .map(|datum| datum.value() & 0xff != 0))
    }

    /// A `bigint`, or NULL.
    pub(crate) fn bigint(&self, column: usize) -> Result<Option<i64>, Error> {
        Ok(self
            .get(column, &[pg_sys::INT8OID])?
            .map(|datum| datum.value() as i64))
    }

    /// An `integer`, or NULL.
    pub(crate) fn int(&self, column: usize) -> Result<Option<i32>, Error> {
        Ok(self
            .get(column, &[pg_sys::INT4OID])?
            .map(|datum| datum.value() as i32))
    }

    /// A `timestamptz`, or NULL; infinity is the last or the first instant there is.
    pub(crate) fn time(&self, column: usize) -> Result<Option<Instant>, Error> {
        Ok(self
            .get(column, &[pg_sys::TIMESTAMPTZOID])?
            .map(|datum| clock::saturating(datum.value() as i64)))
    }

    /// A `text`, or NULL. Bytes that are not UTF-8 (a database of another encoding)
    /// show as replacement characters.
    pub(crate) fn text(&self, column: usize) -> Result<Option<String>, Error> {
        Ok(self.get(column, &[pg_sys::TEXTOID])?.map(|datum| {
            // SAFETY: a text datum, as the type check says, is a varlena; the detoasted
            // copy lives in the row's memory while its bytes are copied.
            unsafe {
                let varlena = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
                let bytes = pgrx::varlena_to_byte_slice(varlena);
                String::from_utf8_lossy(bytes).into_owned()
            }
        }))
    }

    /// A `bytea`, or NULL.
    pub(crate) fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.get(column, &[pg_sys::BYTEAOID])?.map(|datum| {
            // SAFETY: as for a text: a bytea datum is a varlena too.
            unsafe {
                let varlena = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
                pgrx::varlena_to_byte_slice(varlena).to_vec()
            }
        }))
    }

    /// An `oid`, or NULL.
    pub(crate) fn oid(&self, column: usize) -> Result<Option<pg_sys::Oid>, Error> {
        Ok(self
            .get(column, &[pg_sys::OIDOID])?
            .map(|datum| pg_sys::Oid::from(datum.value() as u32)))
    }

    /// The value must be there: NULL is an error that names what it is of.
    pub(crate) fn required<T>(value: Option<T>, what: &str) -> Result<T, Error> {
        value.ok_or_else(|| {
            Error::new(
                PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
                format!("{what} is NULL"),
            )
        })
    }
}

/// What a row is handed to.
type Each<'a> = &'a mut dyn FnMut(&Row<'_>) -> Result<(), Error>;

/// Takes the rows of one statement from the server.
#[repr(C)]
pub(super) struct Receiver<'a> {
    // First: the server gets a pointer to this, and gives it back.
    destination: pg_sys::DestReceiver,
    each: Each<'a>,
    types: Vec<pg_sys::Oid>,
    /// What is made of a row's values while it is looked at.
    memory: pg_sys::MemoryContext,
    failed: Option<Error>,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(each: Each<'a>) -> Receiver<'a> {
        Receiver {
            destination: pg_sys::DestReceiver {
                receiveSlot: Some(receive),
                rStartup: Some(start_up),
                rShutdown: Some(nothing),
                rDestroy: Some(nothing),
                mydest: pg_sys::CommandDest::DestNone,
            },
            each,
            types: Vec::new(),
            memory: std::ptr::null_mut(),
            failed: None,
        }
    }

    /// For the server; valid as long as this is and doesn't move.
    pub(super) fn for_the_server(&mut self) -> *mut pg_sys::DestReceiver {
        std::ptr::from_mut(self).cast()
    }

    /// The error that a row met, once the statement is over.
    pub(super) fn ended(self) -> Result<(), Error> {
        self.failed.map_or(Ok(()), Err)
    }
}

/// # Safety
/// For the server, with what [`Receiver::for_the_server`] gave it.
#[pg_guard]
unsafe extern "C-unwind" fn start_up(
    receiver: *mut pg_sys::DestReceiver,
    _operation: i32,
    descriptor: pg_sys::TupleDesc,
) {
    // SAFETY: see above; the columns' types come from the descriptor itself. The memory
    // is a child of the statement's, and ends with it.
    unsafe {
        let receiver = &mut *receiver.cast::<Receiver<'_>>();
        receiver.types = (1..=(*descriptor).natts)
            .map(|column| pg_sys::SPI_gettypeid(descriptor, column))
            .collect();
        receiver.memory = pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"workspace-autobuild row".as_ptr(),
            pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
            pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        );
    }
}

/// Hands one row on; false, which ends the statement, if it met an error.
///
/// # Safety
/// For the server, with what [`Receiver::for_the_server`] gave it, after [`start_up`].
#[pg_guard]
unsafe extern "C-unwind" fn receive(
    slot: *mut pg_sys::TupleTableSlot,
    receiver: *mut pg_sys::DestReceiver,
) -> bool {
    // SAFETY: see above; the slot's arrays hold all columns once it was taken apart, and
    // nobody else uses the receiver meanwhile. The memory is the receiver's own, and what
    // is reset was made of this row.
    unsafe {
        let receiver = &mut *receiver.cast::<Receiver<'_>>();
        let columns = receiver.types.len();
        if usize::try_from((*slot).tts_nvalid).unwrap_or(0) < columns {
            pg_sys::slot_getsomeattrs_int(slot, columns as i32);
        }
        let row = Row {
            values: std::slice::from_raw_parts((*slot).tts_values, columns),
            nulls: std::slice::from_raw_parts((*slot).tts_isnull, columns),
            types: &receiver.types,
        };
        let before = pg_sys::MemoryContextSwitchTo(receiver.memory);
        let result = (receiver.each)(&row);
        pg_sys::MemoryContextSwitchTo(before);
        pg_sys::MemoryContextReset(receiver.memory);
        receiver.failed = result.err();
        receiver.failed.is_none()
    }
}

/// The receiver is its maker's, who ends it.
extern "C-unwind" fn nothing(_receiver: *mut pg_sys::DestReceiver) {}
