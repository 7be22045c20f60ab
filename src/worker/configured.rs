//! The settings with which a tick worker would begin in this database now, as a session
//! can know them, whatever it has set for itself or came in with.
//!
//! A worker connects as the bootstrap superuser. It has what is set for that role and for
//! the database, which stands in a catalog, and else what the server's configuration says,
//! which a session that has something else does not know: the launcher publishes it.

use pgrx::pg_sys;

use crate::server::error::Error;
use crate::server::extension::Extension;
use crate::server::guc;
use crate::server::query::{Access, Arg, for_each_row};
use crate::settings::{self, OF_A_SESSION, Settings};

use super::region::{self, Region};
use super::state::CONFIGURED;

// The shared state has room for each of them.
const _: () = assert!(OF_A_SESSION.len() == CONFIGURED);

/// Makes this process's settings known as those of the configuration. For the launcher.
pub(crate) fn publish(region: Region) {
    let values = OF_A_SESSION.map(|name| guc::setting(name).unwrap_or_default());
    region.with(|state| {
        state.configured.set(values.iter().map(String::as_str));
    });
}

/// The worker's settings. Where no launcher ever was (no preload, a standby) the session's
/// own stand for the configuration's, without what it SET.
pub(crate) fn workers_settings(extension: &Extension) -> Result<Settings, Error> {
    let published = region::visit(|region| region.with(|state| state.configured))?;
    let values = published
        .and_then(|configured| configured.get())
        .unwrap_or_else(|| {
            let own = OF_A_SESSION.iter();
            own.map(|name| guc::setting_after_reset(name).unwrap_or_default())
                .collect()
        });
    let mut settings: Vec<_> = OF_A_SESSION.into_iter().zip(values).collect();
    settings.extend(extension.as_owner(of_database_and_role)?);
    Ok(guc::with_settings_as_given(&settings, settings::read))
}

/// What ALTER DATABASE and ALTER ROLE say that counts for a worker here; what wins stands
/// last.
fn of_database_and_role() -> Result<Vec<(&'static str, String)>, Error> {
    let mut settings = Vec::new();
    for_each_row(
        "SELECT o.setting FROM pg_catalog.pg_db_role_setting s, \
         ROWS FROM (pg_catalog.unnest(s.setconfig)) AS o(setting) \
         WHERE (s.setdatabase OPERATOR(pg_catalog.=) CAST(0 AS pg_catalog.oid) \
                OR s.setdatabase OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid)) \
         AND (s.setrole OPERATOR(pg_catalog.=) CAST(0 AS pg_catalog.oid) \
              OR s.setrole OPERATOR(pg_catalog.=) CAST($2 AS pg_catalog.oid)) \
         ORDER BY s.setrole USING OPERATOR(pg_catalog.<), \
                  s.setdatabase USING OPERATOR(pg_catalog.<)",
        Access::Read,
        vec![
            Arg::BigInt(Some(i64::from(region::this_database()))),
            Arg::BigInt(Some(i64::from(pg_sys::BOOTSTRAP_SUPERUSERID))),
        ],
        |row| {
            let text = row.text(0)?.unwrap_or_default();
            let setting = text.split_once('=').and_then(|(name, value)| {
                let known = OF_A_SESSION
                    .into_iter()
                    .find(|known| known.eq_ignore_ascii_case(name))?;
                Some((known, value.to_owned()))
            });
            settings.extend(setting);
            Ok(())
        },
    )?;
    Ok(settings)
}
