//! The settings on a real server: who may set them where, and what is refused.

use postgres::error::SqlState;
use workspace_autobuild_tests::product::texts;
use workspace_autobuild_tests::{Product, Version, await_until};

use super::support::*;

/// Runs what has to be refused; its SQLSTATE, and all that it says.
#[track_caller]
fn refused(client: &mut postgres::Client, sql: &str) -> (SqlState, String) {
    let error = client.simple_query(sql).expect_err(sql);
    let error = error.as_db_error().expect("the server's");
    let more = [error.detail(), error.hint()].map(Option::unwrap_or_default);
    (
        error.code().clone(),
        [error.message(), more[0], more[1]].join(" | "),
    )
}

#[test]
fn every_setting_has_its_unit_its_range_and_its_sentence() {
    let server = ticking().start();
    let mut client = server.client("postgres");
    let sentences = "SELECT count(*), count(*) FILTER (WHERE short_desc LIKE '%.')
                       FROM pg_settings WHERE name LIKE 'workspace\\_autobuild.%'";
    assert_eq!(
        texts(&mut client, sentences),
        [[Some("28".to_owned()), Some("28".to_owned())]]
    );
    let ranges = texts(
        &mut client,
        "SELECT substr(name, 21) || ' ' || context || ' ' || coalesce(unit, '-') || ' '
                || boot_val || ' ' || coalesce(min_val || '..' || max_val, enumvals::text, '-')
           FROM pg_settings WHERE name LIKE 'workspace\\_autobuild.%' ORDER BY name COLLATE \"C\"",
    );
    let ranges: Vec<String> = ranges.into_iter().flatten().flatten().collect();
    assert_eq!(
        ranges,
        [
            "access_url superuser -  -",
            "action superuser - build {build,observe,off}",
            "audit_dormancy superuser - off -",
            "audit_interval superuser s 3600 0..2147483647",
            "batch_size superuser - 500 1..10000",
            "databases sighup - * -",
            "failed_stop_retry superuser - on -",
            "history_retention superuser min 43200 0..2147483647",
            "licensed_rules superuser - on {on,off,auto}",
            "lock_timeout superuser ms 2000 0..2147483647",
            "log_level superuser - log {debug5,debug1,info,notice,warning,log}",
            "max_builds_per_tick superuser - 0 0..2147483647",
            "max_deletes_share superuser - 0.05 0..1",
            "max_start_delay superuser s 0 0..2147483647",
            "max_transitions_share superuser - 0 0..1",
            "missed_starts superuser - drop {drop,make_up}",
            "notification_inbox superuser - on -",
            "notification_method superuser - smtp {smtp,webhook,none}",
            "notify_jobs superuser - on -",
            "notify_owners superuser - off -",
            "notify_transitions superuser - off -",
            "product_schema superuser - public -",
            "prove_templates superuser - on -",
            "role superuser -  -",
            "rules superuser - autostop, autostart, failed, dormancy, remind -",
            "spread_starts superuser s 0 0..3600",
            "statement_timeout superuser ms 60000 0..2147483647",
            "tick_interval sighup s 60 1..3600",
        ]
    );
}

/// Patroni, Ansible and Helm read YAML, in which `off` is a boolean, and write `False`.
#[test]
fn whatever_takes_on_or_off_takes_what_yaml_makes_of_it() {
    let server = ticking().start();
    let mut client = server.client("postgres");
    let switches = texts(
        &mut client,
        "SELECT name FROM pg_settings WHERE name LIKE 'workspace\\_autobuild.%'
            AND (vartype = 'bool' OR 'off' = ANY (enumvals))",
    );
    let switches: Vec<String> = switches.into_iter().flatten().flatten().collect();
    assert!(
        switches.contains(&"workspace_autobuild.action".to_owned()) && switches.len() > 3,
        "{switches:?}"
    );
    for name in &switches {
        let words = format!(
            "SELECT enumvals IS NULL OR 'on' = ANY (enumvals) FROM pg_settings WHERE name = '{name}'"
        );
        let mut meanings = vec![("off", ["off", "False", "false", "no", "0"])];
        if value(&mut client, &words).as_deref() == Some("t") {
            meanings.push(("on", ["on", "True", "true", "yes", "1"]));
        }
        for (meaning, words) in meanings {
            for word in words {
                texts(&mut client, &format!("SET {name} = '{word}'"));
                let shown = value(&mut client, &format!("SHOW {name}"));
                assert_eq!(shown.as_deref(), Some(meaning), "{name} = {word}");
            }
        }
    }
    // None of these words is shown as a choice of its own.
    let listed = "SELECT enumvals::text FROM pg_settings WHERE name = 'workspace_autobuild.action'";
    assert_eq!(
        value(&mut client, listed).as_deref(),
        Some("{build,observe,off}")
    );
}

#[test]
fn the_emergency_switch_as_yaml_writes_it_stops_the_worker() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    server.set("workspace_autobuild.action", "False");
    await_status(&mut client, "worker_state", "off");
    await_status(&mut client, "action", "off");
    overdue(&product, 1);
    server.set("workspace_autobuild.action", "build");
    await_until("the stop", SOON, || {
        let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
        product.value(stops).as_deref() == Some("1")
    });
    assert_eq!(log_lines(&server, "invalid value"), 0);
}

#[test]
fn a_value_or_a_name_that_makes_no_sense_is_refused_with_the_reason() {
    let server = ticking().start();
    let mut client = server.client("postgres");
    for (setting, reason) in [
        ("action = perhaps", "build, observe, off"),
        ("rules = 'autostart, naps'", "\"naps\" is not a rule"),
        ("product_schema = ''", "give the name of a schema"),
        ("batch_size = 0", "(1 .. 10000)"),
        ("batch_size = many", "batch_size"),
        ("lock_timeout = '2 fortnights'", "\"ms\""),
        ("lock_timeout = -1", "2147483647"),
        ("licensed_rules = perhaps", "on, off, auto"),
        ("log_level = loud", "warning"),
        (
            "access_url = 'coder.example.com'",
            "does not begin with http",
        ),
        (
            "access_url = 'https://a\"b.example.com'",
            "would break the message",
        ),
        ("notification_method = pigeon", "smtp, webhook, none"),
    ] {
        let (code, said) = refused(&mut client, &format!("SET workspace_autobuild.{setting}"));
        assert_eq!(code, SqlState::INVALID_PARAMETER_VALUE, "{setting}");
        assert!(said.contains(reason), "{setting}: {said}");
    }
    for (setting, reason) in [
        ("tick_interval = 0", "3600"),
        ("tick_interval = '2h'", "3600"),
        ("databases = 'a,,b'", "a name is empty"),
        ("databases = '\"a'", "no closing quote"),
    ] {
        let sql = format!("ALTER SYSTEM SET workspace_autobuild.{setting}");
        let (code, said) = refused(&mut client, &sql);
        assert_eq!(code, SqlState::INVALID_PARAMETER_VALUE, "{setting}");
        assert!(said.contains(reason), "{setting}: {said}");
    }
    // The prefix is ours.
    for sql in [
        "SET workspace_autobuild.batchsize = 5",
        "ALTER SYSTEM SET workspace_autobuild.batchsize = 5",
        "ALTER DATABASE postgres SET workspace_autobuild.batchsize = 5",
    ] {
        let (code, said) = refused(&mut client, sql);
        let expected = [SqlState::INVALID_NAME, SqlState::UNDEFINED_OBJECT];
        assert!(expected.contains(&code), "{sql}: {code:?} {said}");
    }
    // What the server has for all is not for one database or session.
    for sql in [
        "SET workspace_autobuild.tick_interval = 5",
        "ALTER DATABASE postgres SET workspace_autobuild.tick_interval = 5",
        "ALTER DATABASE postgres SET workspace_autobuild.databases = ''",
    ] {
        let (code, said) = refused(&mut client, sql);
        assert_eq!(
            code,
            SqlState::CANT_CHANGE_RUNTIME_PARAM,
            "{sql}: {code:?} {said}"
        );
    }
    // Whoever can log in can't set what the worker does, nor his own database's owner.
    texts(&mut client, "CREATE ROLE anybody LOGIN");
    texts(&mut client, "CREATE DATABASE theirs OWNER anybody");
    let mut anybody = server.address().connect("theirs", "anybody");
    for sql in [
        "SET workspace_autobuild.role = anybody",
        "ALTER DATABASE theirs SET workspace_autobuild.role = anybody",
        "ALTER ROLE anybody SET workspace_autobuild.action = off",
    ] {
        let (code, said) = refused(&mut anybody, sql);
        assert_eq!(code, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}: {said}");
    }
}

#[test]
fn a_mistake_in_the_configuration_file_is_logged_and_what_was_goes_on() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    server.append_conf("workspace_autobuild.rules = 'autostart, naps'\n");
    texts(&mut client, "SELECT pg_reload_conf()");
    await_until("the refusal is logged", SOON, || {
        log_lines(&server, "\"naps\" is not a rule") > 0
    });
    await_tick(&mut client, "done");
    await_tick(&mut client, "done");
    assert_eq!(status(&mut client, "problem"), None);
    assert_eq!(
        value(&mut client, "SHOW workspace_autobuild.rules").as_deref(),
        Some("autostop, autostart, failed, dormancy, remind")
    );
}

#[test]
fn alter_system_counts_from_the_next_tick_on() {
    let server = ticking().start();
    let product = Product::with_extension(&server, Version::NEWEST);
    let mut client = product.superuser();
    await_tick(&mut client, "done");
    texts(
        &mut client,
        "ALTER SYSTEM SET workspace_autobuild.action = 'observe'",
    );
    texts(&mut client, "SELECT pg_reload_conf()");
    await_until("this session has it", SOON, || {
        value(&mut client, "SHOW workspace_autobuild.action").as_deref() == Some("observe")
    });
    await_tick(&mut client, "done");
    overdue(&product, 2);
    await_until("two are observed", SOON, || {
        value(
            &mut client,
            "SELECT count(*) FROM autobuild_transitions WHERE outcome = 'observed'",
        )
        .as_deref()
            == Some("2")
    });
    let stops = "SELECT count(*) FROM workspace_builds WHERE transition = 'stop'";
    assert_eq!(product.value(stops).as_deref(), Some("0"));
    texts(&mut client, "ALTER SYSTEM RESET workspace_autobuild.action");
    texts(&mut client, "SELECT pg_reload_conf()");
    await_until("two stops", SOON, || {
        product.value(stops).as_deref() == Some("2")
    });
}
