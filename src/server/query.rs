//! Queries through SPI: kept plans, typed arguments, rows without surprises.
//!
//! A statement's plan is kept for the life of the process by its text; the server
//! itself plans it again when a table that it names has changed. Rows are handed to the
//! caller one by one ([`Row`]).

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CString;

use pgrx::{IntoDatum, pg_sys};
use uuid::Uuid;

use crate::instant::Instant;

use super::clock;
use super::error::Error;
use super::row::Receiver;
pub(crate) use super::row::Row;

/// The maximum number of kept plans. The texts of statements depend on the product's schema,
/// so only a schema that changes often makes more.
const MAX_PLANS: usize = 200;

/// Plans by the text of their statement, then by the types of its arguments.
type Plans = foldhash::HashMap<String, HashMap<Vec<pg_sys::Oid>, pg_sys::SPIPlanPtr>>;

thread_local! {
    static PLANS: RefCell<Plans> = RefCell::default();
}

/// Does a statement write?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
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
pub(crate) enum Arg<'a> {
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
pub(crate) fn sql_uuid(id: Uuid) -> pgrx::Uuid {
    pgrx::Uuid::from_bytes(*id.as_bytes())
}

/// Ids as an argument.
pub(crate) fn uuids<'a>(ids: impl IntoIterator<Item = Uuid>) -> Arg<'a> {
    Arg::Uuids(ids.into_iter().map(Some).collect())
}

/// Runs a statement, hands each row to `each` as the server comes to it, and returns how
/// many rows it returned or wrote. No result is held in memory. An error of `each` ends
/// the statement where it is: the caller's (sub)transaction must then be rolled back.
pub(crate) fn for_each_row(
    sql: &str,
    access: Access,
    args: Vec<Arg<'_>>,
    mut each: impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<u64, Error> {
    let types: Vec<pg_sys::Oid> = args.iter().map(Arg::type_oid).collect();
    let session = SpiSession::open()?;
    let plan = kept_plan(sql, &types)?;
    let values: Vec<Option<pg_sys::Datum>> = args.into_iter().map(Arg::into_datum).collect();
    let mut receiver = Receiver::new(&mut each);
    // SAFETY: the plan was prepared for as many arguments of these types; SPI is open;
    // options and receiver outlive the call. SPI's variable is read right after the call
    // that set it.
    let (status, processed) = unsafe {
        let options = pg_sys::SPIExecuteOptions {
            params: parameters(&values, &types),
            read_only: access == Access::Read,
            dest: receiver.for_the_server(),
            ..Default::default()
        };
        let status = pg_sys::SPI_execute_plan_extended(plan, &options);
        (status, pg_sys::SPI_processed)
    };
    receiver.ended()?;
    if status < 0 {
        return Err(Error::internal(format!(
            "SPI_execute_plan_extended returned {status}: {sql}"
        )));
    }
    drop(session);
    Ok(processed)
}

/// Runs a statement that writes, and returns how many rows it wrote.
pub(crate) fn execute(sql: &str, args: Vec<Arg<'_>>) -> Result<u64, Error> {
    for_each_row(sql, Access::Write, args, |_| Ok(()))
}

/// Does a query return any row?
pub(crate) fn exists(sql: &str, args: Vec<Arg<'_>>) -> Result<bool, Error> {
    Ok(for_each_row(sql, Access::Read, args, |_| Ok(()))? > 0)
}

/// The last row of a query that reads, by what `read` makes of it.
pub(crate) fn fetch_one<T>(
    sql: &str,
    args: Vec<Arg<'_>>,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let mut found = None;
    for_each_row(sql, Access::Read, args, |row| {
        found = Some(read(row)?);
        Ok(())
    })?;
    Ok(found)
}

/// All rows of a query that reads, by what `read` makes of each; for few.
pub(crate) fn fetch_all<T>(
    sql: &str,
    args: Vec<Arg<'_>>,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    for_each_row(sql, Access::Read, args, |row| {
        found.push(read(row)?);
        Ok(())
    })?;
    Ok(found)
}

/// Arguments as the server takes them, in memory that ends with the SPI session.
fn parameters(values: &[Option<pg_sys::Datum>], types: &[pg_sys::Oid]) -> pg_sys::ParamListInfo {
    // SAFETY: the list has room for as many as it was made for.
    unsafe {
        let list = pg_sys::makeParamList(i32::try_from(values.len()).unwrap_or(0));
        for (index, (value, of)) in values.iter().zip(types).enumerate() {
            *(*list).params.as_mut_ptr().add(index) = pg_sys::ParamExternData {
                value: value.unwrap_or(pg_sys::Datum::null()),
                isnull: value.is_none(),
                pflags: pg_sys::PARAM_FLAG_CONST as u16,
                ptype: *of,
            };
        }
        list
    }
}

/// The plan of a statement, prepared when it is first asked for and kept.
fn kept_plan(sql: &str, types: &[pg_sys::Oid]) -> Result<pg_sys::SPIPlanPtr, Error> {
    let known = PLANS.with_borrow(|plans| plans.get(sql)?.get(types).copied());
    if let Some(plan) = known {
        return Ok(plan);
    }
    let text = CString::new(sql).map_err(|_| Error::internal("a statement holds a NUL byte"))?;
    let mut given = types.to_vec();
    let mut options = pg_sys::CURSOR_OPT_PARALLEL_OK;
    if types.iter().any(|of| ARRAYS.contains(of)) {
        // Rows are looked up by their keys, however many: left to itself the server
        // plans this again in each call where few are looked up, which takes longer.
        options |= pg_sys::CURSOR_OPT_GENERIC_PLAN;
    }
    // SAFETY: SPI is open; the text and the types outlive the call.
    let plan = unsafe {
        let plan = pg_sys::SPI_prepare_cursor(
            text.as_ptr(),
            given.len() as i32,
            given.as_mut_ptr(),
            options as i32,
        );
        if plan.is_null() {
            return Err(Error::internal(format!("SPI_prepare refused: {sql}")));
        }
        plan
    };
    PLANS.with_borrow_mut(|plans| {
        // Past the limit a plan lives only as long as SPI is open: freeing a kept one
        // could pull it from under a statement that runs further out.
        if plans.len() < MAX_PLANS {
            // SAFETY: moves the plan to memory that lives as long as the process.
            unsafe { pg_sys::SPI_keepplan(plan) };
            let of_this_text = plans.entry(sql.to_owned()).or_default();
            of_this_text.insert(types.to_vec(), plan);
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
            Err(Error::internal(format!("SPI_connect returned {status}")))
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
