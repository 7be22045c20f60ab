//! Workspaces of all kinds, and ticks that are followed by what the product would do.

use std::collections::{BTreeMap, HashMap, HashSet};

use postgres::Client;
use uuid::Uuid;
use workspace_autobuild_tests::autobuild::{Attempt, Operator, records, try_records};
use workspace_autobuild_tests::product::{Fields, HOUR, Value, execute};
use workspace_autobuild_tests::{Product, Provisioner, Transition, Version};

/// When it begins: a week before the clocks of Europe are moved.
pub const SINCE: &str = "2026-03-21 00:00:00+00";

/// By organization, by template and all together, as `by` has it.
pub const BY: [&str; 3] = ["all", "template", "organization"];

/// What is counted in a bucket: starts, stops, deletes, marks, and the most that run.
pub type Counted = [i32; 5];

/// The product with workspaces of many kinds, whose times are all multiples of `step` minutes.
pub fn many(product: &Product, count: u32, step: u32) {
    let has = |table: &str, column: &str| product.facts().has_column(table, column);
    let other = product.new_organization("other").create();
    product.daemon("of the other").organization(other).create();
    let sleeper = product.user("sleeper");
    let sleeper = if has("users", "quiet_hours_schedule") {
        sleeper.set("quiet_hours_schedule", "CRON_TZ=Europe/Berlin 30 1 * * *")
    } else {
        sleeper
    };
    let sleeper = sleeper.create();
    let gone = product.user("gone").suspended().create();
    let plain = product.template("plain").set("failure_ttl", 12 * HOUR);
    let fixed = product.template("fixed").set("allow_user_autostop", false);
    let fixed = fixed.set("default_ttl", 9 * HOUR).organization(other);
    let mut blocked = product.template("blocked");
    if has("templates", "autostart_block_days_of_week") {
        blocked = blocked.set("autostart_block_days_of_week", 0b110_0100);
    }
    let mut required = product.template("required");
    if has("templates", "autostop_requirement_days_of_week") {
        required = required
            .set("autostop_requirement_days_of_week", 0b001_0010)
            .set("autostop_requirement_weeks", 2);
    }
    let mut unused = product.template("unused");
    if has("templates", "time_til_dormant") {
        unused = unused
            .set("time_til_dormant", 100 * HOUR)
            .set("time_til_dormant_autodelete", 50 * HOUR);
    }
    let templates = [
        plain.create(),
        fixed.create(),
        blocked.create(),
        required.create(),
        unused.create(),
    ];
    // Whole steps of minutes, hours or days; half of the schedules have a zone.
    let minute = format!("(i * 7 % {} * {step})", 60 / step);
    let schedule = format!(
        "CASE i % 4 WHEN 0 THEN 'CRON_TZ=Europe/Berlin ' WHEN 1 THEN 'CRON_TZ=America/New_York '
                    ELSE '' END || {minute} || ' ' || i * 5 % 24 || ' * * '
         || CASE i % 3 WHEN 0 THEN '1-5' WHEN 1 THEN '*' ELSE '0,3,6' END"
    );
    let ttl = format!("(i * 13 % 40 + 1) * {step} * 60000000000::bigint * 2");
    let ago = |what: &str| {
        Value::sql(format!(
            "timestamptz '{SINCE}' - {what} * interval '{step} minutes'"
        ))
    };
    let each = count / 20;
    for template in &templates {
        for (place, kind) in [
            Transition::Stop,
            Transition::Start,
            Transition::Stop,
            Transition::Start,
        ]
        .into_iter()
        .enumerate()
        {
            let mut bulk = template
                .workspaces(each, kind)
                .schedule(Value::sql(if place == 3 {
                    "NULL".to_owned()
                } else {
                    schedule.clone()
                }))
                .set("ttl", Value::sql(ttl.clone()))
                .set("last_used_at", ago("(i * 11 % 200)"))
                .set(
                    "owner_id",
                    if place == 2 {
                        sleeper.id
                    } else {
                        product.admin().id
                    },
                )
                .created_at(ago("(i * 3 % 48 + 1)"));
            if kind == Transition::Start {
                let deadline =
                    format!("timestamptz '{SINCE}' + (i * 17 % 60) * interval '{step} minutes'");
                bulk = bulk.deadline(Value::sql(deadline));
            }
            if place == 1 {
                // Some failed, some are under way, and some have an owner who is gone.
                bulk = bulk
                    .job("error", Value::sql("CASE WHEN i % 7 = 3 THEN 'failed' END"))
                    .set(
                        "owner_id",
                        Value::sql(format!(
                            "CASE WHEN i % 5 = 1 THEN '{}'::uuid ELSE '{}'::uuid END",
                            gone.id, sleeper.id
                        )),
                    );
            }
            bulk.create();
        }
    }
}

/// Plays ticks, and counts what they do.
pub struct Played<'p> {
    product: &'p Product,
    operator: &'p Operator<'p>,
    provisioner: Provisioner,
    running: HashSet<Uuid>,
    groups: HashMap<Uuid, [String; 3]>,
    /// By group and hour.
    pub counted: BTreeMap<(String, usize), Counted>,
}

impl<'p> Played<'p> {
    /// How things are before the first tick.
    pub fn new(product: &'p Product, operator: &'p Operator<'p>) -> Played<'p> {
        execute(&mut operator.session(), REQUIRED);
        let rows = product.rows("SELECT id, template_id, organization_id FROM workspaces");
        let groups = rows.into_iter().map(|row| {
            let mut row = row.into_iter().flatten();
            let mut next = || row.next().expect("an id");
            let (id, template, organization) = (next(), next(), next());
            (
                id.parse().expect("a uuid"),
                ["all".to_owned(), template, organization],
            )
        });
        Played {
            product,
            operator,
            provisioner: Provisioner::of(product),
            running: running(product),
            groups: groups.collect(),
            counted: BTreeMap::new(),
        }
    }

    fn count(&mut self, group: &str, hour: usize) -> &mut Counted {
        self.counted.entry((group.to_owned(), hour)).or_default()
    }

    fn most(&mut self, hour: usize) {
        let mut running: HashMap<&String, i32> = HashMap::new();
        for workspace in &self.running {
            for group in &self.groups[workspace] {
                *running.entry(group).or_default() += 1;
            }
        }
        let running: Vec<(String, i32)> = running
            .into_iter()
            .map(|(group, count)| (group.clone(), count))
            .collect();
        for (group, count) in running {
            let most = &mut self.count(&group, hour)[4];
            *most = count.max(*most);
        }
    }

    /// A tick so many minutes after the beginning, and what the product does then.
    pub fn tick(&mut self, minutes: usize) {
        let hour = minutes / 60;
        if minutes.is_multiple_of(60) {
            self.most(hour);
        }
        let at = self.product.value(&format!(
            "SELECT timestamptz '{SINCE}' + {minutes} * interval '1 minute'"
        ));
        let at = at.expect("a time");
        let rows = self.operator.tick(&at);
        if rows.is_empty() {
            return;
        }
        for row in &rows {
            assert_eq!(row.outcome, "built", "{row:?}");
            let column = match row.transition.as_str() {
                "start" => 0,
                "stop" => 1,
                "delete" => 2,
                "dormant" => 3,
                other => panic!("{other}"),
            };
            for group in self.groups[&row.workspace_id].clone() {
                self.count(&group, hour)[column] += 1;
            }
            match column {
                0 => drop(self.running.insert(row.workspace_id)),
                1 | 2 => drop(self.running.remove(&row.workspace_id)),
                _ => {}
            }
        }
        self.succeed(&rows, &at);
        self.most(hour);
    }

    /// All that was made at a tick was made just then, and succeeds at once.
    fn succeed(&mut self, rows: &[Attempt], at: &str) {
        let builds: Vec<String> = rows
            .iter()
            .filter_map(|row| row.build_id)
            .map(|id| id.to_string())
            .collect();
        let builds = builds.join(",");
        self.product.execute(&format!(
            "UPDATE workspace_builds SET created_at = '{at}' WHERE id = ANY ('{{{builds}}}')"
        ));
        let marked: Vec<String> = rows
            .iter()
            .filter(|row| ["dormancy", "autolock"].contains(&row.reason.as_str()))
            .map(|row| row.workspace_id.to_string())
            .collect();
        if !marked.is_empty() {
            self.product.execute(&format!(
                "UPDATE workspaces w SET {dormant} = '{at}',
                        deleting_at = timestamptz '{at}' + (w.deleting_at - w.{dormant})
                  WHERE id = ANY ('{{{}}}')",
                marked.join(","),
                dormant = self.product.dormant_column(),
            ));
        }
        let clock = Value::sql(format!("timestamptz '{at}'"));
        self.provisioner.at(clock).work();
        if self
            .product
            .facts()
            .has_column("templates", "autostop_requirement_days_of_week")
        {
            let ahead = if self.product.version() < Version::V2_20_0 {
                1
            } else {
                2
            };
            self.product.execute(&format!(
                "UPDATE workspace_builds b
                    SET deadline = CASE WHEN b.deadline < '1970-01-01' THEN r.at
                                        ELSE least(b.deadline, r.at) END
                   FROM workspaces w
                   JOIN templates t ON t.id = w.template_id
                   JOIN users u ON u.id = w.owner_id
                  CROSS JOIN LATERAL required('{at}', {ahead}, t.autostop_requirement_days_of_week,
                       t.autostop_requirement_weeks, u.quiet_hours_schedule <> '') r(at)
                  WHERE b.id = ANY ('{{{builds}}}') AND b.transition = 'start'
                    AND w.id = b.workspace_id AND t.autostop_requirement_days_of_week <> 0"
            ));
        }
    }

    /// What runs now is what was played.
    pub fn ends_as_played(&self) {
        assert_eq!(running(self.product), self.running);
    }
}

/// The workspaces whose latest build is a start that did not fail.
fn running(product: &Product) -> HashSet<Uuid> {
    let rows = product.rows(
        "SELECT w.id FROM workspaces w
          CROSS JOIN LATERAL (SELECT b.transition, j.error FROM workspace_builds b
              JOIN provisioner_jobs j ON j.id = b.job_id
              WHERE b.workspace_id = w.id ORDER BY b.build_number DESC LIMIT 1) l
          WHERE NOT w.deleted AND l.transition = 'start' AND coalesce(l.error, '') = ''",
    );
    let ids = rows.into_iter().flatten().flatten();
    ids.map(|id| id.parse().expect("a uuid")).collect()
}

/// When a template that requires stops has a start that succeeds at `c` stopped: at the quiet
/// hours, 01:30 in Berlin for whoever has some, else midnight in UTC. Written by the calendar,
/// as the forecast is not.
const REQUIRED: &str = "
    CREATE OR REPLACE FUNCTION required(c timestamptz, ahead int, days int, weeks bigint, own boolean)
    RETURNS timestamptz LANGUAGE plpgsql AS $$
    DECLARE
        zone text := CASE WHEN own THEN 'Europe/Berlin' ELSE 'UTC' END;
        quiet interval := CASE WHEN own THEN interval '1:30' ELSE interval '0' END;
        d date := ((c + ahead * interval '1 hour') AT TIME ZONE zone)::date;
        week int := (d - date '2023-01-02') / 7;
        at timestamptz;
    BEGIN
        IF weeks > 1 AND week % weeks <> 0 THEN
            d := date '2023-01-02' + 7 * (week - week % weeks + weeks)::int;
        END IF;
        IF (d + quiet) AT TIME ZONE zone < c + interval '2 hours' THEN
            d := d + 1;
        END IF;
        WHILE days & (1 << extract(isodow FROM d)::int - 1) = 0 LOOP
            d := d + 1;
        END LOOP;
        IF d::timestamp AT TIME ZONE zone < c + interval '1 hour' THEN
            d := ((c + interval '1 hour') AT TIME ZONE zone)::date;
            at := (d + quiet) AT TIME ZONE zone;
            IF at <= c + interval '1 hour' THEN
                at := (d + 1 + quiet) AT TIME ZONE zone;
            END IF;
            RETURN at;
        END IF;
        RETURN (d + quiet) AT TIME ZONE zone;
    END $$;
";

/// What the forecast says, by group and hour.
pub fn forecast(session: &mut Client, days: usize, by: &str) -> BTreeMap<(String, usize), Counted> {
    #[derive(serde::Deserialize)]
    struct Row {
        hour: usize,
        group_id: Option<String>,
        counted: Counted,
    }
    let rows: Vec<Row> = records(
        session,
        &format!(
            "SELECT (extract(epoch FROM bucket_start - '{SINCE}') / 3600)::int AS hour, group_id,
                    ARRAY[starts, stops, deletes, dormant, running_most] AS counted
               FROM autobuild_forecast('{SINCE}', timestamptz '{SINCE}' + interval '{days} days',
                                       by => '{by}')"
        ),
    );
    let rows = rows.into_iter().map(|row| {
        let group = row.group_id.unwrap_or_else(|| "all".to_owned());
        ((group, row.hour), row.counted)
    });
    rows.collect()
}

/// Whether a session may ask at all.
pub fn try_forecast(session: &mut Client) -> Result<usize, postgres::Error> {
    let sql = "SELECT starts FROM autobuild_forecast(now(), now() + interval '2 hours')";
    try_records::<serde_json::Value>(session, sql).map(|rows| rows.len())
}
