//! A full disk: data and WAL on a tmpfs, for root.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::storm::{Storm, options, settle, spells};

/// A small disk, until it is dropped.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// None for somebody who may not mount.
    fn new(megabytes: u32) -> Option<Disk> {
        let folder = TempDir::with_prefix("autobuild-disk-").expect("a temporary folder");
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={megabytes}m,mode=755"),
                "tmpfs",
            ])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Disk { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes until there is no room.
    fn fill(&self) {
        for size in ["bs=64k", "bs=1k"] {
            let _ = Command::new("dd")
                .args(["if=/dev/zero", size, "oflag=append", "conv=notrunc"])
                .arg(format!("of={}", self.filler().display()))
                .output();
        }
    }

    fn free(&self) {
        let _ = fs::remove_file(self.filler());
    }

    fn filler(&self) -> std::path::PathBuf {
        self.path().join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

#[test]
fn a_full_disk() {
    let Some(disk) = Disk::new(400) else {
        println!("skipped: a full disk needs a tmpfs, which only root may mount");
        return;
    };
    for rounds in spells() {
        let server = options()
            .within(disk.path())
            .set("max_wal_size", "80MB")
            .set("min_wal_size", "32MB")
            .start();
        let mut storm = Storm::on(server);
        storm.suffer(
            rounds,
            &[("a full disk", &|storm| {
                settle(&storm.product);
                storm.check(&storm.product);
                storm.gather();
                disk.fill();
                storm.release();
                thread::sleep(Duration::from_millis(storm.random.u64(500..4000)));
                disk.free();
                // Without room for WAL the server itself may have ended.
                thread::sleep(Duration::from_millis(200));
                if storm.server.has_ended() {
                    println!("the server had ended");
                    storm.server.start();
                }
            })],
        );
        let full = "No space left on device";
        let told = storm
            .server
            .log()
            .lines()
            .filter(|line| line.contains(full))
            .count();
        println!("{told} lines of the log: {full}");
    }
}
