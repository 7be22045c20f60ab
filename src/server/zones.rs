//! Time zones from the server's own files, as they are now.
//!
//! The server itself reads a zone once and keeps it, the postmaster's even for processes that
//! begin later. Here each statement looks whether the file is still the one that was read: a
//! schedule follows a new release of the zone data at once, which `AT TIME ZONE` does only in
//! new sessions.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::fs::{self, File};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;
use std::ptr;
use std::rc::Rc;

use pgrx::pg_sys;
use pgrx::pg_sys::submodules::ffi::pg_guard_ffi_boundary;

use crate::schedule::files::{Found, Look, ZoneFiles};
use crate::schedule::lacking::{self, Keeper};
use crate::schedule::{Span, Zone, ZoneSource, iana};

// SAFETY: declared as in the server's src/timezone/pgtz.h, the same in every version that we
// build for; pgrx doesn't bind it. It may raise, so it is called through pgrx's boundary.
unsafe extern "C-unwind" {
    fn pg_open_tzfile(name: *const c_char, canonname: *mut c_char) -> i32;
}

/// What the server may write as a name, with its end.
const LONGEST_NAME: usize = 256;

/// The folder of zone files that the server was built for.
struct ServerFiles;

impl ZoneFiles for ServerFiles {
    fn open(&self, name: &str) -> Option<File> {
        let text = CString::new(name).ok()?;
        let mut spelled: [c_char; LONGEST_NAME] = [0; LONGEST_NAME];
        // To ask how a name is spelled has the server read whole folders.
        let is_known = iana::is_name(name);
        let canonical = if is_known {
            ptr::null_mut()
        } else {
            spelled.as_mut_ptr()
        };
        // SAFETY: opens a file below that folder; the buffer is as long as the server takes
        // it to be. The descriptor is nobody else's.
        let file = unsafe {
            let fd = pg_guard_ffi_boundary(|| pg_open_tzfile(text.as_ptr(), canonical));
            (fd >= 0).then(|| File::from(OwnedFd::from_raw_fd(fd)))
        };
        // SAFETY: the server ended the text, or left the buffer as it was, all zeros.
        let exact = is_known || unsafe { CStr::from_ptr(spelled.as_ptr()) } == text.as_c_str();
        file.filter(|_| exact)
    }
}

/// A zone, as it was when its files were last looked at.
#[derive(Clone)]
pub(crate) struct ServerZone(Rc<Held>);

struct Held {
    name: Box<str>,
    found: Found,
    print: i64,
    /// The statement that last found the files unchanged.
    checked: Cell<i64>,
}

impl Zone for ServerZone {
    fn span_at(&self, unix_seconds: i64) -> Span {
        self.0.found.zone.span_at(unix_seconds)
    }

    fn since(&self, unix_seconds: i64) -> Option<i64> {
        self.0.found.zone.since(unix_seconds)
    }
}

thread_local! {
    /// The zones that this process has read: no more than there are files and names.
    static HELD: RefCell<HashMap<Box<str>, ServerZone>> = RefCell::default();
}

/// The server's zones, and those that it lacks.
pub(crate) struct ServerZones;

impl ZoneSource for ServerZones {
    type Zone = ServerZone;

    fn zone(&self, name: &str) -> Option<ServerZone> {
        let now = statement();
        let held = HELD.with_borrow(|held| held.get(name).cloned());
        if let Some(zone) = &held
            && zone.0.checked.get() == now
        {
            return held;
        }
        let look = Look::new(name, &ServerFiles);
        let print = look.print();
        if let Some(zone) = &held
            && zone.0.print == print
        {
            zone.0.checked.set(now);
            return held;
        }
        let zone = look.read().map(|found| {
            ServerZone(Rc::new(Held {
                name: name.into(),
                found,
                print,
                checked: Cell::new(now),
            }))
        });
        HELD.with_borrow_mut(|held| match &zone {
            Some(zone) => held.insert(name.into(), zone.clone()),
            None => held.remove(name),
        });
        zone
    }

    fn is_current(&self, zone: &ServerZone) -> bool {
        zone.0.checked.get() == statement()
            || self
                .zone(&zone.0.name)
                .is_some_and(|now| Rc::ptr_eq(&now.0, &zone.0))
    }
}

/// The statement that this process is at, by the time at which it began; in a worker the
/// transaction.
fn statement() -> i64 {
    // SAFETY: reads a variable of this process.
    unsafe { pg_sys::GetCurrentStatementStartTimestamp() }
}

/// The zones that this statement has used so far, each with the print of its files.
pub(crate) fn used() -> Vec<(Box<str>, i64)> {
    let now = statement();
    HELD.with_borrow(|held| {
        held.values()
            .filter(|zone| zone.0.checked.get() == now)
            .map(|zone| (zone.0.name.clone(), zone.0.print))
            .collect()
    })
}

/// The print of a zone's files as they are now.
pub(crate) fn print(name: &str) -> i64 {
    Look::new(name, &ServerFiles).print()
}

/// What is wrong with the files of zones, by their names, and what to do about it.
pub(crate) fn problem<'a>(names: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let zones: Vec<ServerZone> = names
        .into_iter()
        .filter_map(|name| ServerZones.zone(name))
        .collect();
    let found = zones.iter().map(|zone| (&*zone.0.name, &zone.0.found));
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    lacking::problem(found, &keeper(), &system)
}

/// A server that was not built for the system's zone files has a folder of its own.
fn keeper() -> Keeper {
    let mut share: [c_char; pg_sys::MAXPGPATH as usize] = [0; pg_sys::MAXPGPATH as usize];
    // SAFETY: writes a path with its end into a buffer of the size that the server takes it
    // to have, from another that is set when a process begins.
    let share = unsafe {
        pg_sys::get_share_path((&raw const pg_sys::my_exec_path).cast(), share.as_mut_ptr());
        CStr::from_ptr(share.as_ptr()).to_string_lossy()
    };
    let folder = format!("{share}/timezone");
    if Path::new(&folder).is_dir() {
        Keeper::Server(folder)
    } else {
        Keeper::System
    }
}
