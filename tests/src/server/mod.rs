//! A private PostgreSQL server for one test, or shared by the tests of one program.
//!
//! It lives in a temporary folder, listens on its own socket and loopback port, and
//! has the settings that the test gives. However the test ends (also by a panic or
//! a kill), the server is stopped and its folder removed: see `guard`.

pub mod clock;
mod guard;
pub mod installation;
pub mod patroni;
pub mod standby;
pub mod zone_files;

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::await_until::{await_some, await_until};
use guard::Guard;
use installation::Installation;

/// The superuser of every server of ours.
pub const SUPERUSER: &str = "postgres";

/// A server is up within this time, also on a machine with much else to do.
const START: Duration = Duration::from_secs(60);
/// A server is down within this time.
const STOP: Duration = Duration::from_secs(60);
/// A start can lose its port to somebody else, or come before the last children of a
/// killed server are gone: so often it is tried again.
const ATTEMPTS: usize = 20;

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Sessions are ended, a checkpoint is written.
    Fast,
    /// Everything ends at once; the next start recovers, as after a crash.
    Immediate,
}

/// What a server starts with.
#[derive(Clone, Debug)]
pub struct Options {
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    installation: Option<Installation>,
    within: Option<PathBuf>,
}

impl Options {
    /// A line of `postgresql.conf`; a later one of the same name wins.
    pub fn set(mut self, name: &str, value: &str) -> Options {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `shared_preload_libraries`.
    pub fn preload(self, libraries: &str) -> Options {
        self.set("shared_preload_libraries", libraries)
    }

    /// Data is flushed to the disk as in production. By default it isn't, which is fast: a
    /// crash of the server loses nothing by it, one of the machine would.
    pub fn durable(self) -> Options {
        self.set("fsync", "on")
    }

    /// A variable of the server's environment (a preloaded clock, for example).
    pub fn environment(mut self, name: &str, value: &str) -> Options {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// On another PostgreSQL than the other tests' one.
    pub fn on(mut self, installation: Installation) -> Options {
        self.installation = Some(installation);
        self
    }

    /// The server's folder is made in this one (a small disk, for example).
    pub fn within(mut self, folder: &Path) -> Options {
        self.within = Some(folder.to_owned());
        self
    }

    /// Makes the server and waits until it takes connections.
    #[track_caller]
    pub fn start(self) -> Server {
        Server::create(self)
    }
}

/// Where a server listens: enough to connect from any thread.
#[derive(Clone, Debug)]
pub struct Address {
    /// The folder of its socket.
    pub socket_dir: PathBuf,
    /// Its port, on the socket and on 127.0.0.1.
    pub port: u16,
}

impl Address {
    /// A new session, or why there is none.
    pub fn try_connect(&self, database: &str, user: &str) -> Result<Client, postgres::Error> {
        postgres::Config::new()
            .host_path(&self.socket_dir)
            .port(self.port)
            .user(user)
            .dbname(database)
            .application_name("tests")
            .connect(NoTls)
    }

    /// A new session.
    #[track_caller]
    pub fn connect(&self, database: &str, user: &str) -> Client {
        self.try_connect(database, user)
            .unwrap_or_else(|e| panic!("no connection to {database} as {user}: {e:?}"))
    }

    /// Makes a database that `owner` owns together with its schema `public`.
    #[track_caller]
    pub fn create_database(&self, name: &str, owner: &str) {
        let quoted = crate::product::quote_ident(owner);
        self.connect(SUPERUSER, SUPERUSER)
            .batch_execute(&format!(
                "CREATE DATABASE {} OWNER {quoted}",
                crate::product::quote_ident(name)
            ))
            .and_then(|()| {
                self.connect(name, SUPERUSER)
                    .batch_execute(&format!("ALTER SCHEMA public OWNER TO {quoted}"))
            })
            .unwrap_or_else(|e| panic!("database {name}: {e:?}"));
    }
}

/// A running (or stopped) private server.
#[derive(Debug)]
pub struct Server {
    installation: Installation,
    address: Address,
    environment: Vec<(String, String)>,
    postmaster: Option<Child>,
    /// Ends the server and removes the folder; none once it was left running.
    guard: Option<Guard>,
    folder: PathBuf,
}

/// Options for a server with the extension preloaded and a tick each second.
pub fn ticking() -> Options {
    Server::options()
        .preload("workspace-autobuild")
        .set("workspace_autobuild.tick_interval", "1s")
}

/// Options for a server with the extension preloaded that ticks when it is woken: each
/// hour else.
pub fn hourly() -> Options {
    ticking().set("workspace_autobuild.tick_interval", "1h")
}

impl Server {
    /// Options with the harness's defaults: small, quiet, UTC, no fsync.
    pub fn options() -> Options {
        let options = Options {
            settings: Vec::new(),
            environment: Vec::new(),
            installation: None,
            within: None,
        };
        options
            .set("fsync", "off")
            .set("full_page_writes", "off")
            .set("shared_buffers", "32MB")
            .set("max_connections", "50")
            .set("max_worker_processes", "16")
            .set("timezone", "UTC")
            .set("log_timezone", "UTC")
            .set("log_line_prefix", "%m [%p] %b %q%u@%d ")
            .set("log_checkpoints", "off")
            .set("lc_messages", "C")
    }

    /// A server with the extension preloaded, and its worker for no database: tests
    /// of the SQL functions, which must not race a worker, use it.
    pub fn options_without_worker() -> Options {
        Server::options()
            .preload("workspace-autobuild")
            .set("workspace_autobuild.databases", "")
    }

    /// One server without the extension for all tests of a program that want no
    /// settings of their own; each test makes its own database.
    pub fn plain() -> &'static Server {
        static PLAIN: OnceLock<Server> = OnceLock::new();
        PLAIN.get_or_init(|| Server::options().start())
    }

    /// One server for all tests of a program that need no settings of their own,
    /// as [`Server::options_without_worker`]; each test makes its own database.
    pub fn shared() -> &'static Server {
        // It is never dropped: its guard ends it when the process is gone.
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Server::options_without_worker().start())
    }

    #[track_caller]
    fn create(options: Options) -> Server {
        let installation = options.installation.unwrap_or_else(Installation::find);
        let within = options.within.unwrap_or_else(std::env::temp_dir);
        let folder = TempDir::with_prefix_in("autobuild-", within)
            .unwrap_or_else(|e| panic!("no temporary folder: {e}"));
        installation.give(folder.path());
        let guard = Guard::over(folder.path());
        // From here on the guard removes it.
        let folder = folder.keep();
        let socket = folder.join(".s.PGSQL.65535");
        assert!(
            socket.as_os_str().len() < 107,
            "{} is too long for a socket: set TMPDIR to a shorter folder",
            socket.display()
        );
        let server = Server {
            address: Address {
                socket_dir: folder.clone(),
                port: 0,
            },
            environment: options.environment,
            postmaster: None,
            guard: Some(guard),
            installation,
            folder,
        };
        server.initdb();
        let mut conf = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n",
            server.folder.display()
        );
        for (name, value) in &options.settings {
            conf += &format!("{name} = '{}'\n", value.replace('\'', "''"));
        }
        server.append_conf(&conf);
        let mut server = server;
        server.start();
        server
    }

    fn initdb(&self) {
        let output = self
            .installation
            .command("initdb")
            .args(["-U", SUPERUSER, "-A", "trust", "-E", "UTF8"])
            .args(["--locale=C.UTF-8", "--no-sync", "--no-instructions", "-D"])
            .arg(self.data())
            .output()
            .unwrap_or_else(|e| panic!("initdb does not run: {e}"));
        assert!(
            output.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Appends lines to `postgresql.conf`, for the next start or reload.
    #[track_caller]
    pub fn append_conf(&self, lines: &str) {
        let file = self.data().join("postgresql.conf");
        // Written in place, so that it stays the server user's own.
        fs::read_to_string(&file)
            .and_then(|old| fs::write(&file, old + lines))
            .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts a stopped server, and waits until it takes connections.
    #[track_caller]
    pub fn start(&mut self) {
        assert!(self.postmaster.is_none(), "the server runs already");
        for _ in 0..ATTEMPTS {
            let before = self.log().len();
            if self.address.port == 0 {
                self.address.port = free_port();
            }
            self.spawn();
            if self.ready() {
                return;
            }
            let log = self.log().split_off(before);
            if log.contains("Address already in use") {
                self.address.port = 0;
            } else if !log.contains("pre-existing shared memory block") {
                panic!("the server does not start:\n{log}");
            }
        }
        panic!("the server does not start:\n{}", self.log());
    }

    fn spawn(&mut self) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .unwrap_or_else(|e| panic!("no log file: {e}"));
        let err = log
            .try_clone()
            .unwrap_or_else(|e| panic!("no log file: {e}"));
        let mut command = self.installation.command("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.address.port.to_string()])
            .envs(self.environment.iter().map(|(n, v)| (n, v)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(err)
            // Ctrl-C in a terminal is the test's, not the server's.
            .process_group(0);
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("postgres does not run: {e}"));
        self.postmaster = Some(child);
    }

    /// Waits until the server takes connections (true) or is gone again (false).
    fn ready(&mut self) -> bool {
        let Some(mut child) = self.postmaster.take() else {
            return false;
        };
        let address = self.address.clone();
        let up = await_some("the server takes connections", START, || {
            match child.try_wait() {
                Ok(None) => address
                    .try_connect(SUPERUSER, SUPERUSER)
                    .is_ok()
                    .then_some(true),
                _ => Some(false),
            }
        });
        if up {
            self.postmaster = Some(child);
        }
        up
    }

    /// Stops the server and waits until it is gone; its data stay.
    #[track_caller]
    pub fn stop(&mut self, mode: StopMode) {
        let signal = match mode {
            StopMode::Fast => Signal::INT,
            StopMode::Immediate => Signal::QUIT,
        };
        self.signal(signal);
        self.await_exit();
    }

    /// Stops the server and starts it again, on the same port.
    #[track_caller]
    pub fn restart(&mut self, mode: StopMode) {
        self.stop(mode);
        self.start();
    }

    /// Kills the postmaster as the kernel would (SIGKILL); its children notice.
    #[track_caller]
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.await_exit();
    }

    /// Ends the server at once, as its fencing would, and waits until it is gone; it is
    /// not to be started again.
    #[track_caller]
    pub fn fence(&self) {
        self.signal(Signal::QUIT);
        let pid_file = self.data().join("postmaster.pid");
        await_until("the server is fenced", STOP, || !pid_file.exists());
    }

    fn signal(&self, signal: Signal) {
        let pid = self.pid().expect("the server runs");
        // An error means that it is gone, which is what is wanted.
        let _ = kill_process(pid, signal);
    }

    #[track_caller]
    fn await_exit(&mut self) {
        let mut child = self.postmaster.take().expect("the server runs");
        await_until("the server is gone", STOP, || {
            !matches!(child.try_wait(), Ok(None))
        });
    }

    /// The postmaster's process id, while it runs.
    pub fn pid(&self) -> Option<Pid> {
        self.postmaster.as_ref().map(Pid::from_child)
    }

    /// Has the postmaster ended by itself? Then it can be started again.
    pub fn has_ended(&mut self) -> bool {
        let ended = match &mut self.postmaster {
            None => true,
            Some(child) => !matches!(child.try_wait(), Ok(None)),
        };
        if ended {
            self.postmaster = None;
        }
        ended
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The PostgreSQL that it runs.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Its temporary folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A new session as superuser.
    #[track_caller]
    pub fn client(&self, database: &str) -> Client {
        self.address.connect(database, SUPERUSER)
    }

    /// The command that opens a session as superuser in a terminal.
    pub fn psql(&self, database: &str) -> String {
        format!(
            "psql -h {} -p {} -U {SUPERUSER} {database}",
            self.folder.display(),
            self.address.port
        )
    }

    /// Its whole log so far.
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The file that [`Server::log`] reads.
    pub fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Changes a setting of the running server (ALTER SYSTEM) and reloads.
    #[track_caller]
    pub fn set(&self, name: &str, value: &str) {
        let mut client = self.client(SUPERUSER);
        client
            .batch_execute(&format!(
                "ALTER SYSTEM SET {name} = '{}'",
                value.replace('\'', "''")
            ))
            .and_then(|()| client.batch_execute("SELECT pg_reload_conf()"))
            .unwrap_or_else(|e| panic!("{name} = {value:?}: {e:?}"));
    }

    /// As [`Address::create_database`].
    #[track_caller]
    pub fn create_database(&self, name: &str, owner: &str) {
        self.address.create_database(name, owner);
    }

    /// Leaves the server running and its folder where it is, for somebody to look
    /// at; nothing cleans it up.
    pub fn leave_running(mut self) -> Address {
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
        // Neither does dropping the child end it.
        self.postmaster = None;
        self.address.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            // The log goes with the folder, and often only it says why the test failed.
            if std::thread::panicking() {
                let log = self.log();
                let lines: Vec<&str> = log.lines().collect();
                let (_, last) = lines.split_at(lines.len().saturating_sub(40));
                eprintln!("the end of the server's log:\n{}", last.join("\n"));
            }
            drop(guard);
            if let Some(mut child) = self.postmaster.take() {
                // The guard has ended it: this only collects it.
                let _ = child.wait();
            }
        }
    }
}

/// Takes locks, in a transaction that is left open, until the server has none left, however
/// many its other sessions left free.
#[track_caller]
pub fn take_all_locks(session: &mut Client) {
    session.batch_execute("BEGIN").expect("a transaction");
    let mut key = 0;
    while session
        .batch_execute(&format!(
            "SAVEPOINT s; SELECT pg_advisory_xact_lock_shared({key})"
        ))
        .is_ok()
    {
        key += 1;
    }
    session.batch_execute("ROLLBACK TO s").expect("a rollback");
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .unwrap_or_else(|e| panic!("no free port: {e}"))
}
