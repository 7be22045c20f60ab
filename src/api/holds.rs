//! `autobuild_hold`, `autobuild_hold_calendar`, `autobuild_release`, and the view
//! `autobuild_holds`.
//!
//! PUBLIC has no right to make or release holds; a role with EXECUTE needs no right on the
//! extension's tables, nor on the product's, in which ids are looked up as the executor's role.

use std::fmt;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::{PgSqlErrorCode, default, extension_sql_file, name, pg_extern, search_path};
use uuid::Uuid;

use crate::columns::{templates, users, workspaces};
use crate::decision::holds::{unreadable, when};
use crate::holds::{Hold, Scope, Transitions, When, calendar, check_reason};
use crate::ledger::holds::{self, NewHold};
use crate::product::licence;
use crate::product::locks::hold_for_preview;
use crate::product::role::executor_role;
use crate::server::clock::{self, argument, timestamptz};
use crate::server::error::{Error, OrRaise};
use crate::server::extension::Extension;
use crate::server::identity::{acting_as, current_user, role_name};
use crate::server::query::{Arg, exists};
use crate::server::zones::ServerZones;

/// Holds transitions of some workspaces for a time.
///
/// Errors: 22023 what is refused, P0002 an unknown id.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::too_many_arguments)]
fn autobuild_hold(
    scope: Option<&str>,
    scope_id: default!(Option<pgrx::Uuid>, "NULL"),
    starts_at: default!(Option<TimestampWithTimeZone>, "pg_catalog.now()"),
    ends_at: default!(Option<TimestampWithTimeZone>, "NULL"),
    transitions: default!(Option<Vec<Option<String>>>, "NULL"),
    reason: default!(Option<String>, "NULL"),
    recurrence: default!(Option<String>, "NULL"),
) -> i64 {
    let now = clock::transaction_start();
    let starts_at = starts_at.map_or(now, |at| argument("starts_at", at).or_raise());
    let ends_at = ends_at.map(|at| argument("ends_at", at).or_raise());
    When::read(starts_at, ends_at, recurrence.as_deref(), &ServerZones)
        .map_err(|error| refused(&error, TIMES))
        .or_raise();
    // Ticks are cut down to the minute: what holds from now on holds at the tick of this one.
    let starts_at = match starts_at {
        at if at == now && recurrence.is_none() => now.truncate_to_minute(),
        at => at,
    };
    let hold = NewHold {
        starts_at,
        ends_at,
        recurrence,
        reason,
    };
    let numbers = make(scope, scope_id, transitions, &[hold]).or_raise();
    let lacking = || Error::internal("the hold that was made has no number");
    numbers.first().copied().ok_or_else(lacking).or_raise()
}

/// Makes the holds of a calendar; returns how many.
///
/// Errors: 22023 what is refused, with its line, P0002 an unknown id.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_hold_calendar(
    ics: Option<&str>,
    scope: Option<&str>,
    scope_id: default!(Option<pgrx::Uuid>, "NULL"),
    transitions: default!(Option<Vec<Option<String>>>, "NULL"),
    reason: default!(Option<String>, "NULL"),
    zone: default!(Option<&str>, "NULL"),
) -> i32 {
    let found = calendar::read(ics.unwrap_or_default(), zone, &ServerZones)
        .map_err(|error| refused(&error, CALENDAR))
        .or_raise();
    let holds: Vec<NewHold> = found
        .into_iter()
        .map(|found| NewHold {
            starts_at: found.starts_at,
            ends_at: Some(found.ends_at),
            recurrence: found.recurrence,
            reason: reason.clone().or(found.summary),
        })
        .collect();
    let numbers = make(scope, scope_id, transitions, &holds).or_raise();
    i32::try_from(numbers.len()).unwrap_or(i32::MAX)
}

/// Ends a hold now; false if there is none of that number.
#[pg_extern(volatile, parallel_unsafe)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_release(hold_id: i64) -> bool {
    let extension = Extension::current().or_raise();
    // From the tick of this minute on.
    let at = clock::now().truncate_to_minute();
    holds::release(&extension, hold_id, at).or_raise()
}

/// Does a hold with these times hold at an instant, and when does that change?
#[pg_extern(stable, parallel_restricted)]
#[search_path(pg_catalog, pg_temp)]
fn autobuild_hold_times(
    starts_at: Option<TimestampWithTimeZone>,
    ends_at: Option<TimestampWithTimeZone>,
    recurrence: Option<&str>,
    at: default!(Option<TimestampWithTimeZone>, "pg_catalog.now()"),
) -> TableIterator<
    'static,
    (
        name!(holds_now, bool),
        name!(next_change_at, Option<TimestampWithTimeZone>),
    ),
> {
    let saturating = |at: TimestampWithTimeZone| clock::saturating(at.into());
    let Some(starts_at) = starts_at.map(saturating) else {
        return TableIterator::once((false, None));
    };
    let at = at.map_or_else(clock::now, saturating);
    let when = when(starts_at, ends_at.map(saturating), recurrence);
    let hold = Hold::new(0, Scope::All, Transitions::ALL, None, when);
    TableIterator::once((hold.holds_at(at), hold.next_change(at).map(timestamptz)))
}

/// What to do about reasons, times, scopes, transitions and calendars that are refused.
const REASON: &str = "Give a shorter one, of a few words: everybody who is held is told of it.";
const TIMES: &str = "Give an end after the start; a recurrence is a rule such as \
                     FREQ=WEEKLY;BYDAY=SA,SU, after TZID=Europe/Berlin; if it is not in UTC.";
const SCOPE: &str = "Give 'all' without an id, or 'organization', 'template', 'owner' or \
                     'workspace' with one.";
const TRANSITIONS: &str = "Give some of start, stop, delete, dormant, or NULL for all.";
const CALENDAR: &str = "Nothing was held. Mend the calendar, or leave out what can't be read.";

/// What is wrong with kept holds, for `autobuild_status`.
pub(super) fn problem(extension: &Extension) -> Result<Option<String>, Error> {
    let unreadable = unreadable(extension)?;
    Ok(unreadable.first().map(|first| {
        let others = match unreadable.len() - 1 {
            0 => String::new(),
            others => format!(", and of {others} others"),
        };
        format!(
            "the recurrence of hold {}{others} can't be read any more, so that it holds without an \
             end: {}; SELECT autobuild_release({}), and make it anew",
            first.hold_id, first.error, first.hold_id
        )
    }))
}

fn refused(error: &impl fmt::Display, hint: &str) -> Error {
    let code = PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE;
    Error::new(code, error.to_string()).hint(hint)
}

/// Makes holds, once whom they cover and what they hold is known.
fn make(
    scope: Option<&str>,
    scope_id: Option<pgrx::Uuid>,
    transitions: Option<Vec<Option<String>>>,
    new: &[NewHold],
) -> Result<Vec<i64>, Error> {
    let id = scope_id.map(|id| Uuid::from_bytes(*id.as_bytes()));
    let scope = Scope::read(scope.unwrap_or_default(), id);
    let scope = scope.map_err(|error| refused(&error, SCOPE))?;
    let names: Option<Vec<String>> =
        transitions.map(|names| names.into_iter().map(Option::unwrap_or_default).collect());
    if let Some(names) = &names {
        Transitions::read(names.iter().map(String::as_str))
            .map_err(|error| refused(&error, TRANSITIONS))?;
    }
    for reason in new.iter().filter_map(|hold| hold.reason.as_deref()) {
        check_reason(reason).map_err(|error| refused(&error, REASON))?;
    }
    let extension = Extension::current()?;
    must_be_known(scope)?;
    must_have_room(&extension, new)?;
    let by = role_name(current_user());
    let names = names.map(|names| names.join(","));
    holds::make(&extension, scope, names.as_deref(), new, by.as_deref())
}

/// More holds than this, released and ended ones included, are not kept: each tick reads them.
const MOST_HOLDS: i64 = 20_000;
/// More with a rule, which each tick works out, are not kept.
const MOST_RECURRING: i64 = 2_000;

/// Errors: 54000 there are as many holds as may be.
fn must_have_room(extension: &Extension, new: &[NewHold]) -> Result<(), Error> {
    let kept = holds::count(extension)?;
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let recurring = new.iter().filter(|hold| hold.recurrence.is_some()).count();
    let too_many = [
        ("holds", kept.all, number(new.len()), MOST_HOLDS),
        (
            "holds that recur",
            kept.recurring,
            number(recurring),
            MOST_RECURRING,
        ),
    ];
    let too_many = too_many
        .into_iter()
        .find(|(_, kept, new, most)| kept.saturating_add(*new) > *most);
    let Some((what, all, new, most)) = too_many else {
        return Ok(());
    };
    let message = format!(
        "{all} {what} are kept ({} of all holds are released), and with {new} more there would \
         be more than the {most} that may be",
        kept.released
    );
    let code = PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED;
    Err(Error::new(code, message).hint(
        "Hold more with one: a template or an organization instead of its workspaces, a \
         recurrence instead of its days. Released and ended holds are kept for 30 days; a \
         superuser makes room at once with DELETE FROM autobuild_holds_made WHERE released_at < \
         now() - interval '8 days'.",
    ))
}

/// Errors: P0002 the product's tables have no such id.
fn must_be_known(scope: Scope) -> Result<(), Error> {
    let Some(id) = scope.id() else {
        return Ok(());
    };
    let settings = licence::settings()?;
    let product = hold_for_preview(&settings.product_schema)?;
    // An organization is one of a template's or a workspace's.
    let places = match scope {
        Scope::All => vec![],
        Scope::Organization(_) => vec![
            (templates::TABLE, templates::ORGANIZATION_ID),
            (workspaces::TABLE, workspaces::ORGANIZATION_ID),
        ],
        Scope::Template(_) => vec![(templates::TABLE, templates::ID)],
        Scope::Owner(_) => vec![(users::TABLE, users::ID)],
        Scope::Workspace(_) => vec![(workspaces::TABLE, workspaces::ID)],
    };
    let role = executor_role(&product, &settings)?;
    for (table, column) in places {
        let sql = format!(
            "SELECT true FROM {} x WHERE {} OPERATOR(pg_catalog.=) $1 LIMIT 1",
            product.table(table),
            product.read("x", column)
        );
        if acting_as(role, || exists(&sql, vec![Arg::Uuid(id)]))? {
            return Ok(());
        }
    }
    let message = format!("{} {id} does not exist", scope.name());
    let code = PgSqlErrorCode::ERRCODE_NO_DATA_FOUND;
    Err(Error::new(code, message).hint(format!(
        "Give the id of one in schema {}; an organization is known by its templates and \
         workspaces.",
        product.name()
    )))
}

extension_sql_file!(
    "../../sql/holds.sql",
    name = "holds",
    requires = [
        autobuild_hold,
        autobuild_hold_calendar,
        autobuild_release,
        autobuild_hold_times
    ],
);
