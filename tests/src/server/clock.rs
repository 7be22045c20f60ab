//! A server's clock that a test moves, as somebody who sets the machine's would.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::Options;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/clock.c");

/// A clock that goes with the machine's, so many seconds off.
#[derive(Debug)]
pub struct Clock {
    folder: TempDir,
    moved: File,
}

impl Clock {
    /// One that is right. It is compiled by the C compiler that Rust links with.
    #[track_caller]
    pub fn new() -> Clock {
        let folder = TempDir::with_prefix("autobuild-clock-").expect("a temporary folder");
        // The server runs as another user.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("permissions");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(folder.path().join("clock.so"))
            .arg(SOURCE)
            .output()
            .unwrap_or_else(|e| panic!("cc does not run: {e}"));
        assert!(
            compiled.status.success(),
            "{}",
            String::from_utf8_lossy(&compiled.stderr)
        );
        let moved = File::create(folder.path().join("moved")).expect("a file");
        let clock = Clock { folder, moved };
        clock.set(0);
        clock
    }

    /// Options of a server that goes by this clock.
    pub fn of(&self, options: Options) -> Options {
        let [preload, moved] = self.environment();
        options
            .environment(&preload.0, &preload.1)
            .environment(&moved.0, &moved.1)
    }

    /// The same for a server without options.
    pub fn environment(&self) -> [(String, String); 2] {
        [("LD_PRELOAD", "clock.so"), ("CLOCK", "moved")].map(|(name, file)| {
            let path = self.path().join(file).to_string_lossy().into_owned();
            (name.to_owned(), path)
        })
    }

    /// Sets it so many seconds off the machine's.
    #[track_caller]
    pub fn set(&self, seconds: i64) {
        let nanoseconds = seconds * 1_000_000_000;
        self.moved
            .write_all_at(&nanoseconds.to_ne_bytes(), 0)
            .expect("the clock is set");
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}
