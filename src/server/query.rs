//! Queries through SPI: kept plans, typed arguments, rows without surprises.
//!
//! A statement's plan is kept for the life of the process by its text; the server
//! itself plans it again when a table that it names has changed. Rows are handed to
//! the caller one by one; a getter for the wrong type is an error, never a guess.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CString, c_char};

use pgrx::{IntoDatum, PgSqlErrorCode, pg_sys};
use uuid::Uuid;

use crate::instant::Instant;

use super::clock;
use super::error::{Error, check_for_interrupts};

/// Statements whose plans are kept at the most; their texts follow the product's
/// schema, so only a schema that changes often makes more.
const MAX_PLANS: usize = 200;

thread_local! {
    static PLANS: RefCell<HashMap<(String, Vec<pg_sys::Oid>), pg_sys::SPIPlanPtr>> =
        RefCell::new(HashMap::new());
}

/// Does a statement write?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It reads, under the snapshot that is active: what the calling statement itself
    /// wrote is not seen.
    Read,
    /// It reads, and sees what this transaction wrote up to now.
    ReadOwn,
    /// It writes.
    Write,
}

/// A value given to a statement.
#[derive(Clone, Debug)]
pub enum Arg<'a> {
    /// `uuid`.
    Uuid(Uuid),
    /// `uuid`, or NULL.
    OptionalUuid(Option<Uuid>),
    /// `text`.
    Text(Option<&'a str>),
    /// `int4`.
    Int(Option<i32>),
    /// `int8`.
    BigInt(Option<i64>),
    /// `float8`.
    Double(f64),
    /// `bool`.
    Bool(bool),
    /// `timestamptz`.
    Time(Option<Instant>),
    /// `uuid[]`.
    Uuids(Vec<Option<Uuid>>),
    /// `text[]`.
    Texts(Vec<Option<String>>),
    /// `int4[]`.
    Ints(Vec<Option<i32>>),
    /// `timestamptz[]`.
    Times(Vec<Option<Instant>>),
}

/// The types of arguments that are arrays.
const ARRAYS: [pg_sys::Oid; 4] = [
    pg_sys::UUIDARRAYOID,
    pg_sys::TEXTARRAYOID,
    pg_sys::INT4ARRAYOID,
    pg_sys::TIMESTAMPTZARRAYOID,
];

impl Arg<'_> {
    fn type_oid(&self) -> pg_sys::Oid {
        match self {
            Arg::Uuid(_) | Arg::OptionalUuid(_) => pg_sys::UUIDOID,
            Arg::Text(_) => pg_sys::TEXTOID,
            Arg::Int(_) => pg_sys::INT4OID,
            Arg::BigInt(_) => pg_sys::INT8OID,
            Arg::Double(_) => pg_sys::FLOAT8OID,
            Arg::Bool(_) => pg_sys::BOOLOID,
            Arg::Time(_) => pg_sys::TIMESTAMPTZOID,
            Arg::Uuids(_) => pg_sys::UUIDARRAYOID,
            Arg::Texts(_) => pg_sys::TEXTARRAYOID,
            Arg::Ints(_) => pg_sys::INT4ARRAYOID,
            Arg::Times(_) => pg_sys::TIMESTAMPTZARRAYOID,
        }
    }

    fn into_datum(self) -> Option<pg_sys::Datum> {
        match self {
            Arg::Uuid(v) => sql_uuid(v).into_datum(),
            Arg::OptionalUuid(v) => v.and_then(|v| sql_uuid(v).into_datum()),
            Arg::Text(v) => v.and_then(|v| v.into_datum()),
            Arg::Int(v) => v.and_then(|v| v.into_datum()),
            Arg::BigInt(v) => v.and_then(|v| v.into_datum()),
            Arg::Double(v) => v.into_datum(),
            Arg::Bool(v) => v.into_datum(),
            Arg::Time(v) => v.and_then(|v| clock::timestamptz(v).into_datum()),
            Arg::Uuids(v) => v
                .into_iter()
                .map(|v| v.map(sql_uuid))
                .collect::<Vec<_>>()
                .into_datum(),
            Arg::Texts(v) => v.into_datum(),
            Arg::Ints(v) => v.into_datum(),
            Arg::Times(v) => v
                .into_iter()
                .map(|v| v.map(clock::timestamptz))
                .collect::<Vec<_>>()
                .into_datum(),
        }
    }
}

/// A uuid as pgrx passes it to SQL.
pub fn sql_uuid(id: Uuid) -> pgrx::Uuid {
    pgrx::Uuid::from_bytes(*id.as_bytes())
}

/// Ids as an argument.
pub fn uuids<'a>(ids: impl IntoIterator<Item = Uuid>) -> Arg<'a> {
    Arg::Uuids(ids.into_iter().map(Some).collect())
}

/// One row of a result.
pub struct Row<'a> {
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
            return Err(internal(format!("a result has no column {column}")));
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
    pub fn uuid(&self, column: usize) -> Result<Option<Uuid>, Error> {
        Ok(self.get(column, &[pg_sys::UUIDOID])?.map(|datum| {
            // SAFETY: a uuid datum, as the type check says, points to 16 bytes.
            let bytes: [u8; 16] = unsafe { *datum.cast_mut_ptr::<[u8; 16]>() };
            Uuid::from_bytes(bytes)
        }))
    }

    /// A `boolean`; NULL counts as false.
    pub fn bool(&self, column: usize) -> Result<bool, Error> {
        Ok(self
            .get(column, &[pg_sys::BOOLOID])?
            .is_some_and(|datum| datum.value() & 0xff != 0))
    }

    /// A `boolean`, or NULL.
    pub fn optional_bool(&self, column: usize) -> Result<Option<bool>, Error> {
        Ok(self
            .get(column, &[pg_sys::BOOLOID])?
            .map(|datum| datum.value() & 0xff != 0))
    }

    /// A `bigint`, or NULL.
    pub fn bigint(&self, column: usize) -> Result<Option<i64>, Error> {
        Ok(self
            .get(column, &[pg_sys::INT8OID])?
            .map(|datum| datum.value() as i64))
    }

    /// An `integer`, or NULL.
    pub fn int(&self, column: usize) -> Result<Option<i32>, Error> {
        Ok(self
            .get(column, &[pg_sys::INT4OID])?
            .map(|datum| datum.value() as i32))
    }

    /// A `timestamptz`, or NULL; infinity is the last or the first instant there is.
    pub fn time(&self, column: usize) -> Result<Option<Instant>, Error> {
        Ok(self
            .get(column, &[pg_sys::TIMESTAMPTZOID])?
            .map(|datum| clock::saturating(datum.value() as i64)))
    }

    /// A `text`, or NULL. Bytes that are not UTF-8 (a database of another encoding)
    /// show as replacement characters.
    pub fn text(&self, column: usize) -> Result<Option<String>, Error> {
        Ok(self.get(column, &[pg_sys::TEXTOID])?.map(|datum| {
            // SAFETY: a text datum, as the type check says, is a varlena; the detoasted
            // copy lives in the SPI context while its bytes are copied.
            unsafe {
                let varlena = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
                let bytes = pgrx::varlena_to_byte_slice(varlena);
                String::from_utf8_lossy(bytes).into_owned()
            }
        }))
    }

    /// An `oid`, or NULL.
    pub fn oid(&self, column: usize) -> Result<Option<pg_sys::Oid>, Error> {
        Ok(self
            .get(column, &[pg_sys::OIDOID])?
            .map(|datum| pg_sys::Oid::from(datum.value() as u32)))
    }

    /// The value must be there: NULL is an error that names what it is of.
    pub fn required<T>(value: Option<T>, what: &str) -> Result<T, Error> {
        value.ok_or_else(|| {
            Error::new(
                PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED,
                format!("{what} is NULL"),
            )
        })
    }
}

/// Runs a statement, hands each row to `each`, and returns how many rows it returned
/// or wrote.
pub fn run(
    sql: &str,
    access: Access,
    args: Vec<Arg<'_>>,
    mut each: impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<u64, Error> {
    let types: Vec<pg_sys::Oid> = args.iter().map(Arg::type_oid).collect();
    let session = SpiSession::open()?;
    let plan = kept_plan(sql, &types)?;
    let mut nulls: Vec<c_char> = Vec::with_capacity(args.len());
    let mut values: Vec<pg_sys::Datum> = Vec::with_capacity(args.len());
    for arg in args {
        let datum = arg.into_datum();
        nulls.push(if datum.is_some() { b' ' } else { b'n' } as c_char);
        values.push(datum.unwrap_or(pg_sys::Datum::from(0)));
    }
    // SAFETY: the plan was prepared for as many arguments of these types; SPI is open.
    let status = unsafe {
        pg_sys::SPI_tuptable = std::ptr::null_mut();
        pg_sys::SPI_execute_plan(
            plan,
            values.as_mut_ptr(),
            nulls.as_ptr(),
            access == Access::Read,
            0,
        )
    };
    if status < 0 {
        return Err(internal(format!(
            "SPI_execute_plan returned {status}: {sql}"
        )));
    }
    // SAFETY: SPI's result variables are read right after the call that set them.
    let (processed, table) = unsafe { (pg_sys::SPI_processed, pg_sys::SPI_tuptable) };
    if !table.is_null() {
        each_row(table, &mut each)?;
    }
    drop(session);
    Ok(processed)
}

/// Hands each row of a result to `each`.
fn each_row(
    table: *mut pg_sys::SPITupleTable,
    each: &mut impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    // SAFETY: the table is SPI's own result and lives until SPI is closed; the columns'
    // types come from its own descriptor, and each tuple is deformed into arrays with
    // room for all of its columns.
    unsafe {
        let descriptor = (*table).tupdesc;
        let columns = usize::try_from((*descriptor).natts).unwrap_or(0);
        let types: Vec<pg_sys::Oid> = (1..=columns)
            .map(|column| pg_sys::SPI_gettypeid(descriptor, column as i32))
            .collect();
        let mut values = vec![pg_sys::Datum::from(0); columns];
        let mut nulls = vec![true; columns];
        let count = usize::try_from((*table).numvals).unwrap_or(0);
        for index in 0..count {
            if index % 1024 == 0 {
                check_for_interrupts();
            }
            let tuple = *(*table).vals.add(index);
            pg_sys::heap_deform_tuple(tuple, descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
            each(&Row {
                values: &values,
                nulls: &nulls,
                types: &types,
            })?;
        }
    }
    Ok(())
}

/// The plan of a statement, prepared when it is first asked for and kept.
fn kept_plan(sql: &str, types: &[pg_sys::Oid]) -> Result<pg_sys::SPIPlanPtr, Error> {
    let key = (sql.to_owned(), types.to_vec());
    if let Some(plan) = PLANS.with_borrow(|plans| plans.get(&key).copied()) {
        return Ok(plan);
    }
    let text = CString::new(sql).map_err(|_| internal("a statement holds a NUL byte".into()))?;
    let mut types = types.to_vec();
    let mut options = pg_sys::CURSOR_OPT_PARALLEL_OK;
    if types.iter().any(|of| ARRAYS.contains(of)) {
        // Rows are looked up by their keys, however many: left to itself the server
        // plans this anew in each call where few are looked up, which takes longer.
        options |= pg_sys::CURSOR_OPT_GENERIC_PLAN;
    }
    // SAFETY: SPI is open; the text and the types outlive the call.
    let plan = unsafe {
        let plan = pg_sys::SPI_prepare_cursor(
            text.as_ptr(),
            types.len() as i32,
            types.as_mut_ptr(),
            options as i32,
        );
        if plan.is_null() {
            return Err(internal(format!("SPI_prepare refused: {sql}")));
        }
        plan
    };
    PLANS.with_borrow_mut(|plans| {
        // Past the limit a plan lives only as long as SPI is open: freeing a kept one
        // could pull it from under a statement that runs further out.
        if plans.len() < MAX_PLANS {
            // SAFETY: moves the plan to memory that lives as long as the process.
            unsafe { pg_sys::SPI_keepplan(plan) };
            plans.insert(key, plan);
        }
    });
    Ok(plan)
}

/// SPI, open until it is dropped. While an ERROR unwinds the server closes it itself.
struct SpiSession;

impl SpiSession {
    fn open() -> Result<SpiSession, Error> {
        // SAFETY: inside a transaction, which every caller is in.
        let status = unsafe { pg_sys::SPI_connect() };
        if status == pg_sys::SPI_OK_CONNECT as i32 {
            Ok(SpiSession)
        } else {
            Err(internal(format!("SPI_connect returned {status}")))
        }
    }
}

impl Drop for SpiSession {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: closes what open() opened.
            unsafe { pg_sys::SPI_finish() };
        }
    }
}

fn internal(message: String) -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, message)
}
