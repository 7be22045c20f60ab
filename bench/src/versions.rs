//! What the proofs about templates' sources cost a storm: starts of the same version as its
//! rows are copied (without proofs), of the same version that is proved, and onto a new one
//! that is proved.

use postgres::Client;
use workspace_autobuild_tests::product::source::archive;

use crate::Config;
use crate::data::{statement, tick_of};
use crate::report::Report;
use crate::server::{Bench, Copy};
use crate::tick::{attach, in_turn, tick};

/// The source of every template: the four parameters that their versions define.
const SOURCE: &str = r#"
data "coder_parameter" "cpu" {
  name    = "cpu"
  type    = "number"
  default = 2
  mutable = true
  validation {
    min   = 1
    max   = 32
    error = "1 to 32"
  }
}
data "coder_parameter" "image" {
  name    = "image"
  type    = "string"
  mutable = true
  validation {
    regex = "^registry\\."
    error = "must be ours"
  }
}
data "coder_parameter" "region" {
  name    = "region"
  type    = "string"
  default = "eu"
  mutable = true
  dynamic "option" {
    for_each = toset(["asia", "eu", "us"])
    content {
      name  = option.value
      value = option.value
    }
  }
}
data "coder_parameter" "user_notes" {
  name    = "user_notes"
  type    = "string"
  default = ""
  mutable = true
}
"#;

/// Storms of starts by tick of the agenda, three kinds in turn.
pub(crate) fn run(config: &Config, bench: &Bench, report: &mut Report) {
    let Some(&due) = config.storms.last() else {
        return;
    };
    let slots = bench.slots_of(due);
    let Some(&first) = slots.first() else {
        return;
    };
    let copies = [bench.copy(), bench.copy(), bench.copy()];
    let mut clients = copies.each_ref().map(Copy::connect);
    for (kind, client) in clients.iter_mut().enumerate() {
        prepare(client, due);
        match kind {
            0 => statement(client, "SET workspace_autobuild.prove_templates = off"),
            1 => {}
            _ => push(client),
        }
        attach(client);
        // What falls due before; it makes the proofs.
        tick(client, &tick_of(first.saturating_sub(1)));
    }
    let samples = in_turn(bench, &mut clients, slots, due, |_, _| |_: &mut Client| ());
    let [copied, proved, pushed] = samples;
    let what = format!("storm of {due} starts, dynamic parameters");
    report.add(
        bench.size,
        &what,
        "same version, copied",
        "ms",
        copied.scaled(1e3),
    );
    for (how, of) in [
        ("same version, proved", proved),
        ("new version, proved", pushed),
    ] {
        report.add(bench.size, &what, how, "ms", of.scaled(1e3));
        report.ratio(of.median() / copied.median(), "x copied");
    }
}

/// All templates are dynamic and have a source; who is due with so many others is started.
fn prepare(client: &mut Client, due: u32) {
    let tar = archive(&[("main.tf", SOURCE.as_bytes())]);
    let stored = client.execute(
        "INSERT INTO files (id, hash, created_at, created_by, mimetype, data)
         VALUES (md5('source')::uuid, md5('source'), now(), gen_random_uuid(),
                 'application/x-tar', $1)",
        &[&tar],
    );
    stored.unwrap_or_else(|e| panic!("a file: {e:?}"));
    statement(
        client,
        "UPDATE templates SET use_classic_parameter_flow = false;
         UPDATE template_version_parameters
            SET form_type = CASE name WHEN 'region' THEN 'radio' ELSE 'input' END::parameter_form_type;
         INSERT INTO template_version_terraform_values
                (template_version_id, cached_plan, provisionerd_version)
         SELECT id, '{}', '1.18' FROM template_versions
             ON CONFLICT (template_version_id) DO UPDATE SET provisionerd_version = '1.18';
         UPDATE provisioner_jobs SET file_id = md5('source')::uuid
          WHERE id IN (SELECT job_id FROM template_versions)",
    );
    starts(client, due);
}

/// Who is due with so many others is started, by schedule, instead of stopped.
pub(crate) fn starts(client: &mut Client, due: u32) {
    statement(
        client,
        &format!(
            "CREATE TEMP TABLE starts AS
             SELECT * FROM bench.plan
              WHERE kind = 'running'
                AND slot IN (SELECT slot FROM bench.plan GROUP BY slot HAVING count(*) = {due});
             UPDATE workspaces w
                SET next_start_at = due_at,
                    autostart_schedule = 'CRON_TZ=' || zone || ' '
                        || to_char(due_at AT TIME ZONE zone, 'FMMI FMHH24') || ' * * '
                        || extract(dow FROM due_at AT TIME ZONE zone)
               FROM starts s WHERE w.id = s.workspace_id;
             UPDATE workspace_builds b
                SET transition = 'stop', deadline = '0001-01-01 00:00:00+00'
               FROM starts s WHERE b.id = s.latest_build_id"
        ),
    );
    statement(client, "VACUUM ANALYZE");
}

/// Every template gets a new active version, of the same source, which all its workspaces
/// follow.
pub(crate) fn push(client: &mut Client) {
    for (table, id) in [
        ("template_versions", "id"),
        ("template_version_parameters", "template_version_id"),
        ("template_version_terraform_values", "template_version_id"),
    ] {
        let name = match table {
            "template_versions" => "'name', 'second',",
            _ => "",
        };
        statement(
            client,
            &format!(
                "INSERT INTO {table}
                 SELECT (jsonb_populate_record(
                            v, jsonb_build_object({name} '{id}', md5('second ' || v.{id})::uuid)
                        )).*
                   FROM {table} v"
            ),
        );
    }
    statement(
        client,
        "UPDATE templates SET active_version_id = md5('second ' || active_version_id)::uuid;
         UPDATE workspaces SET automatic_updates = 'always'",
    );
    statement(client, "VACUUM ANALYZE");
}
