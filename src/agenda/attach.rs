//! Putting the capture triggers on the product's tables, and taking them off.
//!
//! The triggers name no column and have no WHEN clause, so the product's own ALTER
//! TABLE never meets them; they depend on the extension, so DROP EXTENSION takes them
//! along; they fire whatever `session_replication_role` says.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use pgrx::PgSqlErrorCode;

use crate::product::schema::{Product, quoted};
use crate::server::error::{Error, check_for_interrupts};
use crate::server::extension::Extension;
use crate::server::query::{Access, Arg, run};
use crate::server::scope::with_settings;
use crate::server::subtransaction::attempt;

use super::capture::{CAPTURED, Captured};

/// The row triggers' name.
const ROW_TRIGGER: &str = "autobuild_capture";
/// The statement triggers' name, for TRUNCATE.
const TRUNCATE_TRIGGER: &str = "autobuild_capture_truncate";
/// How long one try waits for its locks: as long a writer may be held up behind it.
const LOCK_WAIT: &str = "50ms";
/// How long it is tried altogether.
const PATIENCE: Duration = Duration::from_secs(60);

/// The tables of the product's that lack a capture trigger.
pub fn missing_triggers(product: &Product) -> Result<Vec<&'static str>, Error> {
    let mut there: HashSet<(String, String)> = HashSet::new();
    run(
        "SELECT c.relname::pg_catalog.text, t.tgname::pg_catalog.text
           FROM pg_catalog.pg_trigger t
           JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           JOIN pg_catalog.pg_depend d
             ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = t.tgfoid
                AND d.deptype = 'e'
           JOIN pg_catalog.pg_extension e
             ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
                AND d.refobjid = e.oid AND e.extname = 'workspace-autobuild'
          WHERE n.nspname = $1 AND NOT t.tgisinternal AND t.tgenabled <> 'D'",
        Access::Read,
        vec![Arg::Text(Some(product.name()))],
        |row| {
            if let (Some(table), Some(trigger)) = (row.text(0)?, row.text(1)?) {
                there.insert((table, trigger));
            }
            Ok(())
        },
    )?;
    Ok(CAPTURED
        .iter()
        .map(|captured| captured.table)
        .filter(|table| {
            [ROW_TRIGGER, TRUNCATE_TRIGGER]
                .iter()
                .any(|trigger| !there.contains(&((*table).to_owned(), (*trigger).to_owned())))
        })
        .collect())
}

/// Is any capture trigger there?
pub fn is_attached(product: &Product) -> Result<bool, Error> {
    Ok(missing_triggers(product)?.len() < CAPTURED.len())
}

/// Puts the triggers on, as the caller, who must own the tables. 55P03 if the tables'
/// locks are not to be had for a minute.
pub fn attach(extension: &Extension, product: &Product) -> Result<(), Error> {
    let missing = missing_triggers(product)?;
    with_short_waits(|| {
        CAPTURED
            .iter()
            .filter(|captured| missing.contains(&captured.table))
            .try_for_each(|captured| put_on(extension, product, captured))
    })
}

/// Takes the triggers off, as the caller, and empties the agenda.
pub fn detach(extension: &Extension, product: &Product) -> Result<(), Error> {
    with_short_waits(|| {
        for captured in CAPTURED {
            let table = product.table(captured.table);
            for trigger in [ROW_TRIGGER, TRUNCATE_TRIGGER] {
                execute(&format!("DROP TRIGGER IF EXISTS {trigger} ON {table}"))?;
            }
        }
        Ok(())
    })?;
    extension.as_owner(|| {
        execute(&format!(
            "TRUNCATE {}, {}, {}",
            extension.table("autobuild_agenda"),
            extension.table("autobuild_agenda_state"),
            extension.table("autobuild_marks")
        ))
    })
}

/// Does something that locks the product's tables, in short tries: no writer stands
/// behind a try for longer than [`LOCK_WAIT`].
fn with_short_waits(work: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        let tried = attempt(|| with_settings(&[("lock_timeout", LOCK_WAIT)], &work));
        match tried {
            Err(error) if error.is("55P03") && begun.elapsed() < PATIENCE => {
                check_for_interrupts();
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(error) if error.is("55P03") => {
                return Err(Error::new(
                    PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
                    "the product's tables could not be locked for a moment within a minute",
                )
                .detail(error.message)
                .hint("A long transaction uses them; try again when it has ended."));
            }
            other => return other,
        }
    }
}

fn put_on(extension: &Extension, product: &Product, captured: &Captured) -> Result<(), Error> {
    let table = product.table(captured.table);
    let function = extension.table("autobuild_capture");
    let events = captured.events;
    let argument = captured.table;
    let depends = quoted(crate::server::extension::NAME);
    for (trigger, when) in [
        (ROW_TRIGGER, format!("{events} ON {table} FOR EACH ROW")),
        (
            TRUNCATE_TRIGGER,
            format!("TRUNCATE ON {table} FOR EACH STATEMENT"),
        ),
    ] {
        execute(&format!(
            "CREATE OR REPLACE TRIGGER {trigger} AFTER {when} EXECUTE FUNCTION {function}('{argument}')"
        ))?;
        execute(&format!(
            "ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}"
        ))?;
        execute(&format!(
            "ALTER TRIGGER {trigger} ON {table} DEPENDS ON EXTENSION {depends}"
        ))?;
    }
    Ok(())
}

fn execute(statement: &str) -> Result<(), Error> {
    run(statement, Access::Write, vec![], |_| Ok(())).map(drop)
}
