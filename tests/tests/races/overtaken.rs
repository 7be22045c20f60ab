//! What a decision rests on may change before its build commits. Such a build is not made,
//! and those beside it are; nobody who changes it waits for a tick.

use std::thread;

use postgres::Client;
use workspace_autobuild_tests::autobuild::{NINE, Refusal};
use workspace_autobuild_tests::product::{Fields, HOUR, Template, User, Value, quote_ident, texts};
use workspace_autobuild_tests::server::hourly;
use workspace_autobuild_tests::{
    Product, SOON, Server, Transition, Version, await_until, invariants,
};

/// A change that takes the ground from under a transition.
struct Change {
    /// What is due.
    due: Due,
    sql: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Stop,
    Start,
    Failed,
    Dormant,
    Delete,
    Remind,
}

const CHANGES: [Change; 14] = [
    Change {
        due: Due::Stop,
        sql: "UPDATE workspace_builds SET deadline = now() + interval '1 hour'
               WHERE workspace_id = $workspace",
    },
    Change {
        due: Due::Start,
        sql: "UPDATE workspaces SET autostart_schedule = NULL WHERE id = $workspace",
    },
    Change {
        due: Due::Start,
        sql: "UPDATE users SET status = 'suspended' WHERE id = $owner",
    },
    Change {
        due: Due::Start,
        sql: "UPDATE templates SET allow_user_autostart = false WHERE id = $template",
    },
    Change {
        due: Due::Start,
        sql: "UPDATE workspaces SET deleted = true WHERE id = $workspace",
    },
    Change {
        due: Due::Start,
        sql: "UPDATE workspaces SET dormant_at = now() WHERE id = $workspace",
    },
    Change {
        due: Due::Failed,
        sql: "UPDATE templates SET failure_ttl = 0 WHERE id = $template",
    },
    Change {
        due: Due::Dormant,
        sql: "UPDATE templates SET time_til_dormant = 0 WHERE id = $template",
    },
    Change {
        due: Due::Dormant,
        sql: "UPDATE templates SET time_til_dormant_autodelete = 0 WHERE id = $template",
    },
    Change {
        due: Due::Delete,
        sql: "UPDATE templates SET time_til_dormant_autodelete = 0 WHERE id = $template",
    },
    Change {
        due: Due::Remind,
        sql: "UPDATE templates SET time_til_autostop_notify = 0 WHERE id = $template",
    },
    Change {
        due: Due::Remind,
        sql: "UPDATE workspaces SET dormant_at = now() WHERE id = $workspace",
    },
    Change {
        due: Due::Start,
        sql: "SELECT autobuild_hold('workspace', $workspace)",
    },
    Change {
        due: Due::Stop,
        sql: "SELECT autobuild_hold('template', $template)",
    },
];

fn server() -> Server {
    hourly()
        .set(
            "workspace_autobuild.rules",
            "autostop, autostart, failed, dormancy, delete, remind",
        )
        .set("workspace_autobuild.notify_owners", "on")
        .set(
            "workspace_autobuild.access_url",
            "https://coder.example.com",
        )
        .start()
}

/// A product whose ticks act as a role with no more than `autobuild_grant` gives. A batch
/// that writes waits for whoever holds the advisory lock 42.
fn installed(server: &Server) -> Product {
    let product = Product::with_extension(server, Version::V2026_06);
    product.add_notices();
    let role = quote_ident(&format!("executor of {}", product.database()));
    product
        .superuser()
        .batch_execute(&format!(
            "CREATE ROLE {role};
             SELECT autobuild_grant('{}');
             GRANT EXECUTE ON FUNCTION autobuild_hold TO product;
             ALTER DATABASE {} SET workspace_autobuild.role = '{}'",
            role.trim_matches('"'),
            product.database(),
            role.trim_matches('"'),
        ))
        .expect("a role");
    product.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
            -- The executor alone.
            IF current_user <> 'product' THEN PERFORM pg_catalog.pg_advisory_xact_lock_shared(42); END IF;
            RETURN NULL;
         END $$;
         CREATE TRIGGER slow AFTER INSERT ON provisioner_jobs FOR EACH STATEMENT
                EXECUTE FUNCTION slow();
         CREATE TRIGGER slow AFTER UPDATE OF dormant_at ON workspaces FOR EACH STATEMENT
                EXECUTE FUNCTION slow();
         CREATE TRIGGER slow AFTER UPDATE OF notified_autostop_deadline ON workspace_builds
                FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    );
    product
}

/// A workspace with a template and an owner of its own, for which this is due.
fn workspace<'p>(product: &'p Product, due: Due, name: &str) -> (Template<'p>, User, String) {
    let template = product
        .template(name)
        .set("failure_ttl", if due == Due::Failed { HOUR } else { 0 })
        .set(
            "time_til_dormant",
            if due == Due::Dormant { HOUR } else { 0 },
        )
        .set("time_til_dormant_autodelete", HOUR)
        .set(
            "time_til_autostop_notify",
            if due == Due::Remind { HOUR } else { 0 },
        )
        .create();
    let owner = product.user(name).create();
    let id = owner.id;
    let mut new = template
        .workspace(name)
        .owner(owner)
        .schedule(NINE)
        .set("last_used_at", Value::sql("now() - interval '3 hours'"));
    if due == Due::Delete {
        new = new
            .dormant_at(Value::sql("now() - interval '1 day'"))
            .set("deleting_at", Value::sql("now() - interval '1 hour'"));
    }
    let workspace = new.create();
    let ago = Value::sql("now() - interval '2 days'");
    let build = workspace.build(match due {
        Due::Stop | Due::Failed | Due::Remind => Transition::Start,
        _ => Transition::Stop,
    });
    match due {
        Due::Stop => build.deadline(Value::sql("now() - interval '1 hour'")),
        Due::Remind => build.deadline(Value::sql("now() + interval '30 minutes'")),
        Due::Failed => build.created_at(ago).job_failed("boom"),
        // No run of the schedule since.
        Due::Dormant => build.created_at(Value::sql("now() + interval '2 days'")),
        Due::Start | Due::Delete => build.created_at(ago),
    }
    .create();
    (template, User { id }, workspace.id.to_string())
}

fn value(client: &mut Client, sql: &str) -> String {
    let rows = texts(client, sql);
    let first = rows.into_iter().flatten().next().flatten();
    first.unwrap_or_default()
}

/// What was made of a workspace: builds, and a mark or a reminder.
fn made(client: &mut Client, workspace: &str) -> String {
    value(
        client,
        &format!(
            "SELECT (SELECT count(*) - 1 FROM workspace_builds WHERE workspace_id = '{workspace}')
                    + (SELECT count(*) FROM autobuild_transitions
                        WHERE workspace_id = '{workspace}'
                          AND transition IN ('dormant', 'remind') AND outcome = 'built')"
        ),
    )
}

/// Holds what batches wait for.
fn hold(product: &Product) -> Client {
    let mut session = product.superuser();
    texts(&mut session, "SELECT pg_advisory_lock(42)");
    session
}

fn await_writing(client: &mut Client) {
    let sql = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                WHERE NOT l.granted AND l.locktype = 'advisory' AND l.objid = 42
                  AND d.datname = current_database()";
    await_until("a batch has written", SOON, || value(client, sql) == "1");
}

/// One change beside a batch of two; returns the workspace that stays as it was, and the
/// other one.
fn scene(product: &Product, number: usize, change: &Change) -> (String, String, String) {
    let (_, _, kept) = workspace(product, change.due, &format!("kept {number}"));
    let (template, owner, changed) = workspace(product, change.due, &format!("changed {number}"));
    let sql = change
        .sql
        .replace("$workspace", &format!("'{changed}'"))
        .replace("$template", &format!("'{}'", template.id))
        .replace("$owner", &format!("'{}'", owner.id));
    (kept, changed, sql)
}

#[test]
fn a_build_whose_ground_is_gone_is_not_committed_and_the_others_are() {
    let server = server();
    for attached in [false, true] {
        let product = installed(&server);
        let mut client = product.superuser();
        if attached {
            texts(&mut client, "SELECT autobuild_attach()");
            await_until("the agenda is ready", SOON, || {
                texts(&mut client, "SELECT autobuild_wake()");
                value(&mut client, "SELECT mode FROM autobuild_status") == "agenda"
            });
        }
        for (number, change) in CHANGES.iter().enumerate() {
            let (kept, changed, sql) = scene(&product, number, change);
            let mut held = hold(&product);
            await_until("the worker is there", SOON, || {
                value(&mut client, "SELECT autobuild_wake()") == "t"
            });
            await_writing(&mut client);
            product.execute(&sql);
            texts(&mut held, "SELECT pg_advisory_unlock(42)");
            let said = format!("{attached}, {:?}: {sql}", change.due);
            await_until(&format!("the other one is built: {said}"), SOON, || {
                made(&mut client, &kept) != "0"
            });
            await_until("the tick is over", SOON, || {
                value(&mut client, "SELECT worker_pid FROM autobuild_status").is_empty()
            });
            let wanted = match change.sql.contains("autodelete") && change.due == Due::Dormant {
                // The mark itself stands, without a time to be deleted at.
                true => "1",
                false => "0",
            };
            assert_eq!(made(&mut client, &changed), wanted, "{said}");
            let deleted = format!("SELECT deleting_at FROM workspaces WHERE id = '{changed}'");
            if wanted == "1" {
                assert_eq!(value(&mut client, &deleted), "", "{said}");
            }
            product.execute(&format!(
                "UPDATE provisioner_jobs SET started_at = now(), completed_at = now()
                  WHERE completed_at IS NULL;
                 UPDATE workspaces SET deleted = true WHERE id IN ('{kept}', '{changed}')"
            ));
        }
        assert_eq!(invariants::of_history(&product), Vec::<String>::new());
    }
}

/// What is told may be waited for, and the ground go meanwhile.
#[test]
fn a_build_whose_ground_is_gone_while_its_owner_is_told_is_not_committed() {
    let server = server();
    let product = installed(&server);
    product.execute(
        "DROP TRIGGER slow ON provisioner_jobs;
         CREATE TRIGGER slow AFTER INSERT ON notification_messages FOR EACH STATEMENT
                EXECUTE FUNCTION slow()",
    );
    let mut client = product.superuser();
    let mut scenes = Vec::new();
    for name in ["kept", "changed"] {
        let (template, owner, id) = workspace(&product, Due::Start, name);
        template.new_version("second").create().activate();
        product.execute(&format!(
            "UPDATE workspaces SET automatic_updates = 'always' WHERE id = '{id}'"
        ));
        scenes.push((id, owner.id));
    }
    let mut held = hold(&product);
    await_until("the worker is there", SOON, || {
        value(&mut client, "SELECT autobuild_wake()") == "t"
    });
    await_writing(&mut client);
    product.execute(&format!(
        "UPDATE users SET status = 'suspended' WHERE id = '{}'",
        scenes[1].1
    ));
    texts(&mut held, "SELECT pg_advisory_unlock(42)");
    await_until("the other one is built", SOON, || {
        made(&mut client, &scenes[0].0) == "1"
    });
    assert_eq!(made(&mut client, &scenes[1].0), "0");
    let told = "SELECT string_agg(DISTINCT payload->'labels'->>'name', '')
                  FROM notification_messages";
    assert_eq!(value(&mut client, told), "kept");
}

#[test]
fn by_hand_such_a_tick_is_refused_whole() {
    let server = server();
    let product = installed(&server);
    let mut client = product.superuser();
    texts(&mut client, "SELECT autobuild_pause('by hand')");
    for (number, change) in CHANGES.iter().enumerate() {
        let (kept, changed, sql) = scene(&product, number, change);
        let mut held = hold(&product);
        let mut session = product.superuser();
        session
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            .expect("it begins");
        let refusal = thread::scope(|scope| {
            let ticked = scope.spawn(|| {
                session
                    .simple_query("SELECT * FROM autobuild_tick()")
                    .map(drop)
                    .map_err(|error| Refusal::of(&error))
            });
            await_writing(&mut client);
            product.execute(&sql);
            texts(&mut held, "SELECT pg_advisory_unlock(42)");
            ticked.join().expect("no panic").expect_err("a refusal")
        });
        assert_eq!(refusal.sqlstate, "40001", "{sql}: {refusal:?}");
        session.batch_execute("ROLLBACK").expect("rolled back");
        for workspace in [&kept, &changed] {
            assert_eq!(made(&mut client, workspace), "0", "{sql}");
        }
        product.execute(&format!(
            "UPDATE workspaces SET deleted = true WHERE id IN ('{kept}', '{changed}')"
        ));
    }
}

#[test]
fn a_workspace_that_was_woken_is_not_deleted() {
    let server = server();
    let product = installed(&server);
    let (_, _, id) = workspace(&product, Due::Delete, "asleep");
    let mut client = product.superuser();
    texts(&mut client, "SELECT autobuild_pause('by hand')");
    let mut session = product.superuser();
    session
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .expect("a snapshot");
    product.execute(&format!(
        "UPDATE workspaces SET dormant_at = NULL, deleting_at = NULL, last_used_at = now()
          WHERE id = '{id}'"
    ));
    let refusal = session
        .simple_query("SELECT * FROM autobuild_tick()")
        .map_err(|error| Refusal::of(&error))
        .expect_err("a refusal");
    assert_eq!(refusal.sqlstate, "40001", "{refusal:?}");
    assert_eq!(made(&mut client, &id), "0");
}

#[test]
fn logins_heartbeats_and_job_updates_do_not_wait_for_a_batch() {
    let server = server();
    let product = installed(&server);
    let (template, owner, id) = workspace(&product, Due::Stop, "busy");
    let mut client = product.superuser();
    let mut held = hold(&product);
    await_until("the worker is there", SOON, || {
        value(&mut client, "SELECT autobuild_wake()") == "t"
    });
    await_writing(&mut client);
    let mut writer = product.connect();
    writer
        .batch_execute(&format!(
            "SET lock_timeout = '100ms';
             UPDATE users SET last_seen_at = now() WHERE id = '{}';
             UPDATE workspaces SET last_used_at = now() WHERE id = '{id}';
             UPDATE provisioner_jobs SET updated_at = now();
             UPDATE templates SET description = 'new' WHERE id = '{}'",
            owner.id, template.id
        ))
        .expect("nobody waits");
    texts(&mut held, "SELECT pg_advisory_unlock(42)");
    await_until("it stops all the same", SOON, || {
        made(&mut client, &id) == "1"
    });
}
