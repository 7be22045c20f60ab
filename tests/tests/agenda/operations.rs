//! What a product does to its tables, at random: statements as its server, its users and
//! its administrators cause them.

use fastrand::Rng;
use serde_json::json;
use uuid::Uuid;
use workspace_autobuild_tests::product::facts::Facts;
use workspace_autobuild_tests::product::{
    HOUR, MINUTE, PREBUILDS_OWNER, Row, Value, quote_literal,
};
use workspace_autobuild_tests::{Product, Version};

/// Who and what is there. Ids may be of rows that were rolled back: statements about
/// them do nothing.
#[derive(Clone)]
pub struct World {
    facts: Facts,
    organization: Uuid,
    users: Vec<Uuid>,
    /// Each with its version.
    templates: Vec<(Uuid, Uuid)>,
    workspaces: Vec<Uuid>,
    /// Part of every name, so that no two writers choose the same.
    writer: usize,
    made: usize,
}

const SCHEDULES: &[&str] = &[
    "CRON_TZ=UTC * * * * *",
    "CRON_TZ=Europe/Berlin */7 * * * *",
    "CRON_TZ=America/New_York 0 * * * *",
    "CRON_TZ=Asia/Kolkata 30 9 * * 1-5",
    "CRON_TZ=UTC 0 6 * * 0,6",
    "CRON_TZ=Europe/Berlin 30 2 * * 0",
    "0 9 * * *",
    "",
    "no schedule",
    "CRON_TZ=Nowhere/Atall 0 9 * * *",
    "CRON_TZ=UTC 61 9 * * *",
];

const TTLS: [&str; 6] = [
    "failure_ttl",
    "inactivity_ttl",
    "locked_ttl",
    "time_til_dormant",
    "time_til_dormant_autodelete",
    "time_til_autostop_notify",
];

impl World {
    /// Users, templates and some workspaces; a provisioner takes every job.
    pub fn new(product: &Product) -> World {
        let mut world = World {
            facts: Facts::of(product.version()),
            organization: product.organization().id,
            users: Vec::new(),
            templates: Vec::new(),
            workspaces: Vec::new(),
            writer: 0,
            made: 0,
        };
        for name in ["anna", "ben", "chen", "dora"] {
            world.users.push(product.user(name).create().id);
        }
        world.users.push(product.prebuilds_user().create().id);
        for name in ["docker", "kubernetes", "aws"] {
            let template = product.template(name).create();
            world.templates.push((template.id, template.version));
            if name == "docker" {
                continue;
            }
            for column in TTLS {
                if world.has("templates", column) {
                    template.update(column, 30 * HOUR);
                }
            }
        }
        world
    }

    /// The same world for another writer.
    pub fn for_writer(&self, writer: usize) -> World {
        World {
            writer,
            ..self.clone()
        }
    }

    fn has(&self, table: &str, column: &str) -> bool {
        self.facts.has_column(table, column)
    }

    /// A statement, or several of one transaction.
    pub fn operation(&mut self, rng: &mut Rng) -> String {
        if self.workspaces.len() < 80 {
            return self.create_workspace(rng);
        }
        match rng.u32(0..100) {
            0..=3 => self.create_workspace(rng),
            4..=12 => self.build(rng),
            13..=34 => self.job(rng),
            35..=42 => self.jobs(rng),
            43..=54 => self.deadline(rng),
            55..=62 => self.schedule(rng),
            63..=68 => self.template(rng),
            69..=73 => self.user(rng),
            74..=80 => self.dormancy(rng),
            81..=85 => self.next_start_at(rng),
            86..=91 => self.last_used_at(rng),
            92..=95 => self.owner(rng),
            96..=97 => self.deletion(rng),
            _ => self.raw(rng),
        }
    }

    fn workspace(&self, rng: &mut Rng) -> Uuid {
        *rng.choice(&self.workspaces).expect("a workspace")
    }

    fn latest(&self, rng: &mut Rng) -> String {
        format!(
            "(SELECT id FROM workspace_builds WHERE workspace_id = '{}'
               ORDER BY build_number DESC LIMIT 1)",
            self.workspace(rng)
        )
    }

    fn latest_job(&self, rng: &mut Rng) -> String {
        let latest = self.latest(rng);
        format!("(SELECT job_id FROM workspace_builds WHERE id = {latest})")
    }

    fn create_workspace(&mut self, rng: &mut Rng) -> String {
        self.made += 1;
        let id = Uuid::from_u128(rng.u128(..));
        let (template, _) = *rng.choice(&self.templates).expect("a template");
        let mut row = Row::new("workspaces");
        row.set("id", id)
            .set("name", format!("w{}-{}", self.writer, self.made))
            .set("owner_id", *rng.choice(&self.users).expect("a user"))
            .set("organization_id", self.organization)
            .set("template_id", template)
            .set("ttl", 8 * HOUR)
            .set("last_used_at", Value::sql("now()"));
        let schedule = *rng.choice(SCHEDULES).expect("a schedule");
        row.set("autostart_schedule", schedule);
        row.set_if_there("next_start_at", Value::sql(around(rng)));
        self.workspaces.push(id);
        let workspace = row.insert(&self.facts, "");
        format!("{workspace}; {}", self.build_of(rng, id))
    }

    fn build(&mut self, rng: &mut Rng) -> String {
        let id = self.workspace(rng);
        self.build_of(rng, id)
    }

    /// A build with a job that waits; now and then one that is complete already, as an
    /// import of old rows brings it.
    fn build_of(&mut self, rng: &mut Rng, workspace: Uuid) -> String {
        let (build, job) = (Uuid::from_u128(rng.u128(..)), Uuid::from_u128(rng.u128(..)));
        let user = *rng.choice(&self.users).expect("a user");
        let complete = rng.u8(0..4) > 0;
        let at = past(rng);
        let time = || Value::sql(at.clone());
        let mut row = Row::new("provisioner_jobs");
        row.set("id", job)
            .set("organization_id", self.organization)
            .set("initiator_id", user)
            .set("provisioner", "terraform")
            .set("storage_method", "file")
            .set("type", "workspace_build")
            .set(
                "input",
                json!({"workspace_build_id": build, "dry_run": false}),
            )
            .set("tags", json!({"scope": "organization", "owner": ""}))
            .set("created_at", time());
        if complete {
            row.set("started_at", time()).set("completed_at", time());
        }
        let job_row = row.insert(&self.facts, "");
        let transition = rng
            .choice(["start", "start", "stop", "stop", "delete"])
            .expect("a transition");
        let mut row = Row::new("workspace_builds");
        row.set("id", build)
            .set("workspace_id", workspace)
            .set("template_version_id", self.templates[0].1)
            .set("initiator_id", user)
            .set("job_id", job)
            .set("transition", transition)
            .set("created_at", time())
            .set(
                "build_number",
                Value::sql(format!(
                    "SELECT coalesce(max(build_number), 0) + 1 FROM workspace_builds
                      WHERE workspace_id = '{workspace}'"
                )),
            );
        if complete && rng.bool() {
            row.set("deadline", Value::sql(around(rng)));
        }
        // The version is the workspace's template's, or the build could never be made.
        let build_row = row.insert(&self.facts, "");
        let version = format!(
            "UPDATE workspace_builds SET template_version_id = v.id
               FROM workspaces w JOIN template_versions v ON v.template_id = w.template_id
              WHERE workspace_builds.id = '{build}' AND w.id = workspace_builds.workspace_id"
        );
        format!("{job_row}; {build_row}; {version}")
    }

    /// A provisioner is at work: it takes a job, lives, completes, fails; or a user
    /// cancels.
    fn job(&self, rng: &mut Rng) -> String {
        let job = self.latest_job(rng);
        let at = past(rng);
        let set = match rng.u32(0..16) {
            0 => "started_at = now(), updated_at = now()".to_owned(),
            1 => "updated_at = now()".to_owned(),
            2 => format!("canceled_at = {at}"),
            3 => format!("canceled_at = {at}, completed_at = {at}"),
            4 => format!("completed_at = {at}, error = 'no space'"),
            5 => "error = ''".to_owned(),
            _ => format!("started_at = {at}, completed_at = {at}, error = NULL"),
        };
        let complete = format!("UPDATE provisioner_jobs SET {set} WHERE id = {job}");
        if rng.bool() {
            let deadline = around(rng);
            format!(
                "{complete}; UPDATE workspace_builds SET deadline = {deadline}, updated_at = now()
                  WHERE job_id = {job}"
            )
        } else {
            complete
        }
    }

    /// A provisioner catches up with all that waits; or all comes to life again.
    fn jobs(&self, rng: &mut Rng) -> String {
        if rng.u8(0..3) == 0 {
            let awake = ["dormant_at", "locked_at"]
                .into_iter()
                .find(|column| self.has("workspaces", column))
                .map_or(String::new(), |column| format!(", {column} = NULL"));
            return format!(
                "UPDATE users SET status = 'active';
                 UPDATE templates SET allow_user_autostart = true;
                 UPDATE workspaces SET deleted = false, last_used_at = now(){awake}"
            );
        }
        format!(
            "UPDATE provisioner_jobs SET completed_at = {}, error = NULL
              WHERE completed_at IS NULL OR error <> ''",
            past(rng)
        )
    }

    fn deadline(&self, rng: &mut Rng) -> String {
        let latest = self.latest(rng);
        if self.has("workspace_builds", "notified_autostop_deadline") && rng.u8(0..3) == 0 {
            // Its owner was told of it; maybe it was extended or shortened then.
            let moved = rng.choice(["0", "0", "20 minutes", "3 hours", "-20 minutes"]);
            return format!(
                "UPDATE workspace_builds SET notified_autostop_deadline = deadline
                  WHERE id = {latest};
                 UPDATE workspace_builds SET deadline = deadline + interval '{}'
                  WHERE id = {latest} AND isfinite(deadline)",
                moved.expect("an interval")
            );
        }
        let set = match rng.u32(0..6) {
            0 => "'0001-01-01 00:00:00+00'".to_owned(),
            1 => "deadline + interval '1 hour'".to_owned(),
            2 => "deadline - interval '7 hours'".to_owned(),
            3 => "'infinity'".to_owned(),
            _ => around(rng),
        };
        format!("UPDATE workspace_builds SET deadline = {set} WHERE id = {latest}")
    }

    fn schedule(&self, rng: &mut Rng) -> String {
        let schedule = match rng.u32(0..5) {
            0 => "NULL".to_owned(),
            _ => quote_literal(rng.choice(SCHEDULES).expect("a schedule")),
        };
        let next = if self.has("workspaces", "next_start_at") && rng.bool() {
            format!(", next_start_at = {}", around(rng))
        } else {
            String::new()
        };
        format!(
            "UPDATE workspaces SET autostart_schedule = {schedule}{next}, updated_at = now()
              WHERE id = '{}'",
            self.workspace(rng)
        )
    }

    fn template(&self, rng: &mut Rng) -> String {
        let mut options = vec![format!("allow_user_autostart = {}", rng.u8(0..4) > 0)];
        let ttl = rng
            .choice([0, MINUTE, 5 * HOUR, 24 * HOUR, 100 * HOUR])
            .expect("a duration");
        for column in TTLS {
            if self.has("templates", column) {
                options.push(format!("{column} = {ttl}"));
            }
        }
        if self.has("templates", "autostart_block_days_of_week") {
            let days = rng.choice([0, 0, 31, 96, 127, 1 << 3]).expect("days");
            options.push(format!("autostart_block_days_of_week = {days}"));
        }
        format!(
            "UPDATE templates SET {}, updated_at = now() WHERE id = '{}'",
            rng.choice(&options).expect("an option"),
            rng.choice(&self.templates).expect("a template").0
        )
    }

    fn user(&self, rng: &mut Rng) -> String {
        let mut statuses = vec!["active", "active", "active", "suspended"];
        if self.facts.version >= Version::V2_5_0 {
            statuses.push("dormant");
        }
        format!(
            "UPDATE users SET status = '{}', updated_at = now() WHERE id = '{}'",
            rng.choice(statuses).expect("a status"),
            rng.choice(&self.users).expect("a user")
        )
    }

    fn dormancy(&self, rng: &mut Rng) -> String {
        let id = self.workspace(rng);
        let column = ["dormant_at", "locked_at"]
            .into_iter()
            .find(|column| self.has("workspaces", column));
        let Some(column) = column else {
            return self.last_used_at(rng);
        };
        let mut set = match rng.u32(0..4) {
            0 => format!("{column} = {}", past(rng)),
            1 | 2 => format!("{column} = NULL, last_used_at = now()"),
            _ => format!("{column} = {column}"),
        };
        if self.has("workspaces", "deleting_at") {
            let at = if rng.bool() {
                around(rng)
            } else {
                "NULL".to_owned()
            };
            set.push_str(&format!(", deleting_at = {at}"));
        }
        format!("UPDATE workspaces SET {set} WHERE id = '{id}'")
    }

    fn next_start_at(&self, rng: &mut Rng) -> String {
        if !self.has("workspaces", "next_start_at") {
            return self.schedule(rng);
        }
        let at = if rng.bool() {
            around(rng)
        } else {
            "NULL".to_owned()
        };
        format!(
            "UPDATE workspaces SET next_start_at = {at} WHERE id = '{}'",
            self.workspace(rng)
        )
    }

    fn last_used_at(&self, rng: &mut Rng) -> String {
        let at = match rng.u32(0..6) {
            0 => "'0001-01-01 00:00:00+00'".to_owned(),
            1 | 2 => past(rng),
            _ => "now()".to_owned(),
        };
        format!(
            "UPDATE workspaces SET last_used_at = {at} WHERE id = '{}'",
            self.workspace(rng)
        )
    }

    /// A claim of a prebuild, or the reverse, which no product does.
    fn owner(&self, rng: &mut Rng) -> String {
        let user = if rng.u8(0..4) == 0 {
            PREBUILDS_OWNER
        } else {
            *rng.choice(&self.users).expect("a user")
        };
        format!(
            "UPDATE workspaces SET owner_id = '{user}' WHERE id = '{}'",
            self.workspace(rng)
        )
    }

    fn deletion(&self, rng: &mut Rng) -> String {
        format!(
            "UPDATE workspaces SET deleted = {} WHERE id = '{}'",
            rng.u8(0..3) == 0,
            self.workspace(rng)
        )
    }

    /// What only an administrator does, by hand.
    fn raw(&self, rng: &mut Rng) -> String {
        let latest = self.latest(rng);
        match rng.u32(0..6) {
            0 | 1 => format!("DELETE FROM workspace_builds WHERE id = {latest}"),
            2 => format!(
                "UPDATE workspace_builds SET created_at = created_at - interval '2 days'
                  WHERE id = {latest}"
            ),
            3 => format!(
                "UPDATE workspaces SET template_id = '{}' WHERE id = '{}'",
                rng.choice(&self.templates).expect("a template").0,
                self.workspace(rng)
            ),
            4 => format!(
                "UPDATE workspace_builds SET transition =
                        (CASE transition WHEN 'start' THEN 'stop' ELSE 'start' END)::workspace_transition
                  WHERE id = {latest}"
            ),
            _ => format!(
                "UPDATE workspace_builds SET workspace_id = '{}', build_number = build_number + 900
                  WHERE id = {latest}",
                self.workspace(rng)
            ),
        }
    }
}

/// A time that has passed, as SQL.
fn past(rng: &mut Rng) -> String {
    match rng.u32(0..4) {
        0 => "now()".to_owned(),
        1 => format!(
            "(date_trunc('minute', now()) - interval '{} minutes')",
            rng.u32(0..4)
        ),
        2 => format!("(now() - interval '{} minutes')", rng.u32(0..600)),
        _ => format!("(now() - interval '{} hours')", rng.u32(0..200)),
    }
}

/// A time that has passed or is to come, as SQL.
fn around(rng: &mut Rng) -> String {
    match rng.u32(0..3) {
        0 => past(rng),
        1 => format!(
            "(date_trunc('minute', now()) + interval '{} minutes')",
            rng.u32(0..5)
        ),
        _ => format!("(now() + interval '{} minutes')", rng.u32(0..3000)),
    }
}
