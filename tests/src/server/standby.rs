//! A streaming standby of a server.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use super::clock::Clock;
use super::installation::Installation;
use super::{Address, SUPERUSER, Server, free_port};

/// A streaming standby of a server, in that server's folder.
pub struct Standby {
    installation: Installation,
    data: PathBuf,
    address: Address,
    environment: Vec<(String, String)>,
}

impl Standby {
    /// Copies the server and starts the standby; it ends with this value.
    #[track_caller]
    pub fn of(primary: &Server) -> Standby {
        Standby::in_environment(primary, Vec::new())
    }

    /// As [`Standby::of`], with a clock of its own.
    #[track_caller]
    pub fn with_clock(primary: &Server, clock: &Clock) -> Standby {
        Standby::in_environment(primary, clock.environment().into())
    }

    #[track_caller]
    fn in_environment(primary: &Server, environment: Vec<(String, String)>) -> Standby {
        let data = primary.folder().join("standby");
        let address = Address {
            socket_dir: primary.folder().to_owned(),
            port: free_port(),
        };
        let standby = Standby {
            installation: primary.installation().clone(),
            data,
            address,
            environment,
        };
        standby.run(
            "pg_basebackup",
            &[
                "-h",
                &primary.folder().display().to_string(),
                "-p",
                &primary.address().port.to_string(),
                "-U",
                SUPERUSER,
                "-R",
                "-c",
                "fast",
                "-D",
                &standby.data.display().to_string(),
            ],
        );
        standby.start();
        standby
    }

    /// Starts it, and waits until it takes connections.
    #[track_caller]
    pub fn start(&self) {
        self.pg_ctl(&[
            "start",
            "-w",
            "-o",
            &format!("-p {}", self.address.port),
            "-l",
            &self.data.with_extension("log").display().to_string(),
        ]);
    }

    /// Stops it; its data stay.
    #[track_caller]
    pub fn stop(&self) {
        self.pg_ctl(&["stop", "-m", "fast"]);
    }

    /// Appends lines to its `postgresql.conf`, for its next start.
    #[track_caller]
    pub fn append_conf(&self, lines: &str) {
        let file = self.data.join("postgresql.conf");
        fs::read_to_string(&file)
            .and_then(|old| fs::write(&file, old + lines))
            .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its data folder.
    pub fn data(&self) -> &std::path::Path {
        &self.data
    }

    #[track_caller]
    fn pg_ctl(&self, arguments: &[&str]) {
        let data = self.data.display().to_string();
        let mut all = vec!["-D", &data];
        all.extend(arguments);
        self.run("pg_ctl", &all);
    }

    /// Runs one of the server's programs.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) {
        let status = self
            .installation
            .command(program)
            .args(arguments)
            .envs(self.environment.iter().map(|(n, v)| (n, v)))
            .stdout(Stdio::null())
            .status()
            .unwrap_or_else(|e| panic!("{program} does not run: {e}"));
        assert!(status.success(), "{program} {arguments:?}: {status}");
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let _ = self
            .installation
            .command("pg_ctl")
            .args(["stop", "-m", "immediate", "-D"])
            .arg(&self.data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
