//! The audit log's row of a dormancy mark, where it is switched on.

use serde_json::json;
use workspace_autobuild_tests::Transition;
use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::autobuild::{on_versions, since};

use super::support::*;

const TICK: &str = "2024-03-12 08:01:00+00";

#[test]
fn a_mark_is_audited_as_the_owners_change_where_that_is_on() {
    on_versions(&since(Version::V2_5_0), |product, operator| {
        let workspace = forgotten(product, ada(product), "dev", Transition::Stop);
        operator.set("audit_dormancy", "on");
        operator.tick(TICK);
        let version = product.version();
        let rows = product.json(
            "SELECT to_jsonb(a) - 'id' AS row,
                    a.time > now() - interval '1 hour' AS recent
               FROM audit_logs a",
        );
        assert_eq!(rows.len(), 1, "{version}");
        let (row, marked) = (&rows[0]["row"], product.by_id("workspaces", workspace.id));
        assert_eq!(rows[0]["recent"], json!(true));
        let of = |column: &str| row[column].clone();
        assert_eq!(of("user_id"), json!(workspace.owner));
        assert_eq!(of("organization_id"), json!(workspace.organization));
        assert_eq!(of("resource_id"), json!(workspace.id));
        assert_eq!(of("resource_type"), json!("workspace"));
        assert_eq!(of("resource_target"), json!("dev"));
        assert_eq!(of("action"), json!("write"));
        assert_eq!(of("status_code"), json!(200));
        assert_eq!(of("additional_fields"), json!({}));
        assert_eq!(
            of("request_id"),
            json!("00000000-0000-0000-0000-000000000000")
        );
        assert_eq!(of("resource_icon"), json!(""));
        assert_eq!((of("ip"), of("user_agent")), (json!(null), json!(null)));
        assert_eq!(of("time"), marked[product.dormant_column()]);
        let time = |column: &str| {
            let text = marked[column].as_str().expect("a time");
            let text = text.trim_end_matches("+00:00");
            let text = match text.split_once('.') {
                Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
                None => text,
            };
            format!("{text}Z")
        };
        let changed = |column: &str| {
            json!({
                "Old": {"Time": "0001-01-01T00:00:00Z", "Valid": false},
                "New": {"Time": time(column), "Valid": true},
                "Secret": false,
            })
        };
        assert_eq!(
            of("diff"),
            json!({"dormant_at": changed("dormant_at"), "deleting_at": changed("deleting_at")}),
            "{version}"
        );
    });
}

#[test]
fn a_mark_is_not_audited_unless_that_is_on() {
    on_versions(&[Version::NEWEST], |product, operator| {
        forgotten(product, ada(product), "dev", Transition::Start);
        operator.tick(TICK);
        assert_eq!(
            product.value("SELECT count(*) FROM audit_logs").as_deref(),
            Some("0")
        );
    });
}

#[test]
fn an_audit_row_that_is_refused_costs_no_mark() {
    on_versions(&[Version::NEWEST], |product, operator| {
        let workspace = forgotten(product, ada(product), "dev", Transition::Stop);
        operator.set("audit_dormancy", "on");
        product.execute("ALTER TABLE audit_logs ADD CHECK (resource_target <> 'dev')");
        let rows = operator.tick(TICK);
        assert_eq!(rows[0].to_string(), "dormant dormancy built");
        let row = product.by_id("workspaces", workspace.id);
        assert_ne!(row["dormant_at"], json!(null));
        assert_eq!(
            product.value("SELECT count(*) FROM audit_logs").as_deref(),
            Some("0")
        );
    });
}
