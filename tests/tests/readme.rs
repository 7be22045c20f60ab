//! Every command in the README runs, and gives the output that the README shows; so does
//! all SQL of the pages in `docs`.
//!
//! The blocks of a page run in order against a private server of its own, which starts
//! with the product's newest tables and the scene of the demo, and with the extension unless
//! the page creates it itself:
//!
//! - `sql` blocks run in psql as superuser, in the scene's database;
//! - of the README also `conf` blocks, which are appended to postgresql.conf, and `sh`
//!   blocks, line by line, in the repository, with PG* naming the server; its restart, and
//!   what cannot run inside of this test, are taken out ([`line`]);
//! - a `text` block that follows one of these two is its output: in a line, `...` stands
//!   for anything; alone on a line, for any lines. Without one, the block must not fail.
//!
//! A block of another language is not run; those of docs/WITHOUT-WORKER.md that set up a timer
//! have tests of their own.

#![allow(clippy::indexing_slicing)]

use std::io::Write;
use std::process::{Command, Stdio};

use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::server::SUPERUSER;
use workspace_autobuild_tests::{Product, SOON, Server, StopMode, Version, await_some, scene};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const README: &str = "README.md";
/// What stands for anything in an expected output.
const ANYTHING: &str = "...";

/// A fenced block of a page.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    language: String,
    /// The number of the fence's line.
    line: usize,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in markdown.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block {
                    language: language.trim().to_owned(),
                    line: number + 1,
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text += line;
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "a block is not closed");
    blocks
}

/// Does an output match the expected one?
fn matches(expected: &str, output: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.trim_end().lines();
        lines.map(|line| line.trim_end().to_owned()).collect()
    };
    lines_match(&lines(expected), &lines(output))
}

fn lines_match(expected: &[String], output: &[String]) -> bool {
    match (expected.split_first(), output.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((line, rest)), _) if line == ANYTHING => {
            (0..=output.len()).any(|skip| lines_match(rest, &output[skip..]))
        }
        (Some(_), None) => false,
        (Some((line, rest)), Some((found, others))) => {
            line_matches(line, found) && lines_match(rest, others)
        }
    }
}

fn line_matches(expected: &str, found: &str) -> bool {
    match expected.split_once(ANYTHING) {
        None => expected == found,
        Some((start, rest)) => found.strip_prefix(start).is_some_and(|found| {
            (0..=found.len())
                .filter(|&skip| found.is_char_boundary(skip))
                .any(|skip| line_matches(rest, &found[skip..]))
        }),
    }
}

/// What is done with a line of an `sh` block.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// It is run.
    Run,
    /// It restarts the machine's server: the private one is restarted instead.
    Restart,
    /// It is run elsewhere: `make test` runs this test, after the script behind
    /// `make install` has put the extension into this server.
    Elsewhere,
}

fn line(command: &str) -> Line {
    match command {
        "make test" | "make install" => Line::Elsewhere,
        "sudo systemctl restart postgresql" => Line::Restart,
        _ => Line::Run,
    }
}

/// A page's reader: a server, and the database that the examples are run in.
struct Reader {
    server: Server,
    database: String,
}

impl Reader {
    fn command(&self, program: &str) -> Command {
        let bin = self.server.installation().bin().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command
            .current_dir(REPOSITORY)
            .env("PATH", format!("{bin}:{path}"))
            .env("PGHOST", &self.server.address().socket_dir)
            .env("PGPORT", self.server.address().port.to_string())
            .env("PGUSER", SUPERUSER)
            .env("PGDATABASE", &self.database)
            .env("DEMO_SECONDS", "5");
        command
    }

    fn sql(&self, text: &str, may_fail: bool) -> (bool, String) {
        let stop = if may_fail { "0" } else { "1" };
        let mut command = self.command("psql");
        command.args([
            "-X",
            "-q",
            "-v",
            &format!("ON_ERROR_STOP={stop}"),
            "-f",
            "-",
        ]);
        run(command, text)
    }

    /// As `sql`; but a tick by hand that the worker's came in between of is made again, as
    /// whoever reads the page would.
    fn sql_in_turn(&self, text: &str, may_fail: bool) -> (bool, String) {
        const TRIES: usize = 3;
        let mut answer = self.sql(text, may_fail);
        for _ in 1..TRIES {
            if !answer.1.contains("could not serialize access")
                && !answer.1.contains("another executor of this database")
            {
                break;
            }
            answer = self.sql(text, may_fail);
        }
        answer
    }

    fn sh(&mut self, text: &str) -> (bool, String) {
        let mut output = String::new();
        for command in text.lines().map(str::trim) {
            match line(command) {
                Line::Run => {
                    let mut sh = self.command("sh");
                    sh.args(["-e", "-c", command]);
                    let (success, said) = run(sh, "");
                    output += &said;
                    if !success {
                        return (false, output);
                    }
                }
                Line::Restart => self.server.restart(StopMode::Fast),
                Line::Elsewhere => {}
            }
        }
        (true, output)
    }
}

/// Runs a command, and returns whether it succeeded and all that it said.
fn run(mut command: Command, input: &str) -> (bool, String) {
    // psql names the line of a script where it says ERROR: what is said is one stream.
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let both = writer.try_clone().expect("a pipe");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(both)
        .spawn()
        .expect("the command runs");
    // The command still holds ends of the pipe that would keep it open.
    drop(command);
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(input.as_bytes())
        .expect("the command reads");
    drop(stdin);
    let said = std::io::read_to_string(&mut reader).expect("the command says text");
    let status = child.wait().expect("the command ends");
    (status.success(), said)
}

/// Runs every block of a page, and compares what it gives with what the page shows.
fn run_page(page: &str, reader: &mut Reader) {
    let path = format!("{REPOSITORY}/{page}");
    let markdown = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{page}: {e}"));
    let blocks = blocks(&markdown);
    assert!(
        blocks.iter().any(|block| block.language == "sql"),
        "{page} has no example"
    );
    for (i, block) in blocks.iter().enumerate() {
        let expected = blocks
            .get(i + 1)
            .filter(|next| next.language == "text")
            .map(|next| next.text.as_str());
        let (success, output) = match block.language.as_str() {
            "sql" => reader.sql_in_turn(&block.text, expected.is_some()),
            "sh" if page == README => reader.sh(&block.text),
            "conf" if page == README => {
                reader.server.append_conf(&block.text);
                continue;
            }
            _ => continue,
        };
        let place = format!("{page}:{}:\n{}", block.line, block.text);
        match expected {
            None => assert!(success, "{place}failed:\n{output}"),
            Some(expected) => assert!(
                matches(expected, &output),
                "{place}should give:\n{expected}but gives:\n{output}"
            ),
        }
    }
}

#[test]
fn every_command_of_the_readme_gives_what_the_readme_shows() {
    let server = Server::options().start();
    let product = Product::install(&server, Version::NEWEST);
    scene::set(&product);
    let database = product.database().to_owned();
    drop(product);
    run_page(README, &mut Reader { server, database });
}

/// All SQL of a page that is to be run.
fn sql_of(page: &str) -> String {
    let markdown = std::fs::read_to_string(format!("{REPOSITORY}/{page}")).expect("a page");
    let blocks = blocks(&markdown).into_iter();
    let sql = blocks.filter(|block| block.language == "sql");
    sql.map(|block| block.text).collect()
}

/// The pages of `docs` that have SQL.
fn pages() -> Vec<String> {
    let names = std::fs::read_dir(format!("{REPOSITORY}/docs")).expect("the folder docs");
    let mut pages: Vec<String> = names
        .map(|entry| entry.expect("a name").file_name().into_string())
        .map(|name| format!("docs/{}", name.expect("UTF-8")))
        .filter(|page| page.ends_with(".md") && !sql_of(page).is_empty())
        .collect();
    pages.sort();
    pages
}

#[test]
fn all_sql_of_the_pages_runs() {
    let pages = pages();
    assert!(pages.len() >= 8, "{pages:?}");
    // A page may change what holds for the whole server.
    let read = |page: &str| {
        let server = Server::options()
            .preload("workspace-autobuild, pg_stat_statements")
            .start();
        let product = Product::install(&server, Version::NEWEST);
        scene::set(&product);
        if !sql_of(page).contains("CREATE EXTENSION \"workspace-autobuild\"") {
            product.create_extension();
        }
        let database = product.database().to_owned();
        drop(product);
        run_page(page, &mut Reader { server, database });
    };
    // Each says for itself what failed.
    std::thread::scope(|scope| {
        let read = &read;
        for page in &pages {
            scope.spawn(move || read(page));
        }
    });
}

/// The page on timers.
const TIMERS: &str = "docs/WITHOUT-WORKER.md";

/// The blocks of the page on timers that have this in them.
fn of_timers(what: &str) -> Vec<Block> {
    let page = std::fs::read_to_string(format!("{REPOSITORY}/{TIMERS}")).expect("the page");
    let mut found = blocks(&page);
    found.retain(|block| block.text.contains(what));
    found
}

/// A database with the extension and the timer's role, as the page makes it.
fn with_timers_role(server: Server) -> (Reader, Product) {
    let product = Product::with_extension(&server, Version::NEWEST);
    let database = product.database().to_owned();
    let reader = Reader { server, database };
    let role = of_timers("CREATE ROLE");
    assert_eq!(role.len(), 1);
    let (success, output) = reader.sql(&role[0].text, false);
    assert!(success, "{output}");
    (reader, product)
}

const STOPS: &str = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";

/// Here the job runs once at each start of the server, so that nobody waits for a minute;
/// `make test-beside` does.
#[test]
fn the_timers_job_ticks_with_pg_cron_in_both_of_its_modes() {
    let server = Server::options_without_worker().start();
    if !server
        .installation()
        .extension_dir()
        .join("pg_cron.control")
        .exists()
    {
        eprintln!("SKIPPED: `make setup` found no pg_cron for this PostgreSQL");
        return;
    }
    let (mut reader, product) = with_timers_role(server);
    reader
        .server
        .append_conf("shared_preload_libraries = 'pg_cron'\ncron.database_name = 'postgres'\n");
    reader.server.restart(StopMode::Fast);
    product.reconnect();
    let job = of_timers("cron.schedule_in_database");
    assert_eq!(job.len(), 1);
    let job = job[0]
        .text
        .replace("'coder'", &format!("'{}'", product.database()));
    reader
        .server
        .client("postgres")
        .batch_execute(&format!(
            "CREATE EXTENSION pg_cron; {job}; UPDATE cron.job SET schedule = '@reboot'",
        ))
        .expect("a job");
    let template = product.template("docker").create();
    for (round, by_workers) in [(1, "off"), (2, "on")] {
        template.workspace(&format!("dev-{round}")).create_overdue();
        reader
            .server
            .append_conf(&format!("cron.use_background_workers = {by_workers}\n"));
        reader.server.restart(StopMode::Fast);
        product.reconnect();
        let runs = "SELECT status, username, return_message FROM cron.job_run_details
                     WHERE status IN ('succeeded', 'failed') ORDER BY runid";
        let ended = await_some("the job ends", SOON, || {
            let ended = texts(&mut reader.server.client("postgres"), runs);
            (ended.len() == round).then_some(ended)
        });
        let (status, by) = (
            ended[round - 1][0].as_deref(),
            ended[round - 1][1].as_deref(),
        );
        assert_eq!(
            (status, by),
            (Some("succeeded"), Some("autobuild_timer")),
            "{by_workers}: {ended:?}"
        );
        assert_eq!(product.value(STOPS), Some(round.to_string()), "{ended:?}");
    }
}

#[test]
fn the_command_of_the_systemd_timer_is_a_tick() {
    let (reader, product) = with_timers_role(Server::options_without_worker().start());
    let service = of_timers("ExecStart=");
    assert_eq!(service.len(), 1);
    let command = service[0]
        .text
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .expect("a command")
        .replace("-Xqd coder", &format!("-Xqd {}", product.database()));
    product
        .template("docker")
        .create()
        .workspace("dev")
        .create_overdue();
    let mut sh = reader.command("sh");
    sh.args(["-e", "-c", &command])
        .env("PGUSER", "autobuild_timer");
    let (success, output) = run(sh, "");
    assert!(success && output.contains('1'), "{output}");
    assert_eq!(product.value(STOPS).as_deref(), Some("1"));
}

#[test]
fn blocks_are_found_with_their_language() {
    let found = blocks("one\n```sql\nSELECT 1;\n```\ntwo\n```\nplain\n\n```\n");
    let block = |language: &str, line: usize, text: &str| Block {
        language: language.to_owned(),
        line,
        text: text.to_owned(),
    };
    assert_eq!(
        found,
        [block("sql", 2, "SELECT 1;\n"), block("", 6, "plain\n\n")]
    );
}

#[test]
fn dots_stand_for_anything_and_nothing_else_does() {
    assert!(matches("a\nb\n", "a  \nb\n\n"));
    assert!(matches("a ... c", "a b b c"));
    assert!(matches("... x ... z", "1 x 2 x 3 z"));
    assert!(matches("a\n...\nd", "a\nb\nc\nd"));
    assert!(matches("a\n...", "a"));
    assert!(!matches("a", "a\nb"));
    assert!(!matches("a\nb", "a"));
    assert!(!matches("a ... c", "a b d"));
    assert!(!matches("a.b", "axb"));
}
