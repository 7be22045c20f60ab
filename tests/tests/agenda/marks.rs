//! Which change of the product's tables leaves a mark.

use std::io::Write;

use postgres::Client;
use uuid::Uuid;
use workspace_autobuild_tests::product::{HOUR, PREBUILDS_OWNER};
use workspace_autobuild_tests::{Product, Transition, Version};

use super::support::*;

/// A product that is attached.
fn attached(version: Version) -> Product {
    let product = install(version);
    execute(&mut product.superuser(), "SELECT autobuild_attach()");
    product
}

/// The kinds of marks that a change leaves, and nothing about other ids than this one.
#[track_caller]
fn kinds_of(product: &Product, id: Uuid, change: impl FnOnce()) -> String {
    marks_of(product, change)
        .into_iter()
        .map(|(kind, marked)| {
            assert_eq!(marked, Some(id.to_string()));
            kind
        })
        .collect()
}

#[track_caller]
fn leaves(product: &Product, id: Uuid, kinds: &str, statement: &str) {
    let seen = kinds_of(product, id, || product.execute(statement));
    assert_eq!(seen, kinds, "{statement}");
}

#[test]
fn a_change_of_a_workspace_leaves_a_mark_if_it_may_bring_something_forward() {
    let product = attached(Version::NEWEST);
    let template = product.template("docker").create();
    let other = product.template("other").create();
    let anna = product.user("anna").create();
    let workspace = template.workspace("dev").create();
    let id = workspace.id;
    let check = |kinds: &str, change: &str| {
        let statement = format!("UPDATE workspaces SET {change} WHERE id = '{id}'");
        leaves(&product, id, kinds, &statement);
    };
    // The product's own trigger empties next_start_at beside the schedule.
    check(
        "w",
        "autostart_schedule = '0 9 * * *', next_start_at = NULL",
    );
    check("", "autostart_schedule = '0 9 * * *'");
    check("", "next_start_at = '2030-01-01 00:00+00'");
    check("", "next_start_at = '2031-01-01 00:00+00'");
    check("w", "next_start_at = '2030-01-01 00:00+00'");
    check("w", "next_start_at = NULL");
    check("w", "dormant_at = now()");
    check("w", "deleting_at = now()");
    check("w", "dormant_at = NULL, deleting_at = NULL");
    check("w", "deleted = true");
    check("w", "deleted = false");
    check("w", &format!("owner_id = '{}'", anna.id));
    check("w", &format!("template_id = '{}'", other.id));
    check("", "last_used_at = now()");
    check("", "last_used_at = now() + interval '1 day'");
    check("w", "last_used_at = now()");
    check("w", "last_used_at = '0001-01-01 00:00:00+00'");
    check("", "last_used_at = now()");
    check("", "name = 'renamed', ttl = 5, updated_at = now()");
    check("", "name = name");
}

#[test]
fn a_change_of_a_build_leaves_a_mark_if_it_may_bring_something_forward() {
    let product = attached(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    let mut build = None;
    let kinds = kinds_of(&product, workspace.id, || {
        build = Some(workspace.build(Transition::Start).job_pending().create());
    });
    assert_eq!(kinds, "w");
    let build = build.expect("a build");
    let check = |kinds: &str, change: &str| {
        let statement = format!(
            "UPDATE workspace_builds SET {change} WHERE id = '{}'",
            build.id
        );
        leaves(&product, workspace.id, kinds, &statement);
    };
    check("w", "deadline = '2030-01-01 00:00+00'");
    check("", "deadline = '2031-01-01 00:00+00'");
    check("", "deadline = '2031-01-01 00:00+00', updated_at = now()");
    check("w", "deadline = '2030-01-01 00:00+00'");
    check("", "deadline = '0001-01-01 00:00:00+00'");
    check("", "daily_cost = 3, reason = 'autostart'");
    check("", "provisioner_state = 'abc'");
    check("w", "transition = 'stop'");
    check("w", "created_at = created_at - interval '1 day'");
    check("w", "build_number = 7");
    leaves(
        &product,
        workspace.id,
        "w",
        &format!("DELETE FROM workspace_builds WHERE id = '{}'", build.id),
    );
}

#[test]
fn a_build_that_goes_to_another_workspace_marks_both() {
    let product = attached(Version::NEWEST);
    let template = product.template("docker").create();
    let one = template.workspace("one").create();
    let two = template.workspace("two").create();
    let build = one.build(Transition::Stop).create();
    let mut marked: Vec<Option<String>> =
        marks_of(&product, || build.update("workspace_id", two.id))
            .into_iter()
            .map(|(_, id)| id)
            .collect();
    marked.sort();
    let mut both = vec![Some(one.id.to_string()), Some(two.id.to_string())];
    both.sort();
    assert_eq!(marked, both);
}

#[test]
fn a_job_leaves_a_mark_when_it_is_complete() {
    let product = attached(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    let build = workspace.build(Transition::Start).job_pending().create();
    let check = |kinds: &str, change: &str| {
        let statement = format!(
            "UPDATE provisioner_jobs SET {change} WHERE id = '{}'",
            build.job
        );
        leaves(&product, build.job, kinds, &statement);
    };
    check("", "started_at = now(), worker_id = gen_random_uuid()");
    check("", "updated_at = now()");
    check("", "updated_at = now() + interval '1 second'");
    check("", "canceled_at = now()");
    check("j", "completed_at = now(), updated_at = now()");
    check("", "updated_at = now()");
    check("j", "error = 'no space'");
    check("j", "error = NULL");
    check("j", "canceled_at = NULL");
    check("", "completed_at = NULL");
    // With an error it has failed, complete or not.
    check("j", "error = 'no space'");
    check("", "error = NULL");
}

#[test]
fn a_template_leaves_a_mark_if_its_schedule_options_change() {
    let product = attached(Version::NEWEST);
    let template = product.template("docker").create();
    let check = |kinds: &str, change: &str| {
        let statement = format!("UPDATE templates SET {change} WHERE id = '{}'", template.id);
        leaves(&product, template.id, kinds, &statement);
    };
    check("t", "allow_user_autostart = false");
    check("t", "autostart_block_days_of_week = 3");
    check("t", "failure_ttl = 60000000000");
    check("t", "time_til_dormant = 60000000000");
    check("t", "time_til_dormant_autodelete = 60000000000");
    check(
        "",
        "name = 'other', description = 'more', updated_at = now()",
    );
    check("", "default_ttl = 5, allow_user_autostop = false");
    let version = template.new_version("next").create();
    check("", &format!("active_version_id = '{}'", version.id));
}

#[test]
fn a_user_leaves_a_mark_if_the_status_changes() {
    let product = attached(Version::NEWEST);
    let anna = product.user("anna").create();
    let check = |kinds: &str, change: &str| {
        let statement = format!("UPDATE users SET {change} WHERE id = '{}'", anna.id);
        leaves(&product, anna.id, kinds, &statement);
    };
    check("u", "status = 'suspended'");
    check("", "status = 'suspended', last_seen_at = now()");
    check("u", "status = 'active'");
    check("", "username = 'anne'");
}

#[test]
fn columns_under_their_first_names_count_too() {
    let product = attached(Version::V2_0_0);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    for change in [
        "locked_at = now()",
        "deleting_at = now()",
        "locked_at = NULL",
    ] {
        let statement = format!(
            "UPDATE workspaces SET {change} WHERE id = '{}'",
            workspace.id
        );
        leaves(&product, workspace.id, "w", &statement);
    }
    for change in ["inactivity_ttl = 60000000000", "locked_ttl = 60000000000"] {
        let statement = format!("UPDATE templates SET {change} WHERE id = '{}'", template.id);
        leaves(&product, template.id, "t", &statement);
    }
}

#[test]
fn a_claim_of_a_prebuild_leaves_a_mark() {
    let product = attached(Version::NEWEST);
    product.prebuilds_user().create();
    let template = product.template("docker").create();
    let prebuild = template
        .workspace("prebuild")
        .owner_id(PREBUILDS_OWNER)
        .create();
    let claim = format!("owner_id = '{}', name = 'mine'", product.admin().id);
    leaves(
        &product,
        prebuild.id,
        "w",
        &format!("UPDATE workspaces SET {claim} WHERE id = '{}'", prebuild.id),
    );
}

#[test]
fn what_is_rolled_back_leaves_no_mark() {
    let product = attached(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    let update = |schedule: &str| {
        format!(
            "UPDATE workspaces SET autostart_schedule = '{schedule}' WHERE id = '{}'",
            workspace.id
        )
    };
    let whole = format!("BEGIN; {}; ROLLBACK", update("0 1 * * *"));
    leaves(&product, workspace.id, "", &whole);
    let part = format!(
        "BEGIN; SAVEPOINT s; {}; ROLLBACK TO s; UPDATE workspaces SET ttl = 1; COMMIT",
        update("0 2 * * *")
    );
    leaves(&product, workspace.id, "", &part);
    let kept = format!(
        "BEGIN; SAVEPOINT s; {}; RELEASE s; COMMIT",
        update("0 3 * * *")
    );
    leaves(&product, workspace.id, "w", &kept);
}

#[test]
fn copy_leaves_marks_as_inserts_do() {
    let product = attached(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    workspace.build(Transition::Stop).create();
    let mut session = product.connect();
    let text = copy_out(&mut session, "workspace_builds");
    product.execute("DELETE FROM workspace_builds");
    let kinds = kinds_of(&product, workspace.id, || {
        let mut writer = session
            .copy_in("COPY workspace_builds FROM STDIN")
            .expect("COPY");
        writer.write_all(&text).expect("rows");
        writer.finish().expect("the end of COPY");
    });
    assert_eq!(kinds, "w");
}

fn copy_out(session: &mut Client, table: &str) -> Vec<u8> {
    let mut text = Vec::new();
    let mut reader = session
        .copy_out(&format!("COPY {table} TO STDOUT"))
        .expect("COPY");
    std::io::copy(&mut reader, &mut text).expect("rows");
    text
}

#[test]
fn truncate_leaves_a_mark_that_nothing_is_known_any_more() {
    let product = attached(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    workspace.build(Transition::Stop).create();
    let marks = marks_of(&product, || {
        product.execute("TRUNCATE workspace_builds CASCADE");
    });
    assert_eq!(marks, [("a".to_owned(), None)]);
}

#[test]
fn what_a_replication_applies_leaves_marks_as_well() {
    let product = attached(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    let mut applier = product.superuser();
    execute(&mut applier, "SET session_replication_role = replica");
    let kinds = kinds_of(&product, workspace.id, || {
        execute(
            &mut applier,
            "UPDATE workspaces SET autostart_schedule = '0 9 * * *'",
        );
    });
    assert_eq!(kinds, "w");
}

#[test]
fn whoever_writes_the_products_tables_needs_no_right_on_marks() {
    let product = attached(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template.workspace("dev").create();
    let mut root = product.superuser();
    execute(
        &mut root,
        "CREATE ROLE agenda_clerk LOGIN; GRANT UPDATE, SELECT ON workspaces TO agenda_clerk",
    );
    let mut clerk = product
        .address()
        .connect(product.database(), "agenda_clerk");
    let kinds = kinds_of(&product, workspace.id, || {
        execute(&mut clerk, "UPDATE workspaces SET deleted = true");
    });
    assert_eq!(kinds, "w");
    for table in [
        "autobuild_marks",
        "autobuild_agenda",
        "autobuild_agenda_state",
    ] {
        assert_eq!(
            sqlstate(&mut clerk, &format!("SELECT FROM {table}")),
            "42501"
        );
        assert_eq!(
            sqlstate(&mut clerk, &format!("DELETE FROM {table}")),
            "42501"
        );
    }
}

#[test]
fn the_trigger_function_serves_nothing_else() {
    let product = attached(Version::NEWEST);
    let mut root = product.superuser();
    assert_eq!(sqlstate(&mut root, "SELECT autobuild_capture()"), "39P01");
    // Nobody but the owner of the extension can hang it on a table of his own.
    product.execute("CREATE TABLE mine (id uuid)");
    let hang = "CREATE TRIGGER t AFTER INSERT ON mine
                FOR EACH ROW EXECUTE FUNCTION autobuild_capture('workspaces')";
    assert_eq!(sqlstate(&mut product.session(), hang), "42501");
    // And on a table that it knows nothing of, it does nothing.
    execute(
        &mut root,
        "CREATE TABLE other (x int); CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON other
         FOR EACH ROW EXECUTE FUNCTION autobuild_capture();",
    );
    let marks = marks_of(&product, || {
        execute(
            &mut root,
            "INSERT INTO other VALUES (1); UPDATE other SET x = 2; DELETE FROM other",
        );
    });
    assert_eq!(marks, []);
}

#[test]
fn the_trigger_function_refuses_to_be_hung_otherwise_than_attach_hangs_it() {
    let product = attached(Version::NEWEST);
    let mut root = product.superuser();
    execute(
        &mut root,
        "CREATE TABLE mine (id uuid, deleted bool); INSERT INTO mine VALUES (gen_random_uuid());
         CREATE VIEW seen AS SELECT * FROM mine",
    );
    for (when, write) in [
        (
            "AFTER INSERT ON mine FOR EACH STATEMENT",
            "INSERT INTO mine DEFAULT VALUES",
        ),
        (
            "AFTER UPDATE ON mine FOR EACH STATEMENT",
            "UPDATE mine SET deleted = true",
        ),
        (
            "AFTER DELETE ON mine FOR EACH STATEMENT",
            "DELETE FROM mine",
        ),
        (
            "BEFORE INSERT ON mine FOR EACH ROW",
            "INSERT INTO mine DEFAULT VALUES",
        ),
        (
            "BEFORE UPDATE ON mine FOR EACH ROW",
            "UPDATE mine SET deleted = true",
        ),
        ("BEFORE DELETE ON mine FOR EACH ROW", "DELETE FROM mine"),
        (
            "BEFORE UPDATE ON mine FOR EACH STATEMENT",
            "UPDATE mine SET deleted = true",
        ),
        (
            "BEFORE TRUNCATE ON mine FOR EACH STATEMENT",
            "TRUNCATE mine",
        ),
        (
            "INSTEAD OF UPDATE ON seen FOR EACH ROW",
            "UPDATE seen SET deleted = true",
        ),
        (
            "AFTER UPDATE ON mine REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH ROW",
            "UPDATE mine SET deleted = true",
        ),
        (
            "AFTER INSERT ON mine REFERENCING NEW TABLE AS n FOR EACH STATEMENT",
            "INSERT INTO mine DEFAULT VALUES",
        ),
    ] {
        let table = if when.contains("seen") {
            "seen"
        } else {
            "mine"
        };
        execute(
            &mut root,
            &format!("CREATE TRIGGER t {when} EXECUTE FUNCTION autobuild_capture('workspaces')"),
        );
        assert_eq!(sqlstate(&mut root, write), "39P01", "{when}");
        execute(&mut root, &format!("DROP TRIGGER t ON {table}"));
    }
    // As attach hangs them they serve, on any table.
    execute(
        &mut root,
        "CREATE TRIGGER r AFTER UPDATE ON mine FOR EACH ROW
             EXECUTE FUNCTION autobuild_capture('workspaces');
         CREATE TRIGGER t AFTER TRUNCATE ON mine FOR EACH STATEMENT
             EXECUTE FUNCTION autobuild_capture('workspaces')",
    );
    let marks = marks_of(&product, || {
        execute(&mut root, "UPDATE mine SET deleted = true; TRUNCATE mine");
    });
    let kinds: Vec<&str> = marks.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["w", "a"]);
}

#[test]
fn columns_may_come_go_and_change_their_type() {
    let product = attached(Version::NEWEST);
    let template = product.template("docker").create();
    let workspace = template
        .workspace("dev")
        .schedule("0 9 * * *")
        .ttl(HOUR)
        .create();
    let update = |change: &str| {
        format!(
            "UPDATE workspaces SET {change} WHERE id = '{}'",
            workspace.id
        )
    };
    let id = workspace.id;
    leaves(&product, id, "w", &update("deleting_at = now()"));
    product.execute("ALTER TABLE workspaces ADD COLUMN note text DEFAULT 'none'");
    leaves(&product, id, "", &update("note = 'some'"));
    leaves(&product, id, "w", &update("deleting_at = NULL"));
    product.execute("ALTER TABLE workspaces DROP COLUMN note");
    product.execute("ALTER TABLE workspaces ALTER COLUMN last_used_at TYPE timestamp");
    leaves(
        &product,
        id,
        "",
        &update("last_used_at = now() + interval '1 hour'"),
    );
    leaves(
        &product,
        id,
        "w",
        &update("last_used_at = now() - interval '1 hour'"),
    );
    product.execute(
        "ALTER TABLE workspaces ALTER COLUMN last_used_at DROP DEFAULT,
         ALTER COLUMN last_used_at TYPE bigint USING extract(epoch FROM last_used_at)",
    );
    leaves(&product, id, "w", &update("last_used_at = 5"));
    leaves(&product, id, "w", &update("last_used_at = 7"));
    product.execute("ALTER TABLE workspaces DROP COLUMN last_used_at CASCADE");
    leaves(&product, id, "w", &update("dormant_at = now()"));
    product.execute("ALTER TABLE workspaces RENAME COLUMN ttl TO time_to_live");
    leaves(&product, id, "", &update("time_to_live = 5"));
    product.execute("ALTER TABLE workspaces ADD COLUMN last_used_at timestamptz");
    leaves(&product, id, "", &update("last_used_at = now()"));
    leaves(&product, id, "w", &update("last_used_at = NULL"));
}
