//! Rights on the product's tables of messages are asked for only while owners are told.

use workspace_autobuild_tests::autobuild::TODAY_AT_NINE;
use workspace_autobuild_tests::product::{Notice, execute, value};
use workspace_autobuild_tests::{Transition, Version};

use super::support::*;

const ROLE: &str = "messenger";

#[test]
fn a_role_of_its_own_is_granted_what_messages_need_once_they_are_on() {
    for version in [Version::V2_15_0, Version::V2_25_0, Version::V2026_06] {
        let product = workspace_autobuild_tests::autobuild::install(version);
        product.add_notices();
        let database = product.database();
        let mut client = product.superuser();
        execute(
            &mut client,
            &format!("DROP ROLE IF EXISTS {ROLE}_{database}; CREATE ROLE {ROLE}_{database}"),
        );
        let grant = format!("SELECT count(*) FROM autobuild_grant('{ROLE}_{database}')");
        value(&mut client, &grant);
        let may = "SELECT has_table_privilege($$ROLE$$, 'notification_messages', 'INSERT')
                       OR has_any_column_privilege($$ROLE$$, 'notification_messages', 'INSERT')
                       OR has_any_column_privilege($$ROLE$$, 'audit_logs', 'INSERT')
                       OR has_column_privilege($$ROLE$$, 'users', 'email', 'SELECT')"
            .replace("ROLE", &format!("{ROLE}_{database}"));
        assert_eq!(value(&mut client, &may).as_deref(), Some("f"), "{version}");

        let operator = product.operator();
        operator.set("role", &format!("{ROLE}_{database}"));
        let template = renewed(&product, "");
        let owner = ada(&product);
        let first = to_be_updated(&template, owner, "first");
        operator.tick(TODAY_AT_NINE);
        assert_eq!(first.builds().len(), 2, "{version}");

        // On, and not granted yet: built, and told of.
        tell(&operator);
        let second = to_be_updated(&template, owner, "second");
        operator.tick(TODAY_AT_NINE);
        assert_eq!(second.builds().len(), 2, "{version}");
        assert_eq!(product.count_queued(Notice::Updated), 0);
        let message = operator
            .rows("SELECT message FROM autobuild_ticks ORDER BY tick_id DESC LIMIT 1")
            .remove(0)
            .remove(0)
            .expect("a message");
        assert!(message.contains("autobuild_grant"), "{message}");

        for setting in [
            "notify_owners = on".to_owned(),
            "audit_dormancy = on".to_owned(),
            format!("access_url = '{URL}'"),
            format!("role = '{ROLE}_{database}'"),
        ] {
            let set = format!("ALTER DATABASE {database} SET workspace_autobuild.{setting}");
            execute(&mut client, &set);
        }
        let problem = "SELECT coalesce(problem, '') FROM autobuild_status";
        let lacking = value(&mut client, problem).expect("a row");
        assert!(
            lacking.contains("owners are not told: SELECT autobuild_grant("),
            "{lacking}"
        );
        value(&mut client, &grant);
        let granted = value(&mut client, problem).expect("a row");
        assert!(!granted.contains("owners"), "{granted}");
        operator.set("audit_dormancy", "on");
        to_be_updated(&template, owner, "third");
        operator.tick(TODAY_AT_NINE);
        assert!(product.count_queued(Notice::Updated) > 0, "{version}");
        forgotten(&product, owner, "asleep", Transition::Stop);
        operator.tick("2024-03-12 08:01:00+00");
        assert!(product.count_queued(Notice::Dormant) > 0, "{version}");
        assert_eq!(
            product.value("SELECT count(*) FROM audit_logs").as_deref(),
            Some("1")
        );
        if version >= Version::V2026_06 {
            let template = product.template("reminding").create();
            template.update("time_til_autostop_notify", 1_800_000_000_000_i64);
            running(&template, owner, "reminded");
            operator.tick(BEFORE_IT);
            assert_eq!(product.count_queued(Notice::Reminder), 2);
        }
    }
}
