//! `autobuild_schedule_next` and `autobuild_schedule_check`: what a schedule means.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::SetOfIterator;
use pgrx::prelude::*;

use crate::decision::schedules::with_schedules;
use crate::server::clock::{argument, timestamptz};
use crate::server::error::{Error, OrRaise, check_for_interrupts};

/// The next runs of a schedule after a time, at most `count` of them; none for a
/// schedule that never runs.
///
/// Errors: 22023 a text that is no schedule, a negative `count`, an infinite `after`.
#[pg_extern(stable, strict, parallel_safe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_schedule_next(
    schedule: &str,
    after: default!(TimestampWithTimeZone, "pg_catalog.now()"),
    count: default!(i32, 1),
) -> SetOfIterator<'static, TimestampWithTimeZone> {
    let schedule = with_schedules(|schedules| schedules.get(schedule))
        .map_err(|error| {
            invalid(format!("invalid schedule: {error}"))
                .hint("A schedule is five fields, day of month and month both *, after an optional CRON_TZ=<zone>: CRON_TZ=Europe/Berlin 30 9 * * 1-5")
        })
        .or_raise();
    let count = usize::try_from(count)
        .map_err(|_| {
            invalid(format!("\"count\" must not be negative, not {count}"))
                .hint("Give the number of runs to return.")
        })
        .or_raise();
    let after = argument("after", after).or_raise();
    let runs = std::iter::successors(schedule.next(after), move |run| {
        check_for_interrupts();
        schedule.after_run(*run)
    });
    SetOfIterator::new(runs.take(count).map(timestamptz))
}

fn invalid(message: String) -> Error {
    Error::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}

/// A row of `autobuild_schedule_check`: valid, timezone, cron, description, error.
type Checked = (
    Option<bool>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// What `autobuild_schedule_check` answers; all NULL for NULL.
fn check(schedule: Option<&str>) -> Checked {
    let Some(text) = schedule else {
        return (None, None, None, None, None);
    };
    match with_schedules(|schedules| schedules.get(text)) {
        Ok(schedule) => (
            Some(true),
            Some(schedule.timezone().to_owned()),
            Some(schedule.cron().to_owned()),
            Some(schedule.description()),
            None,
        ),
        Err(error) => (Some(false), None, None, None, Some(error.to_string())),
    }
}

// One row and not a set, so that it can stand in a CHECK: pgrx's row types are sets, so
// this one function is declared by hand.
extension_sql!(
    r#"
CREATE FUNCTION @extschema@.autobuild_schedule_check(
    schedule text,
    OUT valid boolean, OUT timezone text, OUT cron text, OUT description text, OUT error text)
    LANGUAGE c STABLE PARALLEL SAFE
    SET search_path TO pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'autobuild_schedule_check';
"#,
    name = "schedule_check"
);

/// The function's declaration for the server: version 1 calling convention.
// SAFETY: the name is this extension's own.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn pg_finfo_autobuild_schedule_check() -> &'static pg_sys::Pg_finfo_record {
    const V1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &V1
}

/// `autobuild_schedule_check(schedule text)` as the server calls it.
///
/// # Safety
/// Called by the server with the arguments of its declaration above.
// SAFETY: the name is this extension's own.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn autobuild_schedule_check(
    fcinfo: pg_sys::FunctionCallInfo,
) -> pg_sys::Datum {
    // SAFETY: the first argument is a text, or NULL; the result type is the row of the
    // OUT parameters, for which the server makes a descriptor.
    unsafe {
        let schedule: Option<&str> = pgrx::fcinfo::pg_getarg(fcinfo, 0);
        let mut descriptor = std::ptr::null_mut();
        pg_sys::get_call_result_type(fcinfo, std::ptr::null_mut(), &mut descriptor);
        let descriptor = pg_sys::BlessTupleDesc(descriptor);
        let (valid, timezone, cron, description, error) = check(schedule);
        let values = [
            valid.into_datum(),
            timezone.into_datum(),
            cron.into_datum(),
            description.into_datum(),
            error.into_datum(),
        ];
        let mut nulls = values.map(|value| value.is_none());
        let mut values = values.map(|value| value.unwrap_or(pg_sys::Datum::from(0)));
        let tuple = pg_sys::heap_form_tuple(descriptor, values.as_mut_ptr(), nulls.as_mut_ptr());
        pg_sys::HeapTupleHeaderGetDatum((*tuple).t_data)
    }
}
