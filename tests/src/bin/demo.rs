//! The demo: a private server with the extension, the product's tables and a lively
//! set of workspaces, which the worker starts and stops before one's eyes.
//!
//! It ends after `DEMO_SECONDS` (default 180) or with Ctrl-C, and leaves nothing
//! behind. With `--keep FILE` it leaves the server and the provisioner running, and
//! writes the server's folder into the file.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use postgres::Client;
use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::Address;
use workspace_autobuild_tests::{Product, Provisioner, Server, StopMode, Version, scene};

const SECONDS: u64 = 180;
/// How often the demo looks for something new.
const LOOK: Duration = Duration::from_millis(250);
/// How long a build takes here.
const BUILD_TAKES: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => demo(None),
        ["--keep", file] => demo(Some(Path::new(file))),
        ["--provision", socket_dir, port, database] => provision(socket_dir, port, database),
        _ => {
            eprintln!("usage: demo [--keep FILE]");
            ExitCode::FAILURE
        }
    }
}

fn demo(keep: Option<&Path>) -> ExitCode {
    let seconds = match std::env::var("DEMO_SECONDS").map(|text| text.parse()) {
        Err(_) => SECONDS,
        Ok(Ok(seconds)) => seconds,
        Ok(Err(error)) => {
            eprintln!("DEMO_SECONDS is not a number of seconds: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (interrupt, interrupted) = channel();
    if let Err(error) = ctrlc::set_handler(move || {
        // An error means that the demo is at its end already.
        let _ = interrupt.send(());
    }) {
        eprintln!("no handler for Ctrl-C: {error}");
        return ExitCode::FAILURE;
    }
    title("a private PostgreSQL with the extension and the product's tables");
    let mut server = Server::options_without_worker().start();
    let product = Product::install(&server, Version::NEWEST);
    product.create_extension();
    scene::set(&product);
    server.set("workspace_autobuild.databases", product.database());
    server.set("workspace_autobuild.notify_owners", "on");
    server.set(
        "workspace_autobuild.access_url",
        "https://coder.example.com",
    );
    server.restart(StopMode::Fast);
    product.reconnect();
    println!("   {}", server.psql(product.database()));

    let mut client = product.superuser();
    upcoming(&mut client);
    unmoving(&mut client);
    title(&format!(
        "the worker's transitions, each full minute, for {seconds} s{}",
        if keep.is_some() {
            ""
        } else {
            " (Ctrl-C ends it)"
        }
    ));
    follow(&product, &mut client, &interrupted, seconds);
    summary(&mut client);
    match keep {
        None => println!("   The server and its folder are removed."),
        Some(file) => leave(server, &product, file),
    }
    ExitCode::SUCCESS
}

fn title(text: &str) {
    println!("\n== {text}");
}

/// Prints rows in columns as wide as their widest value.
fn table(client: &mut Client, headings: &[&str], sql: &str) {
    let headings: Vec<String> = headings.iter().map(|text| (*text).to_owned()).collect();
    let mut rows = vec![headings];
    rows.extend(texts(client, sql).into_iter().map(|row| {
        row.into_iter()
            .map(Option::unwrap_or_default)
            .collect::<Vec<String>>()
    }));
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|i| {
            let widths = rows.iter().filter_map(|row| row.get(i));
            widths.map(|text| text.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for row in rows {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(text, width)| format!("{text:width$}"))
            .collect();
        println!("   {}", line.join("  ").trim_end());
    }
}

fn upcoming(client: &mut Client) {
    title("autobuild_upcoming('3 days')");
    table(
        client,
        &["owner/workspace", "next", "when (UTC)", "in", "due"],
        "SELECT owner || '/' || workspace, transition,
                to_char(next_transition_at AT TIME ZONE 'UTC', 'Dy HH24:MI:SS'),
                date_trunc('second', next_transition_at - now()), CASE WHEN due THEN 'due' END
           FROM autobuild_upcoming('3 days')",
    );
}

fn unmoving(client: &mut Client) {
    title("autobuild_next_transition: what keeps the others from moving");
    table(
        client,
        &["owner/workspace", "skip or block", "detail"],
        "SELECT u.username || '/' || w.name, n.skip_reason, n.detail
           FROM workspaces w JOIN users u ON u.id = w.owner_id
          CROSS JOIN LATERAL autobuild_next_transition(w.id) n
          WHERE n.skip_reason IS NOT NULL ORDER BY w.name",
    );
    title("autobuild_explain: the rules in order, for anna/asleep");
    table(
        client,
        &["step", "rule", "passed", "observed"],
        "SELECT e.step, e.rule, e.passed, e.observed
           FROM workspaces w CROSS JOIN LATERAL autobuild_explain(w.id) e
          WHERE w.name = 'asleep' ORDER BY e.step",
    );
}

/// Shows each new row of the history, and does the builds.
fn follow(product: &Product, client: &mut Client, interrupted: &Receiver<()>, seconds: u64) {
    let mut builds = Builds::new(Provisioner::of(product));
    let mut shown = 0;
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        for row in texts(client, &new_transitions(shown)) {
            let text: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            let [id, line] = text.as_slice() else {
                continue;
            };
            println!("   {line}");
            shown = id.parse().unwrap_or(shown);
        }
        builds.go_on();
        match interrupted.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
    }
}

fn new_transitions(shown: i64) -> String {
    format!(
        "SELECT t.transition_id,
                to_char(t.decided_at AT TIME ZONE 'UTC', 'HH24:MI:SS') || '  '
                || rpad(u.username || '/' || w.name, 15) || ' ' || rpad(t.transition, 7)
                || concat_ws('  ', rpad(t.outcome, 8), rpad(t.reason, 9),
                     'due ' || to_char(t.due_at AT TIME ZONE 'UTC', 'HH24:MI:SS'), t.code, t.message)
           FROM autobuild_transitions t
           JOIN workspaces w ON w.id = t.workspace_id
           JOIN users u ON u.id = w.owner_id
          WHERE t.transition_id > {shown} ORDER BY t.transition_id"
    )
}

/// The provisioner's work: a build that it takes is complete a little later.
struct Builds {
    provisioner: Provisioner,
    taken: Option<Instant>,
}

impl Builds {
    fn new(provisioner: Provisioner) -> Builds {
        Builds {
            provisioner,
            taken: None,
        }
    }

    fn go_on(&mut self) {
        match self.taken {
            None => {
                if self.provisioner.pick_up() > 0 {
                    self.taken = Some(Instant::now());
                }
            }
            Some(taken) if taken.elapsed() >= BUILD_TAKES => {
                for build in self.provisioner.complete() {
                    // Of "2026-01-31 09:00:00.123+00", the clock's part.
                    let clock = build.deadline.as_deref().and_then(|at| at.get(11..19));
                    let until = clock.map_or(String::new(), |clock| format!(", until {clock}"));
                    println!(
                        "             the provisioner's {} of {} is complete{until}",
                        build.transition, build.name
                    );
                }
                self.taken = None;
            }
            Some(_) => {}
        }
    }
}

fn summary(client: &mut Client) {
    title("notification_messages: what owners are told, for the product to send");
    table(
        client,
        &["owner", "method", "notice", "labels"],
        "SELECT u.username, m.method::text, m.payload->>'notification_name', m.payload->>'labels'
           FROM notification_messages m JOIN users u ON u.id = m.user_id
          ORDER BY m.created_at, m.method",
    );
    title("autobuild_ticks");
    table(
        client,
        &["tick (UTC)", "due", "built", "blocked", "failed", "ms"],
        "SELECT to_char(tick_at AT TIME ZONE 'UTC', 'HH24:MI:SS'), due, built, blocked, failed,
                round(extract(epoch FROM finished_at - started_at) * 1000)
           FROM autobuild_ticks ORDER BY tick_id",
    );
}

/// Leaves the server running, with a process that goes on doing the builds until the
/// server is gone.
fn leave(server: Server, product: &Product, file: &Path) {
    let psql = server.psql(product.database());
    let folder = server.folder().to_owned();
    let started = std::env::current_exe().and_then(|demo| {
        Command::new(demo)
            .arg("--provision")
            .arg(&server.address().socket_dir)
            .arg(server.address().port.to_string())
            .arg(product.database())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
    });
    match started.and_then(|_| fs::write(file, folder.display().to_string())) {
        Ok(()) => {
            server.leave_running();
            println!("\n   The server goes on: {psql}");
            println!("   `make demo-stop` ends it.");
        }
        Err(error) => eprintln!("the server can't be kept: {error}"),
    }
}

/// Does the builds of a kept server.
fn provision(socket_dir: &str, port: &str, database: &str) -> ExitCode {
    let Ok(port) = port.parse() else {
        return ExitCode::FAILURE;
    };
    let address = Address {
        socket_dir: socket_dir.into(),
        port,
    };
    let provisioner = Provisioner::connect(&address, database, Version::NEWEST);
    let mut builds = Builds::new(provisioner);
    let (_never, look) = channel::<()>();
    while !builds.provisioner.is_closed() {
        builds.go_on();
        let _ = look.recv_timeout(LOOK);
    }
    ExitCode::SUCCESS
}
