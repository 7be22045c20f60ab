//! Two servers under Patroni, as one runs them for high availability: etcd says who is the
//! primary, Patroni promotes the other server when it is gone, and rewinds what comes back.
//!
//! All of it listens on loopback, on ports that were free. `AUTOBUILD_PATRONI` names the
//! folder in which `make test-ha` has unpacked Debian's packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use postgres::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::guard::Guard;
use super::installation::Installation;
use super::{Address, SUPERUSER, free_port};
use crate::await_until::{await_some, await_until};
use crate::companion::Companion;
use crate::http;
use crate::product::value;

/// Patroni has done what it was asked for, or has noticed what happened, within this time,
/// also on a machine with much else to do.
const SETTLED: Duration = Duration::from_secs(180);
/// The name of the cluster, as `patronictl` wants it.
const SCOPE: &str = "autobuild";

/// The two servers, and what decides between them. The fields end in this order: a Patroni
/// that lived would start its server again.
pub struct Cluster {
    nodes: Vec<Node>,
    etcd: Companion,
    packages: PathBuf,
    installation: Installation,
    folder: PathBuf,
    /// Ends the servers and removes the folder.
    _guard: Guard,
}

/// A server and its Patroni.
struct Node {
    name: String,
    address: Address,
    /// The port of its Patroni's interface.
    rest: u16,
    /// None while it is killed.
    patroni: Option<Companion>,
}

impl Cluster {
    /// Makes the cluster, with this as Patroni's dynamic configuration beside times that
    /// are short, and waits until both servers are there.
    #[track_caller]
    pub fn start(dynamic: &Json) -> Cluster {
        let packages = std::env::var_os("AUTOBUILD_PATRONI")
            .map(PathBuf::from)
            .expect("AUTOBUILD_PATRONI: run this by `make test-ha`, which unpacks Patroni");
        let installation = Installation::find();
        let folder =
            TempDir::with_prefix("autobuild-").unwrap_or_else(|e| panic!("no folder: {e}"));
        installation.give(folder.path());
        let guard = Guard::over(folder.path());
        // From here on the guard removes it.
        let folder = folder.keep();
        let client = format!("http://127.0.0.1:{}", free_port());
        let peer = format!("http://127.0.0.1:{}", free_port());
        let mut etcd = installation.companion(&packages.join("usr/bin/etcd").to_string_lossy());
        etcd.arg("--data-dir")
            .arg(folder.join("etcd"))
            .args(["--listen-client-urls", &client])
            .args(["--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")]);
        let etcd = Companion::start(&mut etcd, &folder.join("etcd.log"));
        let mut cluster = Cluster {
            nodes: Vec::new(),
            etcd,
            packages,
            installation,
            folder,
            _guard: guard,
        };
        for name in ["one", "two"] {
            let node = Node {
                name: name.to_owned(),
                address: Address {
                    socket_dir: cluster.folder.clone(),
                    port: free_port(),
                },
                rest: free_port(),
                patroni: None,
            };
            cluster.configure(&node, &client, dynamic);
            cluster.nodes.push(node);
        }
        for node in 0..cluster.nodes.len() {
            cluster.revive(node);
            cluster.await_primary();
        }
        cluster.await_standby(1 - cluster.primary().expect("a primary"));
        cluster
    }

    fn configure(&self, node: &Node, etcd: &str, dynamic: &Json) {
        let mut dcs = json!({
            "ttl": 10,
            "loop_wait": 1,
            "retry_timeout": 3,
            "postgresql": {"use_pg_rewind": true, "parameters": {
                "shared_buffers": "32MB",
                "fsync": "off",
                "log_line_prefix": "%m [%p] %b %q%u@%d ",
                "timezone": "UTC",
                "log_timezone": "UTC",
            }},
        });
        merge(&mut dcs, dynamic);
        let trusted = json!({"username": SUPERUSER});
        let local = |port: u16| format!("127.0.0.1:{port}");
        let configuration = json!({
            "scope": SCOPE,
            "name": node.name,
            "etcd3": {"host": etcd.trim_start_matches("http://")},
            "restapi": {"listen": local(node.rest), "connect_address": local(node.rest)},
            "bootstrap": {
                "dcs": dcs,
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "no-sync"],
            },
            "postgresql": {
                "listen": local(node.address.port),
                "connect_address": local(node.address.port),
                "bin_dir": self.installation.bin(),
                "data_dir": self.data_of(node),
                "pgpass": self.folder.join(format!("{}.pgpass", node.name)),
                "authentication": {
                    "superuser": trusted,
                    "replication": trusted,
                    "rewind": trusted,
                },
                "parameters": {"unix_socket_directories": self.folder},
                "pg_hba": [
                    "local all all trust",
                    "host all all 127.0.0.1/32 trust",
                    "host replication all 127.0.0.1/32 trust",
                ],
            },
        });
        // JSON is YAML.
        let file = self.configuration_of(node);
        fs::write(&file, configuration.to_string())
            .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }

    fn configuration_of(&self, node: &Node) -> PathBuf {
        self.folder.join(format!("{}.yml", node.name))
    }

    fn log_file_of(&self, node: usize) -> PathBuf {
        self.folder.join(format!("{}.log", self.node(node).name))
    }

    fn data_of(&self, node: &Node) -> PathBuf {
        self.folder.join(&node.name)
    }

    fn node(&self, node: usize) -> &Node {
        self.nodes.get(node).expect("one of the two")
    }

    /// Where a node's server listens.
    pub fn address(&self, node: usize) -> &Address {
        &self.node(node).address
    }

    /// A session of a superuser's on a node.
    #[track_caller]
    pub fn client(&self, node: usize, database: &str) -> Client {
        self.address(node).connect(database, SUPERUSER)
    }

    /// A program of Patroni's, run as the servers' user.
    fn python(&self, program: &str) -> Command {
        let mut command = self.installation.companion("/usr/bin/python3");
        command
            .env(
                "PYTHONPATH",
                self.packages.join("usr/lib/python3/dist-packages"),
            )
            .env("LC_ALL", "C.UTF-8")
            .arg(self.packages.join("usr/bin").join(program));
        command
    }

    /// Does no Patroni of a node's run?
    pub fn is_dead(&self, node: usize) -> bool {
        self.node(node).patroni.is_none()
    }

    /// Starts a node's Patroni, which starts its server, as what there is to be.
    #[track_caller]
    pub fn revive(&mut self, node: usize) {
        let configuration = self.configuration_of(self.node(node));
        let log = self.log_file_of(node);
        let started = Companion::start(self.python("patroni").arg(configuration), &log);
        let node = self.nodes.get_mut(node).expect("one of the two");
        node.patroni = Some(started);
    }

    /// SIGKILL for a node's Patroni: its server runs on, and nobody looks after it.
    #[track_caller]
    pub fn orphan(&mut self, node: usize) {
        let node = self.nodes.get_mut(node).expect("one of the two");
        drop(node.patroni.take().expect("its Patroni runs"));
    }

    /// SIGKILL for a node's Patroni and all of its server, as if the machine was gone.
    #[track_caller]
    pub fn kill(&mut self, node: usize) {
        self.orphan(node);
        let data = self.data_of(self.node(node));
        await_until("the server is gone", SETTLED, || {
            let processes: Vec<Pid> = processes_in(&data).collect();
            for process in &processes {
                let _ = kill_process(*process, Signal::KILL);
            }
            processes.is_empty()
        });
    }

    /// etcd stands still, or goes on.
    pub fn signal_etcd(&self, signal: Signal) {
        let _ = kill_process(self.etcd.pid(), signal);
    }

    /// Runs `patronictl`, and returns what it says.
    #[track_caller]
    pub fn patronictl(&self, arguments: &[&str]) -> String {
        let node = self
            .nodes
            .iter()
            .find(|node| node.patroni.is_some())
            .expect("a node");
        let output = self
            .python("patronictl")
            .arg("-c")
            .arg(self.configuration_of(node))
            .args(arguments)
            .output()
            .unwrap_or_else(|e| panic!("patronictl does not run: {e}"));
        assert!(
            output.status.success(),
            "patronictl {arguments:?}: {output:?}"
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Changes the dynamic configuration: `NAME=VALUE` of `postgresql.parameters`, the value
    /// as YAML.
    #[track_caller]
    pub fn edit_config(&self, parameters: &[&str]) {
        let mut arguments = vec!["edit-config", SCOPE, "--force", "--quiet"];
        for parameter in parameters {
            arguments.extend(["--pg", parameter]);
        }
        self.patronictl(&arguments);
    }

    /// Restarts both servers, as after a setting that needs it.
    #[track_caller]
    pub fn restart(&self) {
        self.patronictl(&["restart", SCOPE, "--force"]);
        self.await_both();
    }

    /// Hands over to the other node, and waits until that one is the primary.
    #[track_caller]
    pub fn switchover(&self) {
        let old = self.await_primary();
        let (from, to) = (self.node(old), self.node(1 - old));
        self.patronictl(&[
            "switchover",
            SCOPE,
            "--master",
            &from.name,
            "--candidate",
            &to.name,
            "--force",
        ]);
        await_until("the other node is the primary", SETTLED, || {
            self.primary() == Some(1 - old)
        });
    }

    /// The node whose Patroni says that it is the primary, if there is one.
    pub fn primary(&self) -> Option<usize> {
        (0..self.nodes.len()).find(|node| self.says(*node, "/primary").is_some())
    }

    /// As [`Cluster::primary`], as soon as there is one.
    #[track_caller]
    pub fn await_primary(&self) -> usize {
        await_some("a primary", SETTLED, || self.primary())
    }

    /// Waits until a node is a standby to which the primary streams, and which is asked
    /// for each commit where the cluster is synchronous.
    #[track_caller]
    pub fn await_standby(&self, node: usize) {
        await_until("the standby follows", SETTLED, || {
            let Some(Ok(mut client)) = self
                .says(node, "/replica")
                .and_then(|_| self.primary())
                .map(|primary| self.address(primary).try_connect(SUPERUSER, SUPERUSER))
            else {
                return false;
            };
            let sql = format!(
                "SELECT count(*) FROM pg_stat_replication
                  WHERE application_name = '{}' AND state = 'streaming'
                    AND (sync_state = 'sync') = (current_setting('synchronous_standby_names') <> '')
                    AND (sync_state = 'sync') = {}",
                self.node(node).name,
                self.is_synchronous()
            );
            value(&mut client, &sql).as_deref() == Some("1")
        });
    }

    /// Waits until one node is the primary and the other one its standby.
    #[track_caller]
    pub fn await_both(&self) {
        let primary = self.await_primary();
        self.await_standby(1 - primary);
    }

    fn is_synchronous(&self) -> bool {
        let configuration = (0..self.nodes.len()).find_map(|node| self.says(node, "/config"));
        configuration.is_some_and(|json| json.get("synchronous_mode") == Some(&Json::Bool(true)))
    }

    /// What a node's Patroni answers, if it answers that all is well.
    pub fn says(&self, node: usize, path: &str) -> Option<Json> {
        let (status, body) = http::get(self.node(node).rest, path)?;
        (status == 200).then(|| serde_json::from_str(&body).ok())?
    }

    /// What a node's Patroni and its server have written.
    pub fn log_of(&self, node: usize) -> String {
        let bytes = fs::read(self.log_file_of(node)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The same of both.
    pub fn log(&self) -> String {
        (0..self.nodes.len())
            .map(|node| self.log_of(node))
            .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in 0..self.nodes.len() {
                let log = self.log_of(node);
                let lines: Vec<&str> = log.lines().collect();
                let (_, last) = lines.split_at(lines.len().saturating_sub(60));
                eprintln!("the end of the log of {node}:\n{}", last.join("\n"));
            }
        }
    }
}

/// The processes that work in a folder.
fn processes_in(folder: &Path) -> impl Iterator<Item = Pid> {
    fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter(move |process| {
            fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == folder)
        })
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
}

/// Puts the members of one object into another one, at every depth.
fn merge(into: &mut Json, from: &Json) {
    match (into, from) {
        (Json::Object(into), Json::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Json::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
