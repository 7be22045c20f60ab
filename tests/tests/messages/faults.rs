//! A message that can't be queued costs no build, and is told of; a reminder without its
//! message is none.

use workspace_autobuild_tests::autobuild::TODAY_AT_NINE;
use workspace_autobuild_tests::product::{Notice, Value, value};
use workspace_autobuild_tests::{Operator, Product, Transition, Version};

use super::support::*;

/// What the last tick's row in history says.
fn ticks_message(operator: &Operator<'_>) -> String {
    let rows = operator.rows("SELECT message FROM autobuild_ticks ORDER BY tick_id DESC LIMIT 1");
    rows.into_iter().flatten().flatten().collect()
}

#[test]
fn a_message_that_is_refused_costs_no_build_and_no_other_message() {
    with_messages(|product, operator| {
        let template = renewed(product, "");
        let owner = ada(product);
        let made: Vec<_> = ["a", "b", "c", "d", "e"]
            .map(|name| to_be_updated(&template, owner, name))
            .into_iter()
            .collect();
        product.execute(
            "ALTER TABLE notification_messages
               ADD CHECK (payload->'labels'->>'name' NOT IN ('b', 'd'))",
        );
        let rows = operator.tick(TODAY_AT_NINE);
        assert!(rows.iter().all(|row| row.outcome == "built"), "{rows:?}");
        assert!(made.iter().all(|workspace| workspace.builds().len() == 2));
        let told = product.rows(
            "SELECT DISTINCT payload->'labels'->>'name' FROM notification_messages ORDER BY 1",
        );
        let told: String = told.into_iter().flatten().flatten().collect();
        assert_eq!(told, "ace", "{}", product.version());
        let message = ticks_message(operator);
        assert!(
            message.contains("could not be written: 2, the first: "),
            "{message}"
        );
        assert!(message.contains("check constraint"), "{message}");
    });
}

/// Row security, or a trigger, may refuse a row for want of a right.
#[test]
fn a_right_that_is_denied_to_one_message_costs_no_other() {
    with_messages(|product, operator| {
        let template = renewed(product, "");
        let owner = ada(product);
        for name in ["a", "b", "c"] {
            to_be_updated(&template, owner, name);
        }
        product.execute(
            "ALTER TABLE notification_messages ENABLE ROW LEVEL SECURITY;
             ALTER TABLE notification_messages FORCE ROW LEVEL SECURITY;
             CREATE POLICY seen ON notification_messages FOR SELECT USING (true);
             CREATE POLICY queued ON notification_messages FOR INSERT
                 WITH CHECK (payload->'labels'->>'name' <> 'b')",
        );
        operator.tick(TODAY_AT_NINE);
        let mut client = product.superuser();
        let told = "SELECT string_agg(DISTINCT payload->'labels'->>'name', '')
                      FROM notification_messages";
        let told = value(&mut client, told).unwrap_or_default();
        assert_eq!(told, "ac", "{}", product.version());
        let message = ticks_message(operator);
        assert!(message.contains("written: 1, the first: "), "{message}");
        assert!(message.contains("row-level security"), "{message}");
    });
}

#[test]
fn whoever_holds_the_tables_of_messages_keeps_nothing_from_being_built() {
    with_messages(|product, operator| {
        let version = product.version();
        let template = renewed(product, "");
        let workspace = to_be_updated(&template, ada(product), "dev");
        if version >= Version::V2026_06 {
            template.update("time_til_autostop_notify", 1_800_000_000_000_i64);
            running(&template, product.admin().id, "reminded");
        }
        let mut holder = product.superuser();
        holder
            .batch_execute("BEGIN; LOCK notification_messages IN SHARE MODE")
            .expect("a lock");
        let rows = operator.tick(BEFORE_IT);
        assert_eq!(workspace.builds().len(), 2, "{version}: {rows:?}");
        let reminded: Vec<String> = rows
            .iter()
            .filter(|row| row.transition == "remind")
            .map(ToString::to_string)
            .collect();
        let failed = vec!["remind autostop failed 55P03".to_owned(); reminded.len()];
        assert_eq!(reminded, failed, "{version}");
        assert_eq!(reminded.is_empty(), version < Version::V2026_06);
        let message = ticks_message(operator);
        assert!(message.contains("written: 1, the first: "), "{message}");
        holder.batch_execute("COMMIT").expect("let go");
        assert_eq!(product.count_queued(Notice::Updated), 0);
    });
}

#[test]
fn status_names_the_columns_without_which_nobody_is_told() {
    with_messages_since(Version::V2_34_3, |product, _| {
        let database = product.database();
        let mut client = product.superuser();
        for setting in ["notify_owners = on", "audit_dormancy = on"] {
            let set = format!("ALTER DATABASE {database} SET workspace_autobuild.{setting}");
            workspace_autobuild_tests::product::execute(&mut client, &set);
        }
        product.execute(
            "ALTER TABLE notification_messages ALTER payload TYPE json;
             ALTER TABLE audit_logs RENAME diff TO changes",
        );
        let problem = "SELECT coalesce(problem, '') FROM autobuild_status";
        let problem = value(&mut client, problem).expect("a row");
        assert!(
            problem.contains("lack notification_messages.payload, audit_logs.diff"),
            "{problem}"
        );
    });
}

#[test]
fn without_the_products_address_no_message_that_needs_it_is_queued() {
    with_messages(|product, operator| {
        let workspace = to_be_updated(&renewed(product, ""), ada(product), "dev");
        operator.set("access_url", "");
        operator.tick(TODAY_AT_NINE);
        assert_eq!(workspace.builds().len(), 2);
        assert_eq!(product.count_queued(Notice::Updated), 0);
        let message = ticks_message(operator);
        assert!(
            message.contains("workspace_autobuild.access_url is not set"),
            "{message}"
        );
        // Buttons that need none are no reason.
        product.execute("UPDATE notification_templates SET actions = '[]'");
        let other = product.template("other").create();
        other.new_version("second").create().activate();
        to_be_updated(&other, product.admin().id, "other");
        operator.tick(TODAY_AT_NINE);
        assert!(product.count_queued(Notice::Updated) > 0);
    });
}

#[test]
fn a_name_that_breaks_the_buttons_costs_its_own_message_alone() {
    with_messages_since(Version::NEWEST, |product, operator| {
        let template = renewed(product, "");
        let owner = ada(product);
        let broken = to_be_updated(&template, owner, "a \"quoted\" name");
        to_be_updated(&template, owner, "dev");
        operator.tick(TODAY_AT_NINE);
        assert_eq!(broken.builds().len(), 2);
        assert_eq!(product.count_queued(Notice::Updated), 2);
        let message = ticks_message(operator);
        assert!(
            message.contains("could not be written: 1, the first: updated: "),
            "{message}"
        );
    });
}

#[test]
fn names_are_data_wherever_they_come_to_stand() {
    with_messages(|product, operator| {
        let name = "{{.UserUsername}} $1 %s '; --";
        let workspace = to_be_updated(
            &renewed(product, "{{base_url}} \\u0041"),
            ada(product),
            name,
        );
        operator.tick(TODAY_AT_NINE);
        assert_eq!(workspace.builds().len(), 2);
        let labels = &product.queued()[0]["payload"]["labels"];
        assert_eq!(labels["name"], name);
        assert_eq!(labels["template_version_message"], "{{base_url}} \\u0041");
    });
}

#[test]
fn a_version_without_the_notice_tells_nobody_and_complains_of_nothing() {
    with_messages(|product, operator| {
        product.execute("DELETE FROM notification_templates");
        let workspace = to_be_updated(&renewed(product, ""), ada(product), "dev");
        operator.tick(TODAY_AT_NINE);
        assert_eq!(workspace.builds().len(), 2);
        assert_eq!(ticks_message(operator), "");
    });
}

#[test]
fn who_was_built_by_somebody_else_first_is_told_nothing_by_us() {
    with_messages(|product, operator| {
        let template = renewed(product, "");
        let owner = ada(product);
        let lost = to_be_updated(&template, owner, "lost");
        to_be_updated(&template, owner, "won");
        operator.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        operator.rows("SELECT 1 FROM workspaces");
        lost.build(Transition::Start).create();
        let rows = operator.rows(&format!(
            "SELECT outcome FROM autobuild_tick('{TODAY_AT_NINE}') ORDER BY outcome"
        ));
        operator.execute("COMMIT");
        let outcomes: Vec<String> = rows.into_iter().flatten().flatten().collect();
        assert_eq!(outcomes, ["built", "conflict"], "{}", product.version());
        let told =
            product.rows("SELECT DISTINCT payload->'labels'->>'name' FROM notification_messages");
        assert_eq!(told, [[Some("won".to_owned())]], "{}", product.version());
    });
}

#[test]
fn a_message_that_somebody_queued_just_before_costs_nothing() {
    with_messages(|product, operator| {
        let workspace = forgotten(product, ada(product), "dev", Transition::Stop);
        let tick = "2024-03-12 08:01:00+00";
        operator.tick(tick);
        let first = product.count_queued(Notice::Dormant);
        // Queued since the snapshot, with the same hash, and not to be seen under it.
        product.execute("CREATE TABLE kept AS TABLE notification_messages");
        product.execute("DELETE FROM notification_messages");
        workspace.update(product.dormant_column(), Value::NULL);
        operator.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
        operator.rows("SELECT 1 FROM workspaces");
        product.execute("INSERT INTO notification_messages TABLE kept");
        let rows = operator.rows(&format!("SELECT outcome FROM autobuild_tick('{tick}')"));
        operator.execute("COMMIT");
        assert_eq!(rows, [[Some("built".to_owned())]], "{}", product.version());
        assert_eq!(product.count_queued(Notice::Dormant), first);
        assert_eq!(ticks_message(operator), "");
    });
}

fn attempts(operator: &Operator<'_>) -> Vec<String> {
    operator
        .tick(BEFORE_IT)
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn marked(product: &Product) -> String {
    let marked = "SELECT count(*) FROM workspace_builds
                   WHERE notified_autostop_deadline = deadline AND deadline > '2000-01-01'";
    product.value(marked).expect("a number")
}

#[test]
fn a_reminder_without_its_message_is_none() {
    with_messages_since(Version::V2026_06, |product, operator| {
        let template = reminding(product);
        let owner = ada(product);
        running(&template, owner, "a");
        running(&template, owner, "b");
        // No address.
        operator.set("access_url", "");
        assert_eq!(attempts(operator), ["remind autostop failed 55000"; 2]);
        operator.set("access_url", URL);
        // No actions.
        let notice = Notice::Reminder.id();
        let actions = product.value("SELECT actions::text FROM notification_templates LIMIT 1");
        product.execute("UPDATE notification_templates SET actions = NULL");
        assert_eq!(attempts(operator), ["remind autostop failed 55000"; 2]);
        // No row of the notice.
        product.execute(&format!(
            "UPDATE notification_templates SET actions = '{}', id = CASE id WHEN '{notice}'
             THEN gen_random_uuid() ELSE id END",
            actions.expect("actions")
        ));
        assert_eq!(attempts(operator), ["remind autostop failed 55000"; 2]);
        let why = "SELECT string_agg(DISTINCT message, ';') FROM autobuild_transitions";
        let why = operator.rows(why).remove(0).remove(0).expect("a message");
        for part in [
            "access_url is not set",
            "has no actions",
            "has no row of this notice",
        ] {
            assert!(why.contains(part), "{why}");
        }
        assert_eq!(marked(product), "0");
    });
}

#[test]
fn a_reminder_whose_message_is_refused_is_none_and_keeps_no_other_away() {
    with_messages_since(Version::V2026_06, |product, operator| {
        let template = reminding(product);
        let owner = ada(product);
        for name in ["a", "b", "c"] {
            running(&template, owner, name);
        }
        product.execute(
            "ALTER TABLE notification_messages
               ADD CHECK (payload->'labels'->>'workspace' <> 'b' OR method <> 'inbox')",
        );
        let mut tried = attempts(operator);
        tried.sort_unstable();
        let built = "remind autostop built";
        assert_eq!(tried, [built, built, "remind autostop failed 23514"]);
        assert_eq!(marked(product), "2");
        assert_eq!(product.count_queued(Notice::Reminder), 4);
    });
}

#[test]
fn reminders_that_all_fail_cost_no_build() {
    with_messages_since(Version::V2026_06, |product, operator| {
        let template = reminding(product);
        let owner = ada(product);
        let late = running(&template, owner, "late");
        late.latest_build().update("deadline", STARTED);
        for number in 0..30 {
            running(&template, owner, &format!("dev {number}"));
        }
        product.execute("ALTER TABLE notification_messages ADD CHECK (method = 'webhook')");
        let rows = attempts(operator);
        let count = |outcome: &str| rows.iter().filter(|row| row.as_str() == outcome).count();
        assert_eq!(count("stop autostop built"), 1, "{rows:?}");
        // No more are tried one by one than it takes to see that it is not the rows.
        assert_eq!(count("remind autostop failed 23514"), 21, "{rows:?}");
        assert_eq!(late.builds().len(), 2);
        assert_eq!(marked(product), "0");
    });
}

/// By hand all is one transaction.
#[test]
fn what_a_reminder_waits_for_in_vain_costs_no_build() {
    with_messages_since(Version::V2026_06, |product, operator| {
        let template = reminding(product);
        let owner = ada(product);
        let late = running(&template, owner, "late");
        late.latest_build().update("deadline", STARTED);
        running(&template, owner, "dev");
        product.execute(
            "CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE lock_not_available; END $$;
             CREATE TRIGGER stall BEFORE INSERT ON notification_messages
                FOR EACH STATEMENT EXECUTE FUNCTION stall()",
        );
        assert_eq!(attempts(operator), ["stop autostop built"]);
        assert_eq!(late.builds().len(), 2);
        assert_eq!(marked(product), "0");
    });
}

#[test]
fn status_says_what_keeps_owners_from_being_told() {
    for version in [Version::V2_15_0, Version::V2026_06] {
        let product = workspace_autobuild_tests::autobuild::install(version);
        product.add_notices();
        let database = product.database();
        let mut client = product.superuser();
        let mut problem = |settings: &str| {
            workspace_autobuild_tests::product::execute(&mut client, settings);
            value(
                &mut client,
                "SELECT coalesce(problem, '') FROM autobuild_status",
            )
            .expect("a row")
        };
        let set =
            |setting: &str| format!("ALTER DATABASE {database} SET workspace_autobuild.{setting}");
        let on = problem(&set("notify_owners = on"));
        assert!(on.contains("owners are not told ("), "{on}");
        assert!(
            on.contains("workspace_autobuild.access_url is not set"),
            "{on}"
        );
        let set_up = problem(&set(&format!("access_url = '{URL}'")));
        assert!(!set_up.contains("owners"), "{set_up}");
        product.execute("UPDATE notification_templates SET actions = NULL");
        let broken = problem("SELECT 1");
        assert!(broken.contains("has no actions"), "{broken}");
    }
}
