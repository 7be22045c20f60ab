//! Which PostgreSQL the tests run on, and as whom.
//!
//! `PG_CONFIG` names it; else it is Debian's PostgreSQL 15. PostgreSQL refuses to run
//! as root, so for root its programs run as the user `postgres`, else as oneself.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

/// Where Debian keeps PostgreSQL 15's programs.
const DEBIAN: &str = "/usr/lib/postgresql/15/bin";
/// Whom root runs the server as.
const SERVER_USER: &str = "postgres";

/// An installed PostgreSQL.
#[derive(Clone, Debug)]
pub struct Installation {
    bin: PathBuf,
    /// Whom to become, for root.
    user: Option<User>,
}

#[derive(Clone, Debug)]
struct User {
    uid: u32,
    gid: u32,
}

impl Installation {
    /// The one that `PG_CONFIG` names, else Debian's PostgreSQL 15.
    pub fn find() -> Installation {
        match std::env::var("PG_CONFIG") {
            Ok(pg_config) => Installation::of(&pg_config),
            Err(_) => Installation::at(PathBuf::from(DEBIAN)),
        }
    }

    /// The one that a `pg_config` belongs to.
    pub fn of(pg_config: &str) -> Installation {
        Installation::at(PathBuf::from(pg_config_says(pg_config, "--bindir")))
    }

    fn at(bin: PathBuf) -> Installation {
        assert!(
            bin.join("initdb").exists(),
            "no PostgreSQL in {}: run `make setup`, or set PG_CONFIG",
            bin.display()
        );
        let user = geteuid().is_root().then(|| User {
            uid: id("-u"),
            gid: id("-g"),
        });
        Installation { bin, user }
    }

    /// Its major version.
    pub fn major(&self) -> u32 {
        let version = text_of(Command::new(self.bin.join("pg_config")).arg("--version"));
        let number = version.trim_start_matches(|c: char| !c.is_ascii_digit());
        number
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .and_then(|major| major.parse().ok())
            .unwrap_or_else(|| panic!("no version: {version}"))
    }

    /// The folder of its programs.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The same with its programs in another folder.
    pub(super) fn with_bin(&self, bin: PathBuf) -> Installation {
        Installation {
            bin,
            user: self.user.clone(),
        }
    }

    /// The folder of what doesn't depend on the machine.
    pub fn share_dir(&self) -> PathBuf {
        let pg_config = self.bin.join("pg_config");
        PathBuf::from(pg_config_says(&pg_config.to_string_lossy(), "--sharedir"))
    }

    /// The folder of its extensions' control files and scripts.
    pub fn extension_dir(&self) -> PathBuf {
        self.share_dir().join("extension")
    }

    /// One of its programs, run as the user that may run a server. None of our own
    /// PG* variables reach it, nor RUST_BACKTRACE, with which an error's DETAIL is a
    /// page of Rust frames.
    pub fn command(&self, program: &str) -> Command {
        self.through(program, &[])
    }

    /// As [`Installation::command`]; it is killed when the thread that starts it ends.
    pub fn companion(&self, program: &str) -> Command {
        self.through(program, &["--pdeathsig=KILL".to_owned()])
    }

    fn through(&self, program: &str, options: &[String]) -> Command {
        let program = self.bin.join(program);
        let mut options = options.to_vec();
        if let Some(User { uid, gid }) = &self.user {
            options.extend([format!("--reuid={uid}"), format!("--regid={gid}")]);
            options.push("--clear-groups".to_owned());
        }
        let mut command = if options.is_empty() {
            Command::new(program)
        } else {
            let mut command = Command::new("setpriv");
            command.args(options).arg(program);
            command
        };
        let ours = std::env::vars_os().map(|(name, _)| name);
        for name in ours.filter(|name| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command.env_remove("RUST_BACKTRACE");
        command.current_dir("/");
        command
    }

    /// Makes a folder the server's own.
    pub fn give(&self, folder: &Path) {
        if let Some(user) = &self.user {
            chown(folder, Some(user.uid), Some(user.gid))
                .unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        }
    }
}

fn pg_config_says(pg_config: &str, what: &str) -> String {
    text_of(Command::new(pg_config).arg(what))
}

fn id(which: &str) -> u32 {
    text_of(Command::new("id").args([which, SERVER_USER]))
        .parse()
        .unwrap_or_else(|e| panic!("id {which} {SERVER_USER}: {e}"))
}

/// What a command prints, without the end of line.
fn text_of(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?} does not run: {e}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
