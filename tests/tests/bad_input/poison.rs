//! Poison: rows that break a step. Each has its own outcome, the rest of its crowd is
//! built, and what one row costs is bounded.

use std::time::Instant;

use workspace_autobuild_tests::autobuild::{Attempt, NINE, TODAY_AT_NINE, YESTERDAY, to_fill_in};
use workspace_autobuild_tests::invariants::Others;
use workspace_autobuild_tests::product::{Template, Value, Workspace, parameter, texts};
use workspace_autobuild_tests::server::ticking;
use workspace_autobuild_tests::{
    Product, SOON, Server, Transition, Version, await_some, await_until, invariants,
};

/// A crowd that is less than a batch.
const CROWD: u32 = 300;

/// No foreign key, NOT NULL or check stands in the way any more, primary keys apart.
const LAWLESS: &str = "
DO $$
DECLARE r record;
BEGIN
    FOR r IN SELECT conrelid::regclass AS t, conname FROM pg_constraint
              WHERE connamespace = 'public'::regnamespace AND contype IN ('f', 'c')
                AND conrelid::regclass::text NOT LIKE 'autobuild%'
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.t, r.conname); END LOOP;
    FOR r IN SELECT a.attrelid::regclass AS t, a.attname FROM pg_attribute a
               JOIN pg_class c ON c.oid = a.attrelid
              WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
                AND c.relname NOT LIKE 'autobuild%' AND a.attnum > 0 AND a.attnotnull
                AND NOT a.attisdropped AND NOT EXISTS (SELECT FROM pg_index i
                    WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey))
    LOOP EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', r.t, r.attname); END LOOP;
END $$";

/// Nobody panicked.
#[track_caller]
fn no_panic(server: &Server) {
    let log = server.log();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("panicked"))
        .collect();
    assert!(lines.is_empty(), "{lines:?}");
}

/// A template and a workspace of it that is due to start [`TODAY_AT_NINE`].
fn due<'p>(product: &'p Product, name: &str) -> (Template<'p>, Workspace<'p>) {
    let template = product
        .template(name)
        .parameter(parameter("p").kind("string").default("x"))
        .create();
    let workspace = template.workspace(name).schedule(NINE).create();
    workspace
        .build(Transition::Stop)
        .created_at(YESTERDAY)
        .parameter("p", "a")
        .create();
    (template, workspace)
}

/// A statement that breaks one workspace, and what a tick makes of it: transition, reason
/// and outcome with its code or SQLSTATE, or `nothing`. `$w`, `$b`, `$j` are the ids of
/// the workspace, its latest build and that build's job; `$t`, `$v`, `$i` those of the
/// template, its version and the job that imported it.
type Poison = (&'static str, &'static str);

const POISONS: [Poison; 45] = [
    (
        "UPDATE workspaces SET autostart_schedule = 'whenever' WHERE id = $w",
        "nothing",
    ),
    (
        "UPDATE workspaces SET autostart_schedule = repeat('0,', 2000000) || '0 9 * * *' WHERE id = $w",
        "start autostart built",
    ),
    (
        "UPDATE workspaces SET autostart_schedule = repeat('x', 5000000) WHERE id = $w",
        "nothing",
    ),
    (
        "UPDATE workspaces SET autostart_schedule = 'CRON_TZ=../../etc/passwd 0 9 * * *' WHERE id = $w",
        "nothing",
    ),
    (
        "UPDATE workspaces SET template_id = gen_random_uuid() WHERE id = $w",
        "nothing",
    ),
    (
        "UPDATE workspaces SET template_id = NULL WHERE id = $w",
        "nothing",
    ),
    (
        "UPDATE workspaces SET owner_id = gen_random_uuid() WHERE id = $w",
        "nothing",
    ),
    (
        "UPDATE workspaces SET owner_id = NULL WHERE id = $w",
        "nothing",
    ),
    (
        "UPDATE workspaces SET organization_id = NULL WHERE id = $w",
        "start autostart built",
    ),
    (
        "UPDATE workspaces SET deleted = NULL WHERE id = $w",
        "nothing",
    ),
    (
        "UPDATE workspaces SET ttl = -9223372036854775808, last_used_at = 'infinity' WHERE id = $w",
        "start autostart built",
    ),
    (
        "UPDATE workspaces SET last_used_at = NULL WHERE id = $w",
        "start autostart built",
    ),
    (
        "UPDATE templates SET active_version_id = gen_random_uuid() WHERE id = $t",
        "start autostart built",
    ),
    (
        "UPDATE templates SET organization_id = gen_random_uuid() WHERE id = $t",
        "start autostart built",
    ),
    (
        "UPDATE templates SET failure_ttl = 9223372036854775807 WHERE id = $t",
        "start autostart built",
    ),
    (
        "UPDATE templates SET allow_user_autostart = NULL WHERE id = $t",
        "nothing",
    ),
    (
        "UPDATE workspace_builds SET template_version_id = gen_random_uuid() WHERE id = $b",
        "start autostart blocked version_missing",
    ),
    (
        "UPDATE workspace_builds SET template_version_id = NULL WHERE id = $b",
        "start autostart blocked version_missing",
    ),
    (
        "UPDATE workspace_builds SET job_id = gen_random_uuid() WHERE id = $b",
        "nothing",
    ),
    (
        "UPDATE workspace_builds SET job_id = NULL WHERE id = $b",
        "nothing",
    ),
    (
        "UPDATE workspace_builds SET transition = NULL WHERE id = $b",
        "nothing",
    ),
    (
        "UPDATE workspace_builds SET build_number = 2147483647 WHERE id = $b",
        "start autostart blocked build_numbers_used_up",
    ),
    (
        "UPDATE workspace_builds SET build_number = -2147483648 WHERE id = $b",
        "start autostart built",
    ),
    (
        "UPDATE workspace_builds SET build_number = NULL WHERE id = $b",
        "start autostart blocked build_numbers_used_up",
    ),
    (
        "UPDATE workspace_builds SET created_at = 'infinity' WHERE id = $b",
        "nothing",
    ),
    (
        "UPDATE workspace_builds SET created_at = '-infinity' WHERE id = $b",
        "start autostart built",
    ),
    (
        "UPDATE workspace_builds SET created_at = NULL WHERE id = $b",
        "start autostart built",
    ),
    (
        "UPDATE workspace_builds SET deadline = 'infinity', transition = 'start' WHERE id = $b",
        "nothing",
    ),
    (
        "UPDATE workspace_builds SET deadline = '-infinity', transition = 'start' WHERE id = $b",
        "stop autostop built",
    ),
    (
        "UPDATE provisioner_jobs SET completed_at = 'infinity' WHERE id = $j",
        "start autostart built",
    ),
    (
        "UPDATE provisioner_jobs SET completed_at = NULL WHERE id = $j",
        "nothing",
    ),
    (
        "UPDATE template_versions SET job_id = gen_random_uuid() WHERE id = $v",
        "start autostart blocked import_job_missing",
    ),
    (
        "UPDATE template_versions SET template_id = gen_random_uuid() WHERE id = $v",
        "start autostart blocked version_of_other_template",
    ),
    (
        "UPDATE provisioner_jobs SET file_id = NULL WHERE id = $i",
        "start autostart built",
    ),
    (
        "UPDATE provisioner_jobs SET storage_method = NULL WHERE id = $i",
        "start autostart built",
    ),
    (
        "UPDATE provisioner_jobs SET tags = '[1, 2]' WHERE id = $i",
        "start autostart blocked tags_unreadable",
    ),
    (
        "UPDATE provisioner_jobs SET tags = '\"scope\"' WHERE id = $i",
        "start autostart blocked tags_unreadable",
    ),
    (
        "UPDATE provisioner_jobs SET tags = '{\"scope\": 7}' WHERE id = $i",
        "start autostart blocked tags_unreadable",
    ),
    (
        "UPDATE provisioner_jobs SET tags = (repeat('{\"a\":', 5000) || '1' || repeat('}', 5000))::jsonb WHERE id = $i",
        "start autostart blocked tags_unreadable",
    ),
    (
        "UPDATE template_version_parameters SET options = '{\"value\": 1}' WHERE template_version_id = $v",
        "start autostart blocked parameter_options_unreadable",
    ),
    (
        "UPDATE template_version_parameters SET options = (repeat('[', 5000) || repeat(']', 5000))::jsonb WHERE template_version_id = $v",
        "start autostart blocked parameter_options_unreadable",
    ),
    (
        "UPDATE template_version_parameters SET validation_regex = '^(a{900}){900}$', validation_error = 'e' WHERE template_version_id = $v",
        "start autostart built",
    ),
    (
        "UPDATE template_version_parameters SET validation_regex = '^(a+)+$', validation_error = 'e' WHERE template_version_id = $v; UPDATE workspace_build_parameters SET value = repeat('a', 30000) || 'b' WHERE workspace_build_id = $b",
        "start autostart blocked parameter_pattern_mismatch",
    ),
    // Too long for a match that could not be interrupted, and what the latest build had.
    (
        "UPDATE template_version_parameters SET validation_regex = '^(a+)+$', validation_error = 'e' WHERE template_version_id = $v; UPDATE workspace_build_parameters SET value = repeat('a', 3000000) || 'b' WHERE workspace_build_id = $b",
        "start autostart built",
    ),
    (
        "UPDATE template_version_parameters SET name = repeat('n', 2000) WHERE template_version_id = $v",
        "start autostart built",
    ),
];

/// What is seen first on schemas where a tick looks for a provisioner, by the statement's
/// beginning.
const WITH_PROVISIONERS: [(&str, &str); 4] = [
    ("UPDATE workspaces SET organization_id", "no_provisioner"),
    (
        "UPDATE templates SET active_version_id",
        "active_version_missing",
    ),
    (
        "UPDATE template_versions SET job_id",
        "active_version_missing",
    ),
    ("UPDATE provisioner_jobs SET tags", "no_provisioner"),
];

#[test]
fn each_broken_row_has_its_own_outcome_and_the_crowd_is_built() {
    for version in [Version::OLDEST, Version::V2_10_0, Version::NEWEST] {
        let product = Product::with_extension(Server::shared(), version);
        let crowd = product.template("crowd").create();
        crowd
            .workspaces(CROWD, Transition::Stop)
            .schedule(NINE)
            .created_at(YESTERDAY)
            .create();
        product.execute(LAWLESS);
        let poisoned: Vec<Workspace<'_>> = POISONS
            .iter()
            .enumerate()
            .map(|(number, (statement, _))| {
                let (template, workspace) = due(&product, &format!("p{number}"));
                let latest = workspace.latest_build();
                let ids = [
                    ("$w", workspace.id),
                    ("$b", latest.id),
                    ("$j", latest.job),
                    ("$t", template.id),
                    ("$v", template.version),
                    ("$i", template.first_version().job),
                ];
                let statement = ids.iter().fold((*statement).to_owned(), |sql, (name, id)| {
                    sql.replace(name, &format!("'{id}'"))
                });
                if version >= Version::V2_0_0 || !statement.contains("failure_ttl") {
                    product.execute(&statement);
                }
                workspace
            })
            .collect();
        let others = Others::of(&product);
        let begun = Instant::now();
        let rows = product.operator().tick(TODAY_AT_NINE);
        let taken = begun.elapsed();
        others.check(&product);
        let mut differ = Vec::new();
        for ((statement, expected), workspace) in POISONS.iter().zip(&poisoned) {
            let row = rows.iter().find(|row| row.workspace_id == workspace.id);
            let outcome = row.map_or("nothing".to_owned(), ToString::to_string);
            let first = WITH_PROVISIONERS
                .iter()
                .find(|(begin, _)| version == Version::NEWEST && statement.starts_with(begin));
            let expected = first.map_or((*expected).to_owned(), |(_, code)| {
                format!("start autostart blocked {code}")
            });
            if outcome != expected {
                differ.push(format!("{version}: {statement}: {outcome}, not {expected}"));
            }
        }
        assert!(differ.is_empty(), "{}", differ.join("\n"));
        let ids: Vec<_> = poisoned.iter().map(|workspace| workspace.id).collect();
        let built = rows.iter().filter(|row| row.outcome == "built");
        let of_crowd = built.filter(|row| !ids.contains(&row.workspace_id)).count();
        assert_eq!(of_crowd, CROWD as usize, "{version}");
        assert!(taken < SOON, "{version}: the tick took {taken:?}");
    }
    no_panic(Server::shared());
}

#[test]
fn bytes_that_are_no_utf8_are_data_like_any_other() {
    let product = Product::with_extension(Server::shared(), Version::NEWEST);
    let (_, crowd) = due(&product, "crowd");
    let broken: Vec<Workspace<'_>> = ["schedule", "tag", "name", "pattern", "error", "raised"]
        .iter()
        .map(|name| due(&product, name).1)
        .collect();
    product
        .superuser()
        .batch_execute("UPDATE pg_database SET encoding = 0 WHERE datname = current_database()")
        .expect("a superuser may");
    // A session of before still believes in UTF-8.
    product.reconnect();
    let change = |table: &str, what: &str, of: usize, column: &str| {
        let version = broken[of].version;
        product.execute(&format!(
            "UPDATE {table} SET {what} WHERE {column} = '{version}'"
        ));
    };
    broken[0].update(
        "autostart_schedule",
        Value::sql(r"E'CRON_TZ=\xff\xfe 0 9 * * *'"),
    );
    product.execute(&format!(
        r#"UPDATE provisioner_jobs SET tags = (E'{{"scope": "\xff"}}')::jsonb
            WHERE id = (SELECT job_id FROM template_versions WHERE id = '{}')"#,
        broken[1].version
    ));
    let parameters = "template_version_parameters";
    change(parameters, r"name = E'\xff'", 2, "template_version_id");
    change(
        parameters,
        r"validation_regex = E'^\xff', validation_error = 'e'",
        3,
        "template_version_id",
    );
    change(
        parameters,
        r"validation_regex = '^b', validation_error = E'\xff'",
        4,
        "template_version_id",
    );
    product.execute(&format!(
        r"CREATE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              IF NEW.workspace_id = '{}' THEN RAISE EXCEPTION E'raised \xff'; END IF;
              RETURN NEW; END $$;
          CREATE TRIGGER raise BEFORE INSERT ON workspace_builds FOR EACH ROW EXECUTE FUNCTION raise()",
        broken[5].id
    ));
    let mut client = product.superuser();
    let tick = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ;
         SELECT workspace_id, outcome, coalesce(code, sqlstate), length(message) > 0
           FROM autobuild_tick('{TODAY_AT_NINE}');
         COMMIT"
    );
    let rows = texts(&mut client, &tick);
    let outcome = |workspace: &Workspace<'_>| {
        let id = Some(workspace.id.to_string());
        let row = rows.iter().find(|row| row[0] == id);
        row.map_or("nothing".to_owned(), |row| {
            let texts: Vec<&str> = row[1..3].iter().flatten().map(String::as_str).collect();
            texts.join(" ")
        })
    };
    assert_eq!(outcome(&crowd), "built");
    let outcomes: Vec<String> = broken.iter().map(outcome).collect();
    assert_eq!(
        outcomes,
        [
            "nothing",
            "blocked no_provisioner",
            // Read with a mark in place of the byte, its value isn't found.
            "failed 23502",
            "blocked parameter_pattern_mismatch",
            "blocked parameter_pattern_mismatch",
            "failed P0001",
        ]
    );
    no_panic(Server::shared());
}

/// A server with a tick each second that waits for nobody for long.
fn impatient() -> Server {
    ticking()
        .set("workspace_autobuild.lock_timeout", "200ms")
        .set("workspace_autobuild.statement_timeout", "2s")
        .start()
}

fn overdue(template: &Template<'_>, count: u32) -> Vec<uuid::Uuid> {
    template
        .workspaces(count, Transition::Start)
        .deadline(Value::sql("now() - interval '1 hour'"))
        .create()
}

fn stops(product: &Product) -> i64 {
    product
        .value("SELECT count(*) FROM workspace_builds WHERE transition = 'stop'")
        .and_then(|count| count.parse().ok())
        .expect("a count")
}

/// `workspace_id outcome sqlstate` of what can't move.
fn blocked(product: &Product) -> Vec<Vec<Option<String>>> {
    texts(
        &mut product.superuser(),
        "SELECT workspace_id, outcome, sqlstate FROM autobuild_blocked ORDER BY 1",
    )
}

#[test]
fn rows_that_somebody_holds_fail_alone_and_the_others_are_built() {
    let server = impatient();
    let product = Product::install(&server, Version::NEWEST);
    let ids = overdue(&product.template("docker").create(), CROWD);
    let held = [ids[7], ids[8], ids[250]];
    let mut holder = product.connect();
    holder
        .batch_execute(&format!(
            "BEGIN; SELECT FROM workspaces WHERE id IN ('{}', '{}', '{}') FOR UPDATE",
            held[0], held[1], held[2]
        ))
        .expect("a lock");
    product.create_extension();
    let others = i64::from(CROWD) - 3;
    await_until("the others are built", SOON, || stops(&product) == others);
    await_until("the held ones are put off", SOON, || {
        blocked(&product).len() == 3
    });
    let mut expected: Vec<String> = held.iter().map(ToString::to_string).collect();
    expected.sort();
    let expected: Vec<Vec<Option<String>>> = expected
        .into_iter()
        .map(|id| {
            vec![
                Some(id),
                Some("failed".to_owned()),
                Some("55P03".to_owned()),
            ]
        })
        .collect();
    assert_eq!(blocked(&product), expected);
    let soon = product_value(
        &product,
        "SELECT bool_and(next_attempt_at <= last_attempt_at + interval '1 minute')
           FROM autobuild_blocked",
    );
    assert_eq!(
        soon.as_deref(),
        Some("t"),
        "they are tried again within a minute"
    );
    holder.batch_execute("ROLLBACK").expect("a rollback");
    assert_eq!(by_hand(&product).len(), 3);
    assert_eq!(stops(&product), i64::from(CROWD));
    assert_eq!(blocked(&product), Vec::<Vec<Option<String>>>::new());
    invariants::check_quiet(&product);
}

/// A tick by hand. The worker ticks too, and may be at work just then.
fn by_hand(product: &Product) -> Vec<Attempt> {
    await_some("a tick by hand", SOON, || {
        product.operator().try_tick("now").ok()
    })
}

fn product_value(product: &Product, sql: &str) -> Option<String> {
    texts(&mut product.superuser(), sql).remove(0).remove(0)
}

#[test]
fn a_version_that_somebody_holds_keeps_only_its_own_workspaces() {
    let server = impatient();
    let product = Product::install(&server, Version::NEWEST);
    let held = product.template("held").create();
    let held_ids = overdue(&held, 5);
    overdue(&product.template("free").create(), CROWD);
    let mut holder = product.connect();
    holder
        .batch_execute(&format!(
            "BEGIN; SELECT FROM template_versions WHERE id = '{}' FOR UPDATE",
            held.version
        ))
        .expect("a lock");
    product.create_extension();
    await_until("the free ones are built", SOON, || {
        stops(&product) == i64::from(CROWD)
    });
    await_until("the held ones are put off", SOON, || {
        blocked(&product).len() == held_ids.len()
    });
    holder.batch_execute("ROLLBACK").expect("a rollback");
    assert_eq!(by_hand(&product).len(), held_ids.len());
    invariants::check_quiet(&product);
}

/// Code of the tables' owner that keeps one workspace from being built.
const PLANTED: [(&str, &str); 10] = [
    ("PERFORM pg_sleep(60)", "57014"),
    ("LOOP END LOOP", "57014"),
    ("RAISE EXCEPTION 'x' USING ERRCODE = '57014'", "57014"),
    ("RAISE EXCEPTION 'x' USING ERRCODE = '57P01'", "57P01"),
    ("RAISE EXCEPTION 'x' USING ERRCODE = '55P03'", "55P03"),
    ("RAISE EXCEPTION 'x' USING ERRCODE = '53100'", "53100"),
    ("RAISE EXCEPTION 'x' USING ERRCODE = '40001'", "40001"),
    ("RAISE EXCEPTION 'x' USING ERRCODE = '40P01'", "40P01"),
    ("RAISE EXCEPTION 'x' USING ERRCODE = '42501'", "42501"),
    ("PERFORM pg_terminate_backend(pg_backend_pid())", "42501"),
];

#[test]
fn a_trigger_that_sleeps_or_raises_keeps_only_its_own_workspace() {
    let server = impatient();
    for (body, sqlstate) in PLANTED {
        let product = Product::install(&server, Version::NEWEST);
        let ids = overdue(&product.template("docker").create(), CROWD);
        let poisoned = ids[100];
        product.execute(&format!(
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF NEW.workspace_id = '{poisoned}' THEN {body}; END IF; RETURN NEW; END $$;
             CREATE TRIGGER poison BEFORE INSERT ON workspace_builds
                FOR EACH ROW EXECUTE FUNCTION poison()"
        ));
        product.create_extension();
        let others = i64::from(CROWD) - 1;
        await_until(&format!("{body}: the others are built"), SOON, || {
            stops(&product) == others
        });
        await_until(&format!("{body}: it is put off"), SOON, || {
            !blocked(&product).is_empty()
        });
        let expected = [
            poisoned.to_string(),
            "failed".to_owned(),
            sqlstate.to_owned(),
        ];
        assert_eq!(blocked(&product), [expected.map(Some)], "{body}");
        let longest = product_value(
            &product,
            "SELECT max(finished_at - started_at) < interval '15 seconds' FROM autobuild_ticks",
        );
        assert_eq!(longest.as_deref(), Some("t"), "{body}: a tick is bounded");
        invariants::check_quiet(&product);
        product.execute("DROP TRIGGER poison ON workspace_builds");
        // By hand, unless the worker is at it or was first.
        await_until(&format!("{body}: it is built as well"), SOON, || {
            let _ = product.operator().try_tick("now");
            stops(&product) == others + 1
        });
        invariants::check_quiet(&product);
        product
            .superuser()
            .batch_execute("DROP EXTENSION \"workspace-autobuild\"")
            .expect("it is there");
    }
    no_panic(&server);
}

/// `next_start_at` is filled in where nothing is due. A trigger that is in its way for one
/// workspace keeps it from that one alone, and is not waited for at each tick.
#[test]
fn a_trigger_on_next_start_at_keeps_only_its_own_workspace_from_it() {
    let server = impatient();
    for (body, _) in PLANTED {
        let product = Product::install(&server, Version::NEWEST);
        let poisoned = to_fill_in(&product, CROWD)[100];
        product.execute(&format!(
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF NEW.id = '{poisoned}' THEN {body}; END IF; RETURN NEW; END $$;
             CREATE TRIGGER poison BEFORE UPDATE OF next_start_at ON workspaces
                FOR EACH ROW EXECUTE FUNCTION poison()"
        ));
        product.create_extension();
        // A role that has no more than it needs.
        product
            .superuser()
            .batch_execute(&format!(
                "CREATE ROLE of_{database};
                 SELECT autobuild_grant('of_{database}');
                 ALTER DATABASE {database} SET workspace_autobuild.role = of_{database}",
                database = product.database()
            ))
            .expect("a role of its own");
        let empty = || {
            texts(
                &mut product.superuser(),
                "SELECT id FROM workspaces WHERE next_start_at IS NULL",
            )
        };
        let only_it = [[Some(poisoned.to_string())]];
        // On a busy machine another one may be put off too, for a minute.
        let filled = format!("{body}: the others are filled in");
        await_until(&filled, 2 * SOON, || empty() == only_it);
        let put_off = "SELECT workspace_id FROM autobuild_unfilled";
        await_until(&format!("{body}: it is put off"), SOON, || {
            texts(&mut product.superuser(), put_off) == only_it
        });
        // The trigger would take all of the 500 ms that it is given.
        await_until(
            &format!("{body}: a tick does not wait for it"),
            SOON,
            || {
                product_value(
                    &product,
                    "SELECT worker_state = 'idle' AND last_tick_ms < 400 FROM autobuild_status",
                )
                .as_deref()
                    == Some("t")
            },
        );
        let longest = product_value(
            &product,
            "SELECT coalesce(max(finished_at - started_at), '0') < interval '15 seconds'
               FROM autobuild_ticks",
        );
        assert_eq!(longest.as_deref(), Some("t"), "{body}: a tick is bounded");
        invariants::check_quiet(&product);
        product.execute("DROP TRIGGER poison ON workspaces");
        assert_eq!(by_hand(&product).len(), 0, "{body}");
        assert_eq!(empty(), Vec::<Vec<Option<String>>>::new(), "{body}");
        let left = texts(&mut product.superuser(), put_off);
        assert_eq!(left, Vec::<Vec<Option<String>>>::new(), "{body}");
        product
            .superuser()
            .batch_execute("DROP EXTENSION \"workspace-autobuild\"")
            .expect("it is there");
    }
    no_panic(&server);
}

/// Rows that refuse are put off too: however many they are, the others have their turn.
#[test]
fn many_that_refuse_their_next_start_at_keep_no_other_from_it() {
    let server = impatient();
    let product = Product::install(&server, Version::NEWEST);
    to_fill_in(&product, CROWD);
    product.execute(
        "CREATE TABLE refusing AS SELECT id FROM workspaces ORDER BY id LIMIT 100;
         CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF EXISTS (SELECT FROM public.refusing r WHERE r.id = NEW.id)
             THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER poison BEFORE UPDATE OF next_start_at ON workspaces
            FOR EACH ROW EXECUTE FUNCTION poison()",
    );
    product.create_extension();
    await_until("the others are filled in", SOON, || {
        product
            .value(
                "SELECT count(*) FROM workspaces
                  WHERE next_start_at IS NULL AND id NOT IN (TABLE refusing)",
            )
            .as_deref()
            == Some("0")
    });
    invariants::check_quiet(&product);
}
