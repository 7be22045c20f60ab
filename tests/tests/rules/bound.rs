//! A scan works each schedule out once and leaves out whom no schedule starts: what it says is
//! due is what is due of each workspace, looked at alone.

use workspace_autobuild_tests::autobuild::on_each_version;
use workspace_autobuild_tests::product::{Fields, Value};
use workspace_autobuild_tests::{Operator, Product, Transition};

/// A text that is too long to be worked out beforehand.
const LONG: &str = "repeat('0,', 150) || '0 9 * * *'";

/// Stopped and running workspaces with schedules of every kind, in templates that block some
/// weekdays, the builds spread over three weeks before the sixth of November 2024: the clocks
/// of New York were moved on the third.
fn crowd(product: &Product) {
    let schedule = Value::sql(format!(
        "(ARRAY['0 9 * * *', 'CRON_TZ=America/New_York 30 1 * * *', '* * * * *',
                'CRON_TZ=America/New_York 30 1 * * SUN', 'CRON_TZ=Asia/Tokyo 0 9 * * 1-5',
                '0 9 * * 6', 'CRON_TZ=Pacific/Kiritimati 5 0 * * *', '', 'nonsense',
                ', 9 * * *', NULL, {LONG}])[1 + i % 12]"
    ));
    let created_at = Value::sql(
        "timestamptz '2024-11-06 09:00:00+00' - i % 7 * interval '1 minute'
         - i * 7919 % 500 * interval '1 hour'",
    );
    for blocked in [0, 1, 0b110_0000, 0b101_0101, 0b111_1111] {
        let template = product
            .template(&format!("blocks-{blocked}"))
            .set_if_there("autostart_block_days_of_week", blocked)
            .set_if_there("failure_ttl", if blocked == 1 { 1_000_000 } else { 0 })
            .create();
        for (count, transition) in [(48, Transition::Stop), (12, Transition::Start)] {
            template
                .workspaces(count, transition)
                .schedule(schedule.clone())
                .created_at(created_at.clone())
                .deadline(created_at.clone())
                .set_if_there(
                    "next_start_at",
                    Value::sql(
                        "CASE i % 5 WHEN 0 THEN timestamptz '2024-10-01' WHEN 1 THEN '2024-11-04' END",
                    ),
                )
                .create();
        }
    }
}

/// How many a scan says are due; each workspace alone says the same of itself.
fn agreed(operator: &Operator<'_>, at: &str, context: &str) -> usize {
    let differ = operator.rows(&format!(
        "WITH scanned AS (SELECT workspace_id AS id FROM autobuild_preview('{at}')),
              alone AS (SELECT w.id FROM workspaces w, autobuild_next_transition(w.id, '{at}') n
                         WHERE n.due)
         SELECT w.autostart_schedule, 'only by scan'
           FROM scanned JOIN workspaces w USING (id)
          WHERE id NOT IN (SELECT id FROM alone)
         UNION ALL
         SELECT w.autostart_schedule, 'only alone'
           FROM alone JOIN workspaces w USING (id)
          WHERE id NOT IN (SELECT id FROM scanned)"
    ));
    assert!(differ.is_empty(), "{context} at {at}: {differ:?}");
    operator.preview(at).len()
}

#[test]
fn what_a_scan_says_is_due_is_what_is_due_of_each_workspace_alone() {
    on_each_version(|product, operator| {
        crowd(product);
        for (licensed, delay, spread) in [
            ("on", "0", "0"),
            ("off", "0", "0"),
            ("on", "90min", "0"),
            ("on", "9d", "1h"),
        ] {
            operator.set("licensed_rules", licensed);
            operator.set("max_start_delay", delay);
            operator.set("spread_starts", spread);
            let version = product.version();
            let context = format!(
                "{version}, licensed_rules {licensed}, max_start_delay {delay}, \
                 spread_starts {spread}"
            );
            let mut counts: Vec<usize> = ["03 05:30", "03 06:30", "04 09:00", "06 09:00"]
                .map(|at| agreed(operator, &format!("2024-11-{at}:00+00"), &context))
                .to_vec();
            let all = counts.iter().all(|due| (15..250).contains(due));
            counts.dedup();
            assert!(all && counts.len() > 1, "{context}: {counts:?}");
        }
    });
}

#[test]
fn a_tick_fills_in_what_it_would_fill_in_of_each_workspace_alone() {
    on_each_version(|product, operator| {
        if !product.facts().has_column("workspaces", "next_start_at") {
            return;
        }
        crowd(product);
        // So that nothing is due, and all that is empty is only to be filled in.
        product.execute(
            "UPDATE workspace_builds SET created_at = '2024-11-06 09:00:30+00',
                    deadline = '0001-01-01 00:00:00+00'",
        );
        operator.set("batch_size", "1000");
        assert_eq!(operator.tick("2024-11-06 09:00:59+00"), []);
        let empty = operator.rows(
            "SELECT t.autostart_block_days_of_week, w.autostart_schedule, count(*)
               FROM workspaces w JOIN templates t ON t.id = w.template_id
               JOIN workspace_builds b ON b.workspace_id = w.id
              WHERE w.next_start_at IS NULL AND b.transition = 'stop'
                AND w.autostart_schedule ~ '^[^,n]' AND w.autostart_schedule !~ '1-5|SUN|6$'
              GROUP BY 1, 2",
        );
        // Those of the template that blocks every day have no run to be filled in with.
        assert!(
            !empty.is_empty() && empty.iter().all(|row| row[0].as_deref() == Some("127")),
            "{empty:?}"
        );
    });
}
