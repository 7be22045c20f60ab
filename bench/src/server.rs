//! A server with real settings and one database of a size, from which each measurement
//! that writes takes a copy.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use postgres::Client;
use workspace_autobuild_tests::Server;
use workspace_autobuild_tests::product::OWNER;
use workspace_autobuild_tests::server::installation::Installation;
use workspace_autobuild_tests::server::{Options, SUPERUSER, StopMode};

use crate::Config;
use crate::data;
use crate::measure::timed;
use crate::report::Report;

/// What differs from PostgreSQL's defaults while anything is measured. Data is flushed
/// as in production. Autovacuum is off, since its moment would be chance; the tables
/// were vacuumed after loading.
pub(crate) const SETTINGS: [(&str, &str); 12] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "2GB"),
    ("effective_cache_size", "8GB"),
    ("max_wal_size", "16GB"),
    ("checkpoint_timeout", "30min"),
    ("autovacuum", "off"),
    ("max_connections", "50"),
    // A tick by hand holds one of the product's locks for each workspace.
    ("max_locks_per_transaction", "512"),
    ("random_page_cost", "4"),
    ("work_mem", "4MB"),
];

/// A server with a database of `size` workspaces.
pub(crate) struct Bench {
    server: Server,
    /// Number of workspaces.
    pub size: u32,
    template: String,
    slots: Vec<u32>,
    copies: AtomicU32,
}

impl Bench {
    /// Makes the server and loads the database; and, if a library of a build before is asked for,
    /// another server with it and the same data.
    pub(crate) fn start(config: &Config, size: u32, report: &mut Report) -> (Bench, Option<Bench>) {
        eprintln!("{size} workspaces:");
        // Loading is not measured. Of a million, segments of WAL that wait to be used again would
        // take the room of another copy.
        let recycle = if size > 100_000 { "off" } else { "on" };
        let mut server = options()
            .set("fsync", "off")
            .set("wal_recycle", recycle)
            .start();
        let other = config
            .before
            .as_deref()
            .map(|library| other_server(&server, library));
        let slots = slots(config, size);
        let (took, template) = timed(|| data::generate(&server, config.version, size, &slots));
        report.note(format!(
            "{size} workspaces were loaded in {} s.",
            took.as_secs()
        ));
        server.set("fsync", "on");
        if size > 100_000 {
            server
                .client(SUPERUSER)
                .batch_execute("CHECKPOINT")
                .unwrap_or_else(|e| panic!("CHECKPOINT: {e:?}"));
            server.set("wal_recycle", "on");
        }
        let bench = |server| Bench {
            server,
            size,
            template: template.clone(),
            slots: slots.clone(),
            copies: AtomicU32::new(1),
        };
        let before = other.map(|mut other| {
            server.stop(StopMode::Fast);
            let (from, to) = (server.data(), other.data());
            run(Command::new("rm").arg("-r").arg(&to));
            run(Command::new("cp").arg("-a").arg(from).arg(&to));
            other.append_conf(&format!(
                "unix_socket_directories = '{}'\n",
                other.folder().display()
            ));
            server.start();
            other.start();
            bench(other)
        });
        let now = bench(server);
        now.settle();
        (now, before)
    }

    /// The session of a superuser in the loaded database, for what writes nothing.
    pub(crate) fn read(&self) -> Client {
        self.server.client(&self.template)
    }

    /// Leaves the server running; returns the command that opens a session in it.
    pub(crate) fn leave_running(self) -> String {
        let psql = self.server.psql(&self.template);
        self.server.leave_running();
        psql
    }

    /// The server.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The loaded database, for what writes nothing.
    pub(crate) fn database(&self) -> &str {
        &self.template
    }

    /// A copy of the loaded database, warm, until it is dropped.
    pub(crate) fn copy(&self) -> Copy<'_> {
        let number = self.copies.fetch_add(1, Ordering::Relaxed);
        let name = format!("copy_{number}");
        self.execute(&format!(
            "CREATE DATABASE {name} TEMPLATE {} STRATEGY file_copy",
            self.template
        ));
        let copy = Copy { bench: self, name };
        self.settle();
        let mut client = copy.connect();
        // The copy is not in the server's memory yet.
        for table in [
            "workspaces",
            "provisioner_jobs",
            "workspace_builds",
            "workspace_build_parameters",
        ] {
            client
                .batch_execute(&format!(
                    "SET enable_indexonlyscan = off;
                     SELECT count(*) FROM {table} x WHERE x IS NOT NULL"
                ))
                .unwrap_or_else(|e| panic!("{table}: {e:?}"));
        }
        copy
    }

    /// Writes out what is still to be written, so that it doesn't fall into a
    /// measurement.
    pub(crate) fn settle(&self) {
        self.execute("CHECKPOINT");
        let _ = Command::new("sync").status();
    }

    fn execute(&self, sql: &str) {
        self.server
            .client(SUPERUSER)
            .batch_execute(sql)
            .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// The slots (counted from 1) in which so many workspaces fall due.
    pub(crate) fn slots_of(&self, due: u32) -> Vec<usize> {
        (1..)
            .zip(&self.slots)
            .filter(|(_, count)| **count == due)
            .map(|(slot, _)| slot)
            .collect()
    }
}

/// The extension's library.
const LIBRARY: &str = "workspace-autobuild.so";

/// Where the installed one is.
pub(crate) fn installed_library() -> PathBuf {
    folder_of(&Installation::find(), "--pkglibdir").join(LIBRARY)
}

/// A folder of a PostgreSQL's, as its `pg_config` calls it.
fn folder_of(installation: &Installation, what: &str) -> PathBuf {
    let output = installation.command("pg_config").arg(what).output();
    let output = output.unwrap_or_else(|e| panic!("pg_config: {e}"));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

fn options() -> Options {
    let none = Server::options_without_worker();
    SETTINGS
        .iter()
        .fold(none, |options, (name, value)| options.set(name, value))
}

fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(|status| status.success()),
        "{command:?}: {status:?}"
    );
}

/// A server's PostgreSQL once more, in its folder, with another library of the extension. Most
/// files are links; PostgreSQL finds its folders from where its programs are.
fn relocated(server: &Server, library: &Path) -> Installation {
    let says = |what: &str| folder_of(server.installation(), what);
    let (bin, libraries, share) = (says("--bindir"), says("--pkglibdir"), says("--sharedir"));
    let root = bin
        .ancestors()
        .find(|root| libraries.starts_with(root) && share.starts_with(root))
        .unwrap_or_else(|| panic!("nothing holds {bin:?}, {libraries:?} and {share:?}"));
    let copy = server.folder().join("before");
    let place = |of: &Path| copy.join(of.strip_prefix(root).unwrap_or(of));
    for (from, how) in [(&bin, "-a"), (&libraries, "-as"), (&share, "-as")] {
        let to = place(from);
        run(Command::new("mkdir").arg("-p").args(to.parent()));
        run(Command::new("cp").arg(how).arg(from).arg(&to));
    }
    let file = place(&libraries).join(LIBRARY);
    run(Command::new("install")
        .args(["-m", "644"])
        .arg(library)
        .arg(file));
    Installation::of(&place(&bin).join("pg_config").to_string_lossy())
}

/// A server whose extension has this library, which must have each function of the SQL that is
/// installed. It is stopped, and has no data yet.
fn other_server(server: &Server, library: &Path) -> Server {
    let mut other = options().on(relocated(server, library)).start();
    other
        .client(SUPERUSER)
        .batch_execute("CREATE EXTENSION \"workspace-autobuild\"")
        .unwrap_or_else(|e| {
            panic!(
                "{} is not of the SQL that is installed, so it can't be measured beside it: {}",
                library.display(),
                e.as_db_error()
                    .map_or_else(|| e.to_string(), ToString::to_string)
            )
        });
    other.stop(StopMode::Fast);
    other
}

/// How many fall due in each slot: for each repetition one for ours and one for the
/// floor, and two more, so that there are four for programs outside.
fn slots(config: &Config, size: u32) -> Vec<u32> {
    let mut slots = Vec::new();
    for &due in std::iter::once(&config.few).chain(&config.storms) {
        let count = 2 * config.repeat + 2;
        let taken: u32 = slots.iter().sum();
        if taken + due * count <= size {
            slots.extend(std::iter::repeat_n(due, count as usize));
        }
    }
    slots
}

/// A database that is written to, dropped at the end.
pub(crate) struct Copy<'b> {
    bench: &'b Bench,
    name: String,
}

impl Copy<'_> {
    /// Its server.
    pub(crate) fn server(&self) -> &Server {
        &self.bench.server
    }

    /// The database's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A session as superuser.
    pub(crate) fn connect(&self) -> Client {
        self.bench.server.client(&self.name)
    }

    /// A session as the product.
    pub(crate) fn product(&self) -> Client {
        self.bench.server.address().connect(&self.name, OWNER)
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        self.bench
            .execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        std::thread::sleep(Duration::from_millis(200));
    }
}
