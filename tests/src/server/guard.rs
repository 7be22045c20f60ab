//! The end of a server, or of the servers in one folder, however their test ends.
//!
//! A guard is a small shell process that waits on a pipe whose other end only the
//! test process holds. When that end closes (the test dropped its server, panicked,
//! or was killed), the guard ends the servers and removes the folder.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// `$1` is the folder; each server in it has a folder of data there. A line on the pipe,
/// instead of its end, dismisses. A process is only taken for a server while it works in
/// that server's folder: its number may have gone to another one, and a dead one may wait
/// to be collected.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
read -r word && exit 0
lives() { [ "$(readlink "/proc/$pid/cwd")" = "${file%/*}" ]; }
for file in "$1"/*/postmaster.pid; do
    if read -r pid < "$file"; then
        lives && kill -QUIT "$pid"
        while lives; do sleep 0.05; done
    fi
done 2>/dev/null
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"#;

/// The process that cleans up after the servers of one folder.
#[derive(Debug)]
pub(super) struct Guard {
    process: Child,
}

impl Guard {
    /// Starts the guard over the servers in `folder`. It runs as whoever the test runs
    /// as: that user may end the server and remove the folder.
    pub(super) fn over(folder: &Path) -> Guard {
        let process = Command::new("sh")
            .args(["-c", SCRIPT, "guard"])
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("sh does not run: {e}"));
        Guard { process }
    }

    /// Ends the guard without cleaning up.
    pub(super) fn dismiss(mut self) {
        if let Some(mut pipe) = self.process.stdin.take() {
            let _ = pipe.write_all(b"dismissed\n");
        }
        let _ = self.process.wait();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closing the pipe is the sign; `wait` makes "dropped" mean "cleaned up".
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
