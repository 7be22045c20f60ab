//! A streaming standby of a server.

use std::path::PathBuf;
use std::process::Stdio;

use super::installation::Installation;
use super::{Address, SUPERUSER, Server, free_port};

/// A streaming standby of a server, in that server's folder.
pub struct Standby {
    installation: Installation,
    data: PathBuf,
    address: Address,
}

impl Standby {
    /// Copies the server and starts the standby; it ends with this value.
    #[track_caller]
    pub fn of(primary: &Server) -> Standby {
        let data = primary.folder().join("standby");
        let address = Address {
            socket_dir: primary.folder().to_owned(),
            port: free_port(),
        };
        let standby = Standby {
            installation: primary.installation().clone(),
            data,
            address,
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
        standby.pg_ctl(&[
            "start",
            "-w",
            "-o",
            &format!("-p {}", standby.address.port),
            "-l",
            &primary.folder().join("standby.log").display().to_string(),
        ]);
        standby
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its data folder.
    pub fn data(&self) -> &std::path::Path {
        &self.data
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let data = self.data.display().to_string();
        let mut all = vec!["-D", &data];
        all.extend(arguments);
        self.run("pg_ctl", &all);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = self
            .installation
            .command(program)
            .args(arguments)
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
