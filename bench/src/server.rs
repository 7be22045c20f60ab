//! A server with real settings and one database of a size, from which each measurement
//! that writes takes a copy.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use postgres::Client;
use workspace_autobuild_tests::Server;
use workspace_autobuild_tests::product::OWNER;
use workspace_autobuild_tests::server::SUPERUSER;

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
    /// Makes the server and loads the database.
    pub(crate) fn start(config: &Config, size: u32, report: &mut Report) -> Bench {
        eprintln!("{size} workspaces:");
        let mut options = Server::options_without_worker();
        for (name, value) in SETTINGS {
            options = options.set(name, value);
        }
        // Loading is not measured.
        let server = options.set("fsync", "off").start();
        let slots = slots(config, size);
        let (took, template) = timed(|| data::generate(&server, config.version, size, &slots));
        report.note(format!(
            "{size} workspaces were loaded in {} s.",
            took.as_secs()
        ));
        server.set("fsync", "on");
        let bench = Bench {
            server,
            size,
            template,
            slots,
            copies: AtomicU32::new(1),
        };
        bench.settle();
        bench
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
        let _ = std::process::Command::new("sync").status();
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

/// How many fall due in each slot: for each repetition one for ours and one for the
/// floor, and two more for the original's shape.
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
