//! Putting the capture triggers on the product's tables, and taking them off.
//!
//! The triggers name no column and have no WHEN clause, so the product's own ALTER
//! TABLE never meets them; they depend on the extension, so DROP EXTENSION takes them
//! along; they fire whatever `session_replication_role` says.

use std::time::{Duration, Instant};

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::product::schema::{Product, quoted};
use crate::server::error::{Error, check_for_interrupts};
use crate::server::extension::Extension;
use crate::server::guc::with_settings;
use crate::server::identity::{current_user, role_name};
use crate::server::query::{Access, Arg, Row, execute, exists, for_each_row};
use crate::server::subtransaction::in_subtransaction;

use super::capture::{CAPTURED, Captured};
use super::state::{self, State};
use super::triggers::{ROW_TRIGGER, TRUNCATE_TRIGGER, Triggers};

/// How long one try waits for the lock of one table: as long a writer may be held up.
pub(crate) const LOCK_WAIT: &str = "20ms";
/// How long writers are let through between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// How long it is tried altogether.
const PATIENCE: Duration = Duration::from_secs(60);

/// Puts the triggers on, as the caller, who must own the tables. Returns false if all
/// were there. 55P03 if the tables' locks are not to be had for a minute.
pub(crate) fn attach(extension: &Extension, product: &Product) -> Result<bool, Error> {
    let missing = Triggers::find(product)?.missing;
    if missing.is_empty() {
        return Ok(false);
    }
    let captured: Vec<&Captured> = CAPTURED
        .iter()
        .filter(|captured| missing.contains(&captured.table))
        .collect();
    let caller = current_user();
    let granted = extension.as_owner(|| grant_capture(extension, caller))?;
    with_short_waits(|| {
        // All locks first, so that none is waited for while triggers are made. Whoever
        // reads is not held up, nor does a reader (a dump) hold up us.
        for captured in &captured {
            let table = product.table(captured.table);
            command(&format!("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"))?;
        }
        captured
            .iter()
            .try_for_each(|captured| put_on(extension, product, captured))
    })?;
    if let Some(to) = granted {
        extension.as_owner(|| revoke_capture(extension, &to))?;
    }
    Ok(true)
}

/// Takes the triggers off, as the caller, and empties the agenda. Returns false if there
/// was none.
pub(crate) fn detach(extension: &Extension, product: &Product) -> Result<bool, Error> {
    if !Triggers::find(product)?.any && State::read(extension, Access::Read)?.is_none() {
        return Ok(false);
    }
    with_short_waits(|| {
        // Our tables first: a reader may keep them for hours, and nothing of the
        // product's is held while it is waited for.
        state::give_up(extension)?;
        for captured in CAPTURED {
            let table = product.table(captured.table);
            for trigger in [ROW_TRIGGER, TRUNCATE_TRIGGER] {
                command(&format!("DROP TRIGGER IF EXISTS {trigger} ON {table}"))?;
            }
        }
        Ok(())
    })?;
    Ok(true)
}

/// Does something that locks tables which the product writes (marks are written by its own
/// statements), in short tries: no writer stands behind a try for longer than [`LOCK_WAIT`]
/// on each table.
fn with_short_waits(work: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
    let begun = Instant::now();
    let settings = [
        ("lock_timeout", LOCK_WAIT),
        ("client_min_messages", "warning"),
    ];
    loop {
        let tried = in_subtransaction(|| with_settings(&settings, &work));
        match tried {
            Err(error) if error.sqlstate().is_locked() && begun.elapsed() < PATIENCE => {
                check_for_interrupts();
                std::thread::sleep(PAUSE);
            }
            Err(error) if error.sqlstate().is_locked() => {
                return Err(Error::new(
                    PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
                    "the product's tables and the agenda's could not be locked for a moment \
                     within a minute",
                )
                .detail(error.message)
                .hint(
                    "A long transaction uses one of these tables; try again when it has ended.",
                ));
            }
            other => return other,
        }
    }
}

/// Whoever may attach may name the trigger function in CREATE TRIGGER, as long as attaching
/// lasts: triggers that are there ask for no right. Returns the role, quoted, if it had to
/// be granted.
fn grant_capture(extension: &Extension, caller: pg_sys::Oid) -> Result<Option<String>, Error> {
    let function = format!("{}()", extension.table("autobuild_capture"));
    let name = role_name(caller).unwrap_or_default();
    let may = exists(
        "SELECT true WHERE pg_catalog.has_function_privilege($1, $2, 'EXECUTE')",
        vec![Arg::Text(Some(&name)), Arg::Text(Some(&function))],
    )?;
    if may {
        return Ok(None);
    }
    let name = quoted(&name);
    command(&format!("GRANT EXECUTE ON FUNCTION {function} TO {name}"))?;
    Ok(Some(name))
}

fn revoke_capture(extension: &Extension, from: &str) -> Result<(), Error> {
    let function = extension.table("autobuild_capture");
    command(&format!(
        "REVOKE EXECUTE ON FUNCTION {function}() FROM {from}"
    ))
}

fn put_on(extension: &Extension, product: &Product, captured: &Captured) -> Result<(), Error> {
    let table = product.table(captured.table);
    let function = extension.table("autobuild_capture");
    let events = captured.events;
    let argument = captured.table;
    for (trigger, when) in [
        (ROW_TRIGGER, format!("{events} ON {table} FOR EACH ROW")),
        (
            TRUNCATE_TRIGGER,
            format!("TRUNCATE ON {table} FOR EACH STATEMENT"),
        ),
    ] {
        command(&format!(
            "CREATE OR REPLACE TRIGGER {trigger} AFTER {when} EXECUTE FUNCTION {function}('{argument}')"
        ))?;
        command(&format!(
            "ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}"
        ))?;
        let mut oid = None;
        for_each_row(
            "SELECT t.oid FROM pg_catalog.pg_trigger t
              WHERE t.tgrelid = $1::pg_catalog.regclass AND t.tgname = $2",
            Access::ReadOwn,
            vec![Arg::Text(Some(&table)), Arg::Text(Some(trigger))],
            |row| {
                oid = row.oid(0)?;
                Ok(())
            },
        )?;
        extension.take_along(Row::required(oid, "the trigger")?);
    }
    Ok(())
}

fn command(statement: &str) -> Result<(), Error> {
    execute(statement, vec![]).map(drop)
}
