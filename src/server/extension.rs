//! The extension as this database has it: its schema, its owner, its tables.

use std::cell::{OnceCell, RefCell};
use std::ffi::CStr;
use std::rc::Rc;

use pgrx::{PgSqlErrorCode, pg_sys};

use super::catalog;
use super::error::Error;
use super::identity::acting_as;
use super::query::{Access, Row, for_each_row};
use super::transaction::with_latest_catalog;

/// The extension's name.
pub(crate) const NAME: &str = "workspace-autobuild";

/// The version of the library, and of the catalog that it works with.
const LIBRARY_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The extension as it is installed in this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    /// Its row of pg_extension.
    pub oid: pg_sys::Oid,
    /// Its schema, quoted for SQL.
    pub schema: String,
    /// Its owner, who owns its tables as well.
    pub owner: pg_sys::Oid,
    /// Its version.
    pub version: String,
    /// The table whose lock the one executor of this database holds.
    pub executor_lock: pg_sys::Oid,
}

impl Extension {
    /// Looks it up; `None` where this database does not have it.
    pub(crate) fn find() -> Result<Option<Extension>, Error> {
        let mut found = None;
        for_each_row(
            // Also run for the capture trigger, in sessions that look for operators
            // where they like: whom this takes for the extension's owner, it acts as.
            "SELECT pg_catalog.quote_ident(n.nspname), e.extowner, e.extversion, c.oid, e.oid
               FROM pg_catalog.pg_extension e
               JOIN pg_catalog.pg_namespace n
                 ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
               JOIN pg_catalog.pg_class c
                 ON c.relnamespace OPERATOR(pg_catalog.=) n.oid
                AND c.relname OPERATOR(pg_catalog.=) 'autobuild_executor_lock'
              WHERE e.extname OPERATOR(pg_catalog.=) 'workspace-autobuild'",
            Access::Read,
            vec![],
            |row| {
                found = Some(Extension {
                    oid: Row::required(row.oid(4)?, "the extension")?,
                    schema: row.text(0)?.unwrap_or_default(),
                    owner: Row::required(row.oid(1)?, "the extension's owner")?,
                    version: row.text(2)?.unwrap_or_default(),
                    executor_lock: Row::required(row.oid(3)?, "the executor's lock")?,
                });
                Ok(())
            },
        )?;
        Ok(found)
    }

    /// Looks it up once until the catalog changes, for what reads its tables; `None` as well
    /// where its catalog is of another version than the library. (Its version may change and
    /// nothing else, so that nothing is heard of it: another version is not remembered.)
    pub(crate) fn known() -> Result<Option<Rc<Extension>>, Error> {
        thread_local! {
            static KNOWN: RefCell<Option<(u64, Rc<Extension>)>> = const { RefCell::new(None) };
        }
        let generation = catalog::generation();
        let known = KNOWN.with_borrow(|known| {
            let (at, extension) = known.as_ref()?;
            (*at == generation).then(|| Rc::clone(extension))
        });
        if known.is_some() {
            return Ok(known);
        }
        let found = with_latest_catalog(Extension::find)?
            .filter(Extension::is_current)
            .map(Rc::new);
        KNOWN.set(found.clone().map(|extension| (generation, extension)));
        Ok(found)
    }

    /// Looks it up; an error where this database does not have it.
    pub(crate) fn get() -> Result<Extension, Error> {
        Extension::find()?.ok_or_else(|| {
            Error::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
                format!("this database does not have the extension {NAME}"),
            )
            .hint(format!("CREATE EXTENSION \"{NAME}\";"))
        })
    }

    /// As [`Extension::known`], of any version; an error where this database does not have it.
    pub(crate) fn to_read() -> Result<Rc<Extension>, Error> {
        match Extension::known()? {
            Some(known) => Ok(known),
            None => Extension::get().map(Rc::new),
        }
    }

    /// Looks it up where it is to be written to; an error, too, where its tables are of
    /// another version than the library.
    pub(crate) fn current() -> Result<Extension, Error> {
        let extension = Extension::get()?;
        extension.must_be_current()?;
        Ok(extension)
    }

    /// Is the catalog of the library's version? Between the restart with a new library and
    /// ALTER EXTENSION it is not.
    pub(crate) fn is_current(&self) -> bool {
        self.version == LIBRARY_VERSION
    }

    /// Errors: 55000 the catalog is of another version than the library, which then leaves
    /// its tables alone.
    pub(crate) fn must_be_current(&self) -> Result<(), Error> {
        if self.is_current() {
            return Ok(());
        }
        Err(Error::new(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!(
                "no ticks are made: this database has version {} of {NAME}, but the library has \
                version {LIBRARY_VERSION}",
                self.version
            ),
        )
        .hint(format!("ALTER EXTENSION \"{NAME}\" UPDATE;")))
    }

    /// One of its tables, with its schema, for SQL.
    pub(crate) fn table(&self, table: &str) -> String {
        format!("{}.{table}", self.schema)
    }

    /// The oid of one of its tables or sequences.
    pub(crate) fn relation(&self, name: &CStr) -> Option<pg_sys::Oid> {
        // SAFETY: catalog look-ups inside a transaction, by an oid and a C string; for one
        // that is not there the server returns the invalid oid.
        let found = unsafe {
            pg_sys::get_relname_relid(name.as_ptr(), pg_sys::get_rel_namespace(self.executor_lock))
        };
        (found != pg_sys::InvalidOid).then_some(found)
    }

    /// Runs something as the extension's owner. The extension's own tables are written so,
    /// whatever the caller's role, and never while acting as the product's role.
    pub(crate) fn as_owner<R>(&self, work: impl FnOnce() -> R) -> R {
        acting_as(self.owner, work)
    }

    /// Dropping the extension will drop this trigger, as after ALTER TRIGGER ... DEPENDS ON
    /// EXTENSION, which would lock out readers too. The caller owns the trigger's table.
    pub(crate) fn take_along(&self, trigger: pg_sys::Oid) {
        let object = |class, oid| pg_sys::ObjectAddress {
            classId: class,
            objectId: oid,
            objectSubId: 0,
        };
        let trigger = object(pg_sys::TriggerRelationId, trigger);
        let extension = object(pg_sys::ExtensionRelationId, self.oid);
        // SAFETY: both addresses live through the calls, which write to pg_depend inside the
        // current transaction; removing it first keeps a repeated attach from adding it twice.
        unsafe {
            pg_sys::deleteDependencyRecordsForSpecific(
                trigger.classId,
                trigger.objectId,
                pg_sys::DependencyType::DEPENDENCY_AUTO_EXTENSION as std::ffi::c_char,
                extension.classId,
                extension.objectId,
            );
            pg_sys::recordDependencyOn(
                &trigger,
                &extension,
                pg_sys::DependencyType::DEPENDENCY_AUTO_EXTENSION,
            );
            pg_sys::CommandCounterIncrement();
        }
    }
}

/// The name of the database that this process is connected to, which can't change while
/// it is. Outside of a transaction it is known if it was asked for in one before.
pub(crate) fn database() -> String {
    thread_local! {
        static NAME: OnceCell<String> = const { OnceCell::new() };
    }
    NAME.with(|name| match name.get() {
        Some(name) => name.clone(),
        None => {
            let found = look_up_database();
            found.map_or_else(String::new, |found| name.get_or_init(|| found).clone())
        }
    })
}

fn look_up_database() -> Option<String> {
    // SAFETY: reads variables of the process.
    let (inside, oid) = unsafe { (pg_sys::IsTransactionState(), pg_sys::MyDatabaseId) };
    if inside { name_of(oid) } else { None }
}

/// The name of a database, if there is such a one. Inside a transaction.
pub(crate) fn database_name(database: u32) -> Option<String> {
    name_of(pg_sys::Oid::from(database))
}

fn name_of(database: pg_sys::Oid) -> Option<String> {
    // SAFETY: a catalog look-up inside a transaction; the name is palloc'd, or NULL if
    // the database is gone.
    unsafe {
        let name = pg_sys::get_database_name(database);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}
