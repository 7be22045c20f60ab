//! Time zones from the server's own database, so that a schedule and `AT TIME ZONE`
//! in SQL can never disagree.
//!
//! The server looks names up in any case and takes POSIX texts such as `EST5` as
//! well; a schedule may only name a zone of the list, spelled exactly.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use pgrx::pg_sys;

use crate::schedule::{Span, Zone, ZoneSource};

/// A zone that the server has loaded. The server keeps it until the process ends.
#[derive(Clone, Copy)]
pub(crate) struct ServerZone(NonNull<pg_sys::pg_tz>);

impl Zone for ServerZone {
    fn span_at(&self, unix_seconds: i64) -> Span {
        let at: pg_sys::pg_time_t = unix_seconds;
        let (mut before, mut after) = (0, 0);
        let (mut before_dst, mut after_dst) = (0, 0);
        let mut boundary: pg_sys::pg_time_t = 0;
        // SAFETY: the zone lives as long as the process; every other pointer is to a
        // local. pg_localtime returns NULL or a buffer that is read at once.
        unsafe {
            let zone = self.0.as_ptr();
            let local = pg_sys::pg_localtime(&at, zone);
            let offset = if local.is_null() {
                0
            } else {
                i32::try_from((*local).tm_gmtoff).unwrap_or(0)
            };
            let found = pg_sys::pg_next_dst_boundary(
                &at,
                &mut before,
                &mut before_dst,
                &mut boundary,
                &mut after,
                &mut after_dst,
                zone,
            );
            Span {
                offset,
                until: (found == 1).then_some(boundary),
            }
        }
    }
}

/// The server's zone list.
#[derive(Default)]
pub(crate) struct ServerZones {
    /// The names of the list that hold a digit, read when the first is asked for:
    /// only those can't be told from a POSIX text.
    with_digits: OnceCell<HashSet<String>>,
}

impl ZoneSource for ServerZones {
    type Zone = ServerZone;

    fn zone(&self, name: &str) -> Option<ServerZone> {
        let has_digit = name.bytes().any(|b| b.is_ascii_digit());
        if has_digit
            && !self
                .with_digits
                .get_or_init(names_with_digits)
                .contains(name)
        {
            return None;
        }
        let text = CString::new(name).ok()?;
        // SAFETY: pg_tzset takes any C string and returns NULL or a zone that it keeps
        // for ever, with its name in the spelling of the list.
        unsafe {
            let zone = NonNull::new(pg_sys::pg_tzset(text.as_ptr()))?;
            let spelled = CStr::from_ptr(pg_sys::pg_get_timezone_name(zone.as_ptr()));
            (spelled == text.as_c_str()).then_some(ServerZone(zone))
        }
    }
}

/// The names of the server's list that hold a digit, such as `Etc/GMT+5`.
fn names_with_digits() -> HashSet<String> {
    let mut names = HashSet::new();
    // SAFETY: the server's own protocol of enumeration; each zone is read before the
    // next is asked for.
    unsafe {
        let list = pg_sys::pg_tzenumerate_start();
        loop {
            let zone = pg_sys::pg_tzenumerate_next(list);
            if zone.is_null() {
                break;
            }
            let name = CStr::from_ptr(pg_sys::pg_get_timezone_name(zone)).to_string_lossy();
            if name.bytes().any(|b| b.is_ascii_digit()) {
                names.insert(name.into_owned());
            }
        }
        pg_sys::pg_tzenumerate_end(list);
    }
    names
}
