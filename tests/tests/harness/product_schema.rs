//! The product's tables as we make them are what the lists of facts say.

use std::collections::BTreeSet;

use uuid::Uuid;
use workspace_autobuild_tests::product::facts::Facts;
use workspace_autobuild_tests::product::{Row, quote_literal};
use workspace_autobuild_tests::{Product, Server, Version};

type Rows = BTreeSet<Vec<String>>;

/// The rows of a catalog query, NULL as the empty text.
fn catalog(product: &Product, sql: &str) -> Rows {
    product
        .rows(sql)
        .into_iter()
        .map(|row| row.into_iter().map(Option::unwrap_or_default).collect())
        .collect()
}

fn row(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|column| (*column).to_owned()).collect()
}

#[test]
fn all_ten_versions_have_exactly_the_columns_keys_indexes_and_enums_of_the_lists() {
    let server = Server::plain();
    for version in Version::ALL {
        let product = Product::install(server, version);
        let facts = Facts::of(version);
        assert!(facts.has_table("workspaces"), "{version} has its tables");
        columns(&product, &facts);
        constraints(&product, &facts);
        indexes(&product, &facts);
        enums(&product, &facts);
    }
}

fn columns(product: &Product, facts: &Facts) {
    let expected: Rows = facts
        .columns
        .iter()
        .map(|c| {
            row(&[
                &c.table,
                &c.name,
                &c.kind,
                &c.nullability,
                &c.default,
                &c.generated,
            ])
        })
        .collect();
    let found = catalog(
        product,
        "SELECT r.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attnotnull THEN 'not null' END,
                CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
                CASE WHEN a.attgenerated = 's' THEN 'stored' END
           FROM pg_attribute a
           JOIN pg_class r ON r.oid = a.attrelid AND r.relkind = 'r'
           LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
          WHERE r.relnamespace = 'public'::regnamespace AND a.attnum > 0",
    );
    assert_eq!(found, expected, "columns of {}", facts.version);
}

fn constraints(product: &Product, facts: &Facts) {
    let expected: Rows = facts
        .constraints
        .iter()
        .map(|c| row(&[&c.table, &c.name, &c.kind, &c.columns, &c.references]))
        .collect();
    let found = catalog(
        product,
        "SELECT c.conrelid::regclass, c.conname,
                CASE c.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique'
                               ELSE 'foreign key' END,
                (SELECT string_agg(a.attname, ' ' ORDER BY k.n)
                   FROM unnest(c.conkey) WITH ORDINALITY k(attnum, n)
                   JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
                CASE WHEN c.contype = 'f' THEN
                    concat_ws(' ', c.confrelid::regclass::text,
                        (SELECT string_agg(a.attname, ' ') FROM pg_attribute a
                          WHERE a.attrelid = c.confrelid AND a.attnum = ANY (c.confkey)),
                        CASE c.confdeltype WHEN 'c' THEN 'on delete cascade'
                                           WHEN 'r' THEN 'on delete restrict'
                                           WHEN 'n' THEN 'on delete set null' END) END
           FROM pg_constraint c
          WHERE c.connamespace = 'public'::regnamespace AND c.contype IN ('p', 'u', 'f')",
    );
    assert_eq!(found, expected, "constraints of {}", facts.version);
}

fn indexes(product: &Product, facts: &Facts) {
    let expected: Rows = facts
        .indexes
        .iter()
        .map(|i| {
            row(&[
                &i.table,
                &i.name,
                &i.unique,
                &i.method,
                &i.keys,
                &i.predicate,
            ])
        })
        .collect();
    let found = catalog(
        product,
        "SELECT i.indrelid::regclass, i.indexrelid::regclass,
                CASE WHEN i.indisunique THEN 'unique' END, m.amname,
                (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, true), ', ' ORDER BY k)
                   FROM generate_series(1, i.indnkeyatts) k),
                pg_get_expr(i.indpred, i.indrelid)
           FROM pg_index i
           JOIN pg_class r ON r.oid = i.indexrelid
           JOIN pg_am m ON m.oid = r.relam
          WHERE r.relnamespace = 'public'::regnamespace",
    );
    assert_eq!(found, expected, "indexes of {}", facts.version);
}

fn enums(product: &Product, facts: &Facts) {
    let expected: Rows = facts
        .enums
        .iter()
        .map(|e| row(&[&e.name, &e.values]))
        .collect();
    let found = catalog(
        product,
        "SELECT t.typname, string_agg(e.enumlabel, ' ' ORDER BY e.enumsortorder)
           FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
          WHERE t.typnamespace = 'public'::regnamespace GROUP BY t.typname",
    );
    assert_eq!(found, expected, "enums of {}", facts.version);
}

#[test]
fn the_tables_are_their_owners_who_is_no_superuser() {
    let server = Server::plain();
    let product = Product::install(server, Version::NEWEST);
    let owners = product.rows(
        "SELECT DISTINCT r.rolname, r.rolsuper FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
          WHERE c.relnamespace = 'public'::regnamespace",
    );
    assert_eq!(owners, [[Some("product".to_owned()), Some("f".to_owned())]]);
}

#[test]
fn the_tables_can_be_in_any_schema() {
    let server = Server::plain();
    for version in Version::ALL {
        let product = Product::install_in(server, version, "Some \"schema\"");
        assert_eq!(
            product.value(
                "SELECT string_agg(DISTINCT relnamespace::regnamespace::text, ',') FROM pg_class
                  WHERE relname IN ('workspaces', 'workspace_builds', 'provisioner_jobs')"
            ),
            Some("\"Some \"\"schema\"\"\"".to_owned()),
            "{version}"
        );
    }
}

#[test]
fn job_status_follows_the_times_and_the_error() {
    let server = Server::plain();
    let product = Product::install(server, Version::NEWEST);
    let template = product.template("docker").create();
    let status = |started: bool, completed: bool, canceled: bool, error: Option<&str>| {
        let time = |is: bool| is.then_some("2024-01-01 00:00:00+00");
        let version = template
            .new_version(&format!("{started} {completed} {canceled} {error:?}"))
            .import("started_at", time(started))
            .import("completed_at", time(completed))
            .import("canceled_at", time(canceled))
            .import("error", error)
            .create();
        product.value(&format!(
            "SELECT job_status FROM provisioner_jobs WHERE id = {}",
            quote_literal(&version.job.to_string())
        ))
    };
    for (started, completed, canceled, error, expected) in [
        (false, false, false, None, "pending"),
        (false, false, false, Some(""), "pending"),
        (true, false, false, None, "running"),
        (true, false, true, None, "canceling"),
        (false, false, true, None, "canceling"),
        (true, false, true, Some("boom"), "failed"),
        (false, false, false, Some("boom"), "failed"),
        (true, true, false, None, "succeeded"),
        (false, true, false, Some(""), "succeeded"),
        (true, true, true, None, "canceled"),
        (true, true, true, Some("boom"), "failed"),
        (true, true, false, Some("boom"), "failed"),
    ] {
        assert_eq!(
            status(started, completed, canceled, error).as_deref(),
            Some(expected),
            "started {started}, completed {completed}, canceled {canceled}, error {error:?}"
        );
    }
}

#[test]
fn a_provisioner_takes_jobs_whose_tags_it_has() {
    let server = Server::plain();
    for version in Version::ALL.into_iter().filter(|v| *v >= Version::V2_20_0) {
        let product = Product::install(server, version);
        for (daemon, job, takes) in [
            (
                r#"{"scope": "organization", "owner": ""}"#,
                r#"{"owner": "", "scope": "organization"}"#,
                "t",
            ),
            (
                r#"{"scope": "organization", "owner": "", "gpu": "1"}"#,
                r#"{"scope": "organization", "owner": ""}"#,
                "f",
            ),
            (
                r#"{"scope": "organization", "owner": "", "gpu": "1"}"#,
                r#"{"scope": "organization", "owner": "", "gpu": "1"}"#,
                "t",
            ),
            (
                r#"{"scope": "organization", "owner": "", "gpu": "1"}"#,
                r#"{"gpu": "1"}"#,
                "t",
            ),
            (
                r#"{"scope": "organization", "owner": ""}"#,
                r#"{"scope": "organization", "owner": "", "gpu": "1"}"#,
                "f",
            ),
        ] {
            let takes_it = product.value(&format!(
                "SELECT provisioner_tagset_contains('{daemon}'::jsonb, '{job}'::jsonb)"
            ));
            assert_eq!(
                takes_it.as_deref(),
                Some(takes),
                "{version}: {daemon} {job}"
            );
        }
    }
}

#[test]
fn a_changed_schedule_or_dormancy_forgets_the_next_start() {
    let server = Server::plain();
    for version in Version::ALL.into_iter().filter(|v| *v >= Version::V2_20_0) {
        let product = Product::install(server, version);
        let template = product.template("docker").create();
        let workspace = template.workspace("dev").schedule("0 9 * * *").create();
        let next_start = |change: &str| {
            workspace.update(
                "dormant_at",
                workspace_autobuild_tests::product::Value::NULL,
            );
            workspace.update("next_start_at", "2024-01-01 09:00:00+00");
            product.execute(&format!("UPDATE workspaces SET {change}"));
            product.value(
                "SELECT to_char(next_start_at AT TIME ZONE 'UTC', 'HH24:MI') FROM workspaces",
            )
        };
        let nine = Some("09:00".to_owned());
        assert_eq!(next_start("updated_at = now()"), nine);
        assert_eq!(next_start("autostart_schedule = '0 9 * * *'"), nine);
        assert_eq!(next_start("autostart_schedule = '0 8 * * *'"), None);
        assert_eq!(next_start("autostart_schedule = NULL"), None);
        assert_eq!(next_start("dormant_at = now()"), None);
        assert_eq!(
            next_start(
                "autostart_schedule = '0 7 * * *', next_start_at = '2024-01-01 07:00:00+00'"
            ),
            Some("07:00".to_owned())
        );
    }
}

/// The versions with messages, each with a notice and somebody to be told.
fn with_messages(test: impl Fn(&Product, Uuid, Uuid)) {
    let server = Server::plain();
    for version in Version::ALL.into_iter().filter(|v| *v >= Version::V2_15_0) {
        let product = Product::install(server, version);
        let notice = Uuid::new_v4();
        let mut row = Row::new("notification_templates");
        product.insert(row.set("id", notice));
        let anna = product.user("anna").create().id;
        test(&product, notice, anna);
    }
}

/// A message with a payload, queued at that time; the error's text if it is refused.
fn queue(product: &Product, notice: Uuid, user: Uuid, payload: &str, at: &str) -> Option<String> {
    let mut message = Row::new("notification_messages");
    message
        .set("notification_template_id", notice)
        .set("user_id", user)
        .set("payload", payload)
        .set("targets", format!("{{{user},{notice}}}"))
        .set("created_at", at);
    let sql = message.insert(product.facts(), "");
    let error = product.session().batch_execute(&sql).err()?;
    let error = error.as_db_error().expect("an error of the server's");
    Some(error.message().to_owned())
}

#[test]
fn a_message_that_its_user_turned_off_is_refused() {
    with_messages(|product, notice, anna| {
        let version = product.version();
        let at = "2024-01-01 12:00:00+00";
        assert_eq!(queue(product, notice, anna, "{}", at), None, "{version}");
        let off_by_default = version >= Version::V2_20_0;
        let refused = Some(if off_by_default {
            "cannot enqueue message: notification is not enabled".to_owned()
        } else {
            "cannot enqueue message: user has disabled this notification".to_owned()
        });
        if off_by_default {
            product.execute("UPDATE notification_templates SET enabled_by_default = false");
            assert_eq!(queue(product, notice, anna, "{}", at), refused, "{version}");
        }
        let mut preference = Row::new("notification_preferences");
        preference.set("user_id", anna);
        preference.set("notification_template_id", notice);
        product.insert(&preference);
        assert_eq!(
            queue(product, notice, anna, r#"{"a": 1}"#, at),
            None,
            "{version}"
        );
        product.execute("UPDATE notification_preferences SET disabled = true");
        let turned_off = queue(product, notice, anna, r#"{"a": 2}"#, at);
        assert_eq!(turned_off, refused, "{version}");
        let bob = product.user("bob").create().id;
        let bobs = queue(product, notice, bob, r#"{"a": 2}"#, at);
        assert_eq!(bobs, refused.filter(|_| off_by_default), "{version}");
    });
}

#[test]
fn two_messages_of_a_day_with_the_same_content_are_one() {
    with_messages(|product, notice, anna| {
        let version = product.version();
        // Days are UTC's, wherever the session is.
        product.execute("SET TimeZone TO 'Asia/Tokyo'");
        let twice = |payload, at| {
            let error = queue(product, notice, anna, payload, at);
            error.is_some_and(|error| error.contains("notification_messages_dedupe_hash_idx"))
        };
        assert!(
            !twice(r#"{"b": 1, "a": 2}"#, "2024-01-01 00:00:00+00"),
            "{version}"
        );
        assert!(
            twice(r#"{"a":2,"b":1}"#, "2024-01-01 23:59:59.999999+00"),
            "{version}"
        );
        assert!(
            !twice(r#"{"a": 2, "b": 1}"#, "2024-01-02 00:00:00+00"),
            "{version}"
        );
        assert!(!twice(r#"{"a": 2}"#, "2024-01-01 00:00:00+00"), "{version}");
        assert_eq!(
            product.value(&format!(
                "SELECT count(*) FROM notification_messages WHERE dedupe_hash = md5(
                     '{notice}:{anna}:smtp:{{\"a\": 2, \"b\": 1}}:{anna},{notice}:'
                     || '2024-01-01 00:00:00')"
            )),
            Some("1".to_owned()),
            "{version}"
        );
    });
}

#[test]
fn the_printed_schema_loads_in_psql() {
    let server = Server::plain();
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_product-schema"))
        .arg(Version::NEWEST.name())
        .output()
        .expect("product-schema runs");
    assert!(printed.status.success());
    let file = server.folder().join("schema.sql");
    std::fs::write(&file, printed.stdout).expect("the file can be written");
    let psql = server
        .installation()
        .command("psql")
        .args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            "postgres",
        ])
        .args(["-p", &server.address().port.to_string(), "-h"])
        .arg(&server.address().socket_dir)
        .arg("-f")
        .arg(&file)
        .output()
        .expect("psql runs");
    assert!(psql.status.success(), "{psql:?}");
    let tables = workspace_autobuild_tests::product::texts(
        &mut server.client("postgres"),
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
    );
    let expected = Facts::of(Version::NEWEST).tables().len().to_string();
    assert_eq!(tables, [[Some(expected)]]);
}
