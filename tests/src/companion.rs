//! A program that runs beside a test.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;

/// It is killed when this is dropped.
#[derive(Debug)]
pub struct Companion(Child);

impl Companion {
    /// Starts it; what it says is added to a file.
    #[track_caller]
    pub fn start(command: &mut Command, log: &Path) -> Companion {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .unwrap_or_else(|e| panic!("{}: {e}", log.display()));
        let same = file.try_clone().unwrap_or_else(|e| panic!("{e}"));
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(same)
            // Ctrl-C in a terminal is the test's, not the program's.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?} does not run: {e}"));
        Companion(child)
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
