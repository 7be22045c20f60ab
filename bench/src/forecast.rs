//! A forecast of a year, beside asking the schedule of each workspace for its next run on each
//! of its days.

use postgres::Client;
use workspace_autobuild_tests::product::value;

use crate::Config;
use crate::data::{IDLE, ZONES, statement};
use crate::measure::{Samples, timed};
use crate::report::Report;
use crate::server::Bench;

/// Runs of one workspace in so many are asked for one by one; all of them would take minutes.
const ONE_IN: u32 = 20;

/// Every workspace gets a schedule of its own that runs each day; half of them are stopped after
/// eight hours.
fn schedules(client: &mut Client) {
    let zones: Vec<String> = ZONES.iter().map(|zone| format!("'{zone}'")).collect();
    statement(
        client,
        &format!(
            "WITH numbered AS (SELECT id, row_number() OVER (ORDER BY id)::int AS i FROM workspaces)
             UPDATE workspaces w
                SET autostart_schedule = 'CRON_TZ=' || (ARRAY[{zones}])[1 + i % {count}]
                        || ' ' || i / {count} % 60 || ' ' || i / {count} / 60 % 24 || ' * * '
                        || (ARRAY['*', '0-6', '*/1'])[1 + i / {count} / 60 / 24 % 3],
                    next_start_at = NULL
               FROM numbered WHERE numbered.id = w.id",
            zones = zones.join(", "),
            count = ZONES.len()
        ),
    );
    statement(client, "VACUUM ANALYZE workspaces");
}

/// Megabytes of memory that a session has had of its own, at most.
fn memory(client: &mut Client) -> Option<f64> {
    let pid = value(client, "SELECT pg_backend_pid()")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    Some((kilobytes("VmHWM:")? - kilobytes("RssShmem:")? - kilobytes("RssFile:")?) / 1024.0)
}

/// Measures it.
pub(crate) fn run(config: &Config, bench: &Bench, report: &mut Report) {
    let copy = bench.copy();
    schedules(&mut copy.connect());
    let what = "forecast of a year, a schedule each";
    let mut least = f64::NAN;
    for (how, by, bucket) in [
        ("all, by hours", "all", "1 hour"),
        ("by template, by days", "template", "1 day"),
    ] {
        let mut client = copy.connect();
        let sql = format!(
            "SELECT sum(starts) FROM autobuild_forecast('{IDLE}',
                 timestamptz '{IDLE}' + interval '365 days', '{bucket}', '{by}')"
        );
        let mut samples = Samples::default();
        for _ in 0..=config.repeat {
            let (took, starts) = timed(|| value(&mut client, &sql));
            samples.add(took);
            report.note(format!(
                "{what}, {how}: {} starts.",
                starts.unwrap_or_default()
            ));
        }
        least = samples.median().min(least);
        report.add(bench.size, what, how, "ms", samples.scaled(1e3));
        if let Some(megabytes) = memory(&mut client) {
            let mut memory = Samples::default();
            memory.push(megabytes);
            report.add(bench.size, "memory of such a session", how, "MB", memory);
        }
    }
    let mut client = copy.connect();
    let mut samples = Samples::default();
    for _ in 0..config.repeat {
        let sql = format!(
            "SELECT count(*) FROM (SELECT autostart_schedule FROM workspaces
                                    ORDER BY id LIMIT {}) w,
                    generate_series(timestamptz '{IDLE}',
                                    timestamptz '{IDLE}' + interval '364 days', '1 day') d,
                    LATERAL autobuild_schedule_next(w.autostart_schedule, d) n",
            bench.size / ONE_IN
        );
        let (took, _) = timed(|| value(&mut client, &sql));
        samples.push(took.as_secs_f64() * f64::from(ONE_IN));
    }
    let ratio = samples.median() / least;
    report.add(
        bench.size,
        what,
        "autobuild_schedule_next for each day",
        "ms",
        samples.scaled(1e3),
    );
    report.ratio(ratio, "x the forecast");
}
