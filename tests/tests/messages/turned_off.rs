//! Nothing for a user who turned it off, and one message a day of the same content.

use workspace_autobuild_tests::autobuild::TODAY_AT_NINE;
use workspace_autobuild_tests::product::Notice;
use workspace_autobuild_tests::{Transition, Version};

use super::support::*;

#[test]
fn a_user_who_turned_a_notice_off_gets_none_and_others_do() {
    with_messages(|product, operator| {
        let template = renewed(product, "");
        let (ada, bob) = (ada(product), product.user("bob").create().id);
        product.prefer(ada, Notice::Updated, true);
        let hers = to_be_updated(&template, ada, "hers");
        let his = to_be_updated(&template, bob, "his");
        let rows = operator.tick(TODAY_AT_NINE);
        assert!(rows.iter().all(|row| row.outcome == "built"), "{rows:?}");
        assert_eq!((hers.builds().len(), his.builds().len()), (2, 2));
        let users = product.rows("SELECT DISTINCT user_id FROM notification_messages");
        assert_eq!(users, [[Some(bob.to_string())]], "{}", product.version());
    });
}

#[test]
fn a_notice_that_is_off_unless_asked_for_is_for_those_who_asked() {
    with_messages_since(Version::V2_20_0, |product, operator| {
        let template = renewed(product, "");
        let (ada, bob) = (ada(product), product.user("bob").create().id);
        product.execute("UPDATE notification_templates SET enabled_by_default = false");
        product.prefer(ada, Notice::Updated, false);
        to_be_updated(&template, ada, "hers");
        to_be_updated(&template, bob, "his");
        operator.tick(TODAY_AT_NINE);
        let users = product.rows("SELECT DISTINCT user_id FROM notification_messages");
        assert_eq!(users, [[Some(ada.to_string())]], "{}", product.version());
    });
}

#[test]
fn a_message_with_the_same_content_is_queued_once_a_day() {
    with_messages(|product, operator| {
        let workspace = forgotten(product, ada(product), "dev", Transition::Stop);
        let tick = "2024-03-12 08:01:00+00";
        operator.tick(tick);
        let first = product.count_queued(Notice::Dormant);
        assert!(first > 0);
        workspace.update(
            product.dormant_column(),
            workspace_autobuild_tests::product::Value::NULL,
        );
        let rows = operator.tick(tick);
        assert_eq!(rows[0].to_string(), "dormant dormancy built");
        assert_eq!(
            product.count_queued(Notice::Dormant),
            first,
            "{}",
            product.version()
        );
        // What was queued yesterday is another day's.
        product
            .execute("UPDATE notification_messages SET created_at = created_at - interval '1 day'");
        workspace.update(
            product.dormant_column(),
            workspace_autobuild_tests::product::Value::NULL,
        );
        operator.tick(tick);
        assert_eq!(
            product.count_queued(Notice::Dormant),
            2 * first,
            "{}",
            product.version()
        );
    });
}

#[test]
fn a_reminder_that_is_turned_off_or_queued_already_is_only_marked() {
    with_messages_since(Version::V2026_06, |product, operator| {
        let template = reminding(product);
        let (ada, bob) = (ada(product), product.user("bob").create().id);
        product.prefer(ada, Notice::Reminder, true);
        running(&template, ada, "hers");
        let his = running(&template, bob, "his");
        let built = |rows: Vec<workspace_autobuild_tests::autobuild::Attempt>| {
            rows.iter()
                .filter(|row| row.to_string() == "remind autostop built")
                .count()
        };
        assert_eq!(built(operator.tick(BEFORE_IT)), 2);
        assert_eq!(product.count_queued(Notice::Reminder), 2);
        let unmarked = "SELECT count(*) FROM workspace_builds
                         WHERE notified_autostop_deadline <> deadline";
        assert_eq!(product.value(unmarked).as_deref(), Some("0"));
        his.latest_build()
            .update("notified_autostop_deadline", "0001-01-01 00:00:00+00");
        assert_eq!(built(operator.tick(BEFORE_IT)), 1);
        assert_eq!(product.count_queued(Notice::Reminder), 2);
        assert_eq!(product.value(unmarked).as_deref(), Some("0"));
    });
}
