//! Where the shared state lies: the server's shared memory when the library is
//! preloaded, else a dynamic segment of the launcher that a session started.
//!
//! The state is only touched under its lock, by code that calls nothing of the server's
//! (an ERROR would leave the lock held until the transaction ends).

use std::mem::size_of;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, Ordering};

use pgrx::pg_sys::submodules::ffi::pg_guard_ffi_boundary;
use pgrx::{pg_guard, pg_sys};

use crate::server::error::Error;
use crate::server::query::{Arg, fetch_one};

use super::roster::Database;
use super::state::State;

/// Marks a segment as ours and of this build's layout.
const MAGIC: u64 = 0x5741_4255_0000_0000 + size_of::<State>() as u64;
/// The class of our locks: the second field of their tags.
const LOCK_CLASS: u32 = 0x5741_4255;
/// Held by the one started launcher of a database.
const LOCK_ONE: u16 = 1;
/// Held by it as well; its third field is the number of its segment.
const LOCK_SEGMENT: u16 = 2;
/// The lock's name in `pg_stat_activity.wait_event`, and the memory's in
/// `pg_shmem_allocations`.
const NAME: &std::ffi::CStr = c"workspace_autobuild";

#[repr(C)]
struct Segment {
    magic: u64,
    tranche: i32,
    lock: pg_sys::LWLock,
    state: State,
}

static PRELOADED: AtomicPtr<Segment> = AtomicPtr::new(std::ptr::null_mut());

/// The shared state's place, which lives as long as this process is attached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region(NonNull<Segment>);

impl Region {
    /// Works on the state, under its lock.
    pub(crate) fn with<R>(self, work: impl FnOnce(&mut State) -> R) -> R {
        /// Gives the lock back, also while a Rust panic unwinds.
        struct Release(*mut pg_sys::LWLock);
        impl Drop for Release {
            fn drop(&mut self) {
                // SAFETY: taken below by this process.
                unsafe { pg_sys::LWLockRelease(self.0) };
            }
        }

        // SAFETY: the segment is mapped and initialized (the creator of a
        // Region ensures it); the lock makes this the only reference to the state.
        unsafe {
            let segment = self.0.as_ptr();
            let lock = &raw mut (*segment).lock;
            pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
            let _release = Release(lock);
            work(&mut (*segment).state)
        }
    }

    /// Makes fresh memory an empty state.
    ///
    /// # Safety
    /// `memory` has room for a segment, is aligned, and nobody else uses it yet.
    unsafe fn initialize(memory: *mut Segment) {
        // SAFETY: see above; all bytes zero is the empty state.
        unsafe {
            std::ptr::write_bytes(memory, 0, 1);
            (*memory).tranche = pg_sys::LWLockNewTrancheId();
            pg_sys::LWLockInitialize(&raw mut (*memory).lock, (*memory).tranche);
            (*memory).magic = MAGIC;
        }
    }

    /// Takes up a segment that was initialized by this or another process.
    ///
    /// # Safety
    /// `memory` is a mapped segment of ours.
    unsafe fn take_up(memory: *mut Segment) -> Option<Region> {
        let segment = NonNull::new(memory)?;
        // SAFETY: see above; the name is constant, so it outlives the registration.
        unsafe {
            if (*memory).magic != MAGIC {
                return None;
            }
            pg_sys::LWLockRegisterTranche((*memory).tranche, NAME.as_ptr());
        }
        Some(Region(segment))
    }
}

/// The preloaded region, if the library was preloaded.
pub(crate) fn preloaded() -> Option<Region> {
    NonNull::new(PRELOADED.load(Ordering::Relaxed)).map(Region)
}

static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

/// Asks for shared memory; called while the library is preloaded.
pub(crate) fn request() {
    // SAFETY: the postmaster loads libraries one by one, before there is any other
    // process or thread; the hooks of those loaded before are kept and called.
    unsafe {
        PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(on_request);
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(on_startup);
    }
}

#[pg_guard]
extern "C-unwind" fn on_request() {
    // SAFETY: called by the server at its time for such requests.
    unsafe {
        if let Some(previous) = PREVIOUS_REQUEST {
            pg_guard_ffi_boundary(|| previous());
        }
        pg_sys::RequestAddinShmemSpace(size_of::<Segment>());
    }
}

#[pg_guard]
extern "C-unwind" fn on_startup() {
    // SAFETY: called by the server when shared memory is there, in the postmaster, at
    // the start and after a crash: nobody else is attached, so no lock is needed.
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP {
            pg_guard_ffi_boundary(|| previous());
        }
        let mut found = false;
        let memory = pg_sys::ShmemInitStruct(NAME.as_ptr(), size_of::<Segment>(), &mut found)
            .cast::<Segment>();
        if !found {
            Region::initialize(memory);
        }
        pg_sys::LWLockRegisterTranche((*memory).tranche, NAME.as_ptr());
        PRELOADED.store(memory, Ordering::Relaxed);
    }
}

/// Becomes the one started launcher of a database: makes its segment, and returns it
/// with its number. `None` if there is one already.
pub(crate) fn found(database: Database) -> Option<(Region, u32)> {
    // SAFETY: session-level locks need no transaction; without a resource owner (there
    // is none outside of transactions) the segment lives as long as the process.
    unsafe {
        if !try_lock(tag(database, 0, LOCK_ONE)) {
            return None;
        }
        let segment = pg_sys::dsm_create(size_of::<Segment>(), 0);
        let memory = pg_sys::dsm_segment_address(segment).cast::<Segment>();
        Region::initialize(memory);
        let number = pg_sys::dsm_segment_handle(segment);
        try_lock(tag(database, number, LOCK_SEGMENT));
        Region::take_up(memory).map(|region| (region, number))
    }
}

/// Attaches to the segment of a started launcher for the life of this process.
pub(crate) fn attach(number: u32) -> Option<Region> {
    // SAFETY: as in `found`: outside of a transaction nobody detaches it.
    unsafe {
        let segment = pg_sys::dsm_attach(number);
        if segment.is_null() {
            return None;
        }
        Region::take_up(pg_sys::dsm_segment_address(segment).cast())
    }
}

/// A session looks at the state: the preloaded one, or that of this database's started
/// launcher. `None` if there is neither.
pub(crate) fn visit<R>(work: impl FnOnce(Region) -> R) -> Result<Option<R>, Error> {
    if let Some(region) = preloaded() {
        return Ok(Some(work(region)));
    }
    let number = fetch_one(
        "SELECT l.objid FROM pg_catalog.pg_locks l \
         WHERE l.locktype OPERATOR(pg_catalog.=) 'userlock' AND l.granted \
         AND l.database OPERATOR(pg_catalog.=) CAST($1 AS pg_catalog.oid) \
         AND l.classid OPERATOR(pg_catalog.=) CAST($2 AS pg_catalog.oid) \
         AND l.objsubid OPERATOR(pg_catalog.=) 2",
        vec![
            Arg::BigInt(Some(i64::from(this_database()))),
            Arg::BigInt(Some(i64::from(LOCK_CLASS))),
        ],
        |row| row.oid(0),
    )?
    .flatten();
    let Some(number) = number else {
        return Ok(None);
    };
    // SAFETY: attached and detached here; an ERROR in between detaches it through the
    // transaction's resource owner. A segment that is gone gives NULL.
    unsafe {
        let segment = pg_sys::dsm_attach(number.to_u32());
        if segment.is_null() {
            return Ok(None);
        }
        let region = Region::take_up(pg_sys::dsm_segment_address(segment).cast());
        let result = region.map(work);
        pg_sys::dsm_detach(segment);
        Ok(result)
    }
}

/// The database that this process is connected to; 0 for none.
pub(crate) fn this_database() -> Database {
    // SAFETY: reads a variable of the process.
    unsafe { pg_sys::MyDatabaseId }.to_u32()
}

/// The tag of one of our locks, of a class that no SQL function can lock.
fn tag(database: Database, number: u32, which: u16) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        locktag_field1: database,
        locktag_field2: LOCK_CLASS,
        locktag_field3: number,
        locktag_field4: which,
        locktag_type: pg_sys::LockTagType::LOCKTAG_USERLOCK as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}

/// Takes a lock for the life of this process, if nobody holds it.
///
/// # Safety
/// The process has its place in shared memory.
unsafe fn try_lock(tag: pg_sys::LOCKTAG) -> bool {
    // SAFETY: see above; a session-level lock needs no transaction.
    unsafe {
        pg_sys::LockAcquire(&tag, pg_sys::ExclusiveLock as i32, true, true)
            != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
    }
}
