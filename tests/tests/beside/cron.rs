//! pg_cron in the place of a worker, each minute, as docs/WITHOUT-WORKER.md has it.

use std::time::Duration;

use postgres::Client;
use workspace_autobuild_tests::product::{execute, texts, value};
use workspace_autobuild_tests::{Product, Server, StopMode, Version, await_until};

use super::STOPS;

/// The next minute, and what a job takes.
const NEXT_MINUTE: Duration = Duration::from_secs(75);

/// Runs of the job that have ended so far.
fn runs(cron: &mut Client) -> Vec<Vec<Option<String>>> {
    texts(
        cron,
        "SELECT status, return_message FROM cron.job_run_details
          WHERE status IN ('succeeded', 'failed') ORDER BY runid",
    )
}

/// Waits until the job has run once more, and well.
#[track_caller]
fn await_run(cron: &mut Client) {
    let before = runs(cron).len();
    await_until("one more run of the job", NEXT_MINUTE, || {
        runs(cron).len() > before
    });
    let all = runs(cron);
    let ended = all.last().and_then(|run| run.first());
    assert_eq!(ended, Some(&Some("succeeded".to_owned())), "{all:?}");
}

#[test]
#[ignore = "make test-beside"]
fn a_job_each_minute_makes_the_ticks_in_both_modes_and_a_pause_and_action_hold() {
    let mut server = Server::options_without_worker()
        .set("cron.database_name", "postgres")
        .preload("pg_cron")
        .start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let database = product.database().to_owned();
    execute(
        &mut product.superuser(),
        &format!(
            "CREATE ROLE autobuild_timer LOGIN;
             GRANT EXECUTE ON FUNCTION autobuild_run TO autobuild_timer;
             ALTER ROLE autobuild_timer IN DATABASE {database}
                 SET default_transaction_isolation = 'repeatable read'"
        ),
    );
    execute(
        &mut server.client("postgres"),
        &format!(
            "CREATE EXTENSION pg_cron;
             SELECT cron.schedule_in_database('autobuild', '* * * * *', 'SELECT autobuild_run()',
                                              '{database}', 'autobuild_timer')"
        ),
    );
    let template = product.template("docker").create();
    let mut stops = 0;
    for by_workers in ["off", "on"] {
        server.append_conf(&format!("cron.use_background_workers = {by_workers}\n"));
        server.restart(StopMode::Fast);
        product.reconnect();
        let mut cron = server.client("postgres");
        let mut client = product.superuser();
        let stopped = |client: &mut Client| value(client, STOPS);
        for name in ["made", "made in turn"] {
            let name = format!("{name} {by_workers}");
            template.workspace(&name).create_overdue();
            stops += 1;
            await_run(&mut cron);
            assert_eq!(stopped(&mut client), Some(stops.to_string()), "{name}");
        }
        execute(&mut client, "SELECT autobuild_pause('maintenance')");
        template
            .workspace(&format!("paused {by_workers}"))
            .create_overdue();
        await_run(&mut cron);
        assert_eq!(stopped(&mut client), Some(stops.to_string()), "paused");
        execute(
            &mut client,
            &format!(
                "SELECT autobuild_resume();
                 ALTER DATABASE {database} SET workspace_autobuild.action = observe"
            ),
        );
        await_run(&mut cron);
        assert_eq!(stopped(&mut client), Some(stops.to_string()), "observed");
        let observed = "SELECT observed, source FROM autobuild_ticks ORDER BY tick_id DESC LIMIT 1";
        let last = [[Some("1".to_owned()), Some("manual".to_owned())]];
        assert_eq!(texts(&mut client, observed), last);
        execute(
            &mut client,
            &format!("ALTER DATABASE {database} RESET workspace_autobuild.action"),
        );
        stops += 1;
        await_run(&mut cron);
        assert_eq!(stopped(&mut client), Some(stops.to_string()), "resumed");
    }
}
