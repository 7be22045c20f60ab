//! Every SQL function with random arguments of its types: a result or an error of the
//! server's own kind, never a panic, a hang, a broken session or memory that grows.

#![allow(clippy::indexing_slicing)]

use std::time::{Duration, Instant};

use postgres::Client;
use workspace_autobuild_tests::product::{Value, texts};
use workspace_autobuild_tests::{Product, Server, Transition, Version, invariants};

/// A call that is not done by then is hung.
const HUNG: &str = "10s";

fn calls() -> u32 {
    std::env::var("SQL_FUZZ_CALLS").map_or(3000, |text| text.parse().expect("a number of calls"))
}

/// How much a session may hold more after thousands of calls, in bytes. Under valgrind, whose
/// own books grow with what is run, it says nothing.
fn allowed_growth() -> u64 {
    let megabytes: u64 = std::env::var("SQL_FUZZ_GROWTH_MB")
        .map_or(16, |text| text.parse().expect("a number of megabytes"));
    megabytes << 20
}

/// A function of the extension's: its name and the types of its arguments.
struct Function {
    name: String,
    types: Vec<String>,
}

fn functions(client: &mut Client) -> Vec<Function> {
    let rows = texts(
        client,
        "SELECT p.oid::regproc, array_to_string(ARRAY(SELECT format_type(t, NULL)
                    FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n) ORDER BY n), ',')
           FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
           JOIN pg_extension e ON e.oid = d.refobjid
          WHERE d.deptype = 'e' AND e.extname = 'workspace-autobuild'
            AND p.prorettype <> 'trigger'::regtype AND p.prorettype <> 'event_trigger'::regtype
          ORDER BY 1",
    );
    rows.into_iter()
        .map(|row| {
            let mut texts = row.into_iter().map(Option::unwrap_or_default);
            let (name, types) = (texts.next(), texts.next().unwrap_or_default());
            Function {
                name: name.expect("a name"),
                types: types
                    .split(',')
                    .filter(|t| !t.is_empty())
                    .map(str::to_owned)
                    .collect(),
            }
        })
        .collect()
}

/// A random value of a type, as SQL.
fn argument(random: &mut fastrand::Rng, kind: &str, workspaces: &[uuid::Uuid]) -> String {
    let pick =
        |random: &mut fastrand::Rng, from: &[&str]| from[random.usize(..from.len())].to_owned();
    if random.u32(..12) == 0 {
        return format!("NULL::{kind}");
    }
    let value = match kind {
        "uuid" => match random.u32(..4) {
            0 => pick(
                random,
                &[
                    "'00000000-0000-0000-0000-000000000000'",
                    "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
                    "gen_random_uuid()",
                ],
            ),
            _ => format!("'{}'", workspaces[random.usize(..workspaces.len())]),
        },
        "timestamp with time zone" => pick(
            random,
            &[
                "'infinity'",
                "'-infinity'",
                "'4714-11-24 00:00:00+00 BC'",
                "'294276-12-31 23:59:59.999999+00'",
                "'0001-01-01 00:00:00+00'",
                "now()",
                "now() + interval '1 year'",
                "now() - interval '1 year'",
                "'2000-01-01 00:00:00+00'",
                "'2024-03-10 06:59:59.999999+00'",
            ],
        ),
        "interval" => pick(
            random,
            &[
                "'0'",
                "'1 hour'",
                "'-1 day'",
                "'178000000 years'",
                "'-178000000 years'",
                "'1 mon'",
                "'2147483647 days'",
                "'-2147483648 mons'",
                "'0.000001 s'",
                "'10 years'",
            ],
        ),
        "integer" => pick(random, &["0", "1", "-1", "2", "7", "1000", "(-2147483648)"]),
        "bigint" => pick(
            random,
            &[
                "0",
                "1",
                "-1",
                "2",
                "9223372036854775807",
                "(-9223372036854775808)",
            ],
        ),
        "text[]" => pick(
            random,
            &[
                "'{}'",
                "'{start}'",
                "'{stop,dormant}'",
                "'{start,NULL}'",
                "'{{start,stop},{delete,dormant}}'",
                "'{remind}'",
                "'[5:6]={start,stop}'",
                "array_fill('start'::text, '{100000}')",
            ],
        ),
        "boolean" => pick(random, &["true", "false"]),
        "text" => match random.u32(..4) {
            1 => pick(
                random,
                &[
                    "'all'",
                    "'workspace'",
                    "'owner'",
                    "'FREQ=DAILY'",
                    "'TZID=America/New_York;FREQ=MINUTELY;INTERVAL=90;BYMONTH=3,11'",
                    "'FREQ=YEARLY;BYYEARDAY=-366;BYSETPOS=1'",
                    "'FREQ=WEEKLY;COUNT=10000;BYDAY=MO,SU'",
                    "E'BEGIN:VCALENDAR\\nBEGIN:VEVENT\\nDTSTART:20240501T100000Z\\n'
                     'DURATION:PT1H\\nRRULE:FREQ=DAILY\\nEND:VEVENT\\nEND:VCALENDAR'",
                ],
            ),
            0 => pick(
                random,
                &[
                    "''",
                    "'0 9 * * 1-5'",
                    "'CRON_TZ=Europe/Berlin 0 9 * * *'",
                    "repeat('0,', 100000) || '0 9 * * *'",
                    "repeat('x', 1000000)",
                    "'* * * * *'",
                    "'CRON_TZ= 0 9 * * *'",
                    "'TZ=UTC 0 0 * * 7'",
                    "'product'",
                    "'postgres'",
                    "'pg_monitor'",
                    "E'\\u00e9\\u4e2d 9 * * *'",
                    "'60 9 * * *'",
                    "'*/0 9 * * *'",
                    "'5-1 9 * * *'",
                    "'99999999999999999999 9 * * *'",
                    "chr(1114111)",
                    "'CRON_TZ=posixrules 0 9 * * *'",
                ],
            ),
            _ => {
                let alphabet: Vec<char> =
                    "0123456789*/-,? @#LWMONTUEdailyCRON_TZ=Europe/Berlin\t\u{e9}\u{1f600}'\\"
                        .chars()
                        .collect();
                let text: String = (0..random.usize(..40))
                    .map(|_| alphabet[random.usize(..alphabet.len())])
                    .collect();
                format!("'{}'", text.replace('\'', "''"))
            }
        },
        other => panic!("the fuzzer has no values of type {other}"),
    };
    format!("({value})::{kind}")
}

/// Bytes that a session's process keeps for itself.
fn memory(client: &mut Client) -> u64 {
    let pid = texts(client, "SELECT pg_backend_pid()")
        .remove(0)
        .remove(0)
        .expect("a pid");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon:"))
        .expect("its memory");
    let kilobytes = line
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse::<u64>().ok());
    kilobytes.expect("a number") * 1024
}

#[test]
fn no_argument_makes_a_function_panic_hang_or_grow() {
    let seed: u64 = std::env::var("SQL_FUZZ_SEED")
        .map_or_else(|_| fastrand::u64(..), |s| s.parse().expect("a seed"));
    println!("SQL_FUZZ_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let server = Server::options_without_worker().start();
    for version in [Version::OLDEST, Version::NEWEST] {
        let product = Product::with_extension(&server, version);
        let template = product.template("docker").create();
        let mut workspaces = template
            .workspaces(15, Transition::Stop)
            .schedule("CRON_TZ=Europe/Berlin 0 9 * * *")
            .created_at(Value::sql("now() - interval '2 days'"))
            .create();
        workspaces.extend(
            template
                .workspaces(15, Transition::Start)
                .deadline(Value::sql("now() + i * interval '1 hour'"))
                .create(),
        );
        let mut client = product.superuser();
        let functions = functions(&mut client);
        assert!(functions.len() >= 12, "{} functions", functions.len());
        client
            .batch_execute(&format!("SET statement_timeout = '{HUNG}'"))
            .expect("a setting");
        let mut states = std::collections::BTreeMap::<String, u32>::new();
        let mut before = 0;
        let mut slowest = (Duration::ZERO, String::new());
        for call in 0..calls() {
            if call == calls() / 3 {
                // By now every plan is made and every cache is warm.
                before = memory(&mut client);
            }
            let function = &functions[random.usize(..functions.len())];
            let arguments: Vec<String> = function
                .types
                .iter()
                .map(|kind| argument(&mut random, kind, &workspaces))
                .collect();
            let level = ["REPEATABLE READ", "READ COMMITTED", "SERIALIZABLE"][random.usize(..3)];
            let end = if random.u32(..20) == 0 {
                "COMMIT"
            } else {
                "ROLLBACK"
            };
            let sql = format!(
                "BEGIN ISOLATION LEVEL {level}; SELECT * FROM {}({}); {end}",
                function.name,
                arguments.join(", ")
            );
            let begun = Instant::now();
            let state = match client.simple_query(&sql) {
                Ok(_) => "00000".to_owned(),
                Err(error) => {
                    let state = error
                        .code()
                        .unwrap_or_else(|| panic!("{sql}: {error:?}"))
                        .code()
                        .to_owned();
                    client.batch_execute("ROLLBACK").expect("the session lives");
                    state
                }
            };
            if begun.elapsed() > slowest.0 {
                slowest = (begun.elapsed(), sql.chars().take(200).collect());
            }
            assert!(!state.starts_with("XX"), "{state}: {sql}");
            assert_ne!(state, "57014", "hung: {sql}");
            assert_ne!(state, "42601", "an argument became syntax: {sql}");
            *states.entry(state).or_default() += 1;
        }
        let growth = memory(&mut client).saturating_sub(before);
        println!("{version}: {states:?}, the slowest {slowest:?}, {growth} bytes more");
        assert!(
            growth < allowed_growth(),
            "{version}: {growth} bytes more after {} calls",
            calls()
        );
        assert!(states["00000"] > calls() / 10, "{states:?}");
        assert_eq!(invariants::of_history(&product), Vec::<String>::new());
    }
    let log = server.log();
    let panics: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("panicked") || line.contains("terminated by signal"))
        .collect();
    assert!(panics.is_empty(), "{panics:?}");
}
