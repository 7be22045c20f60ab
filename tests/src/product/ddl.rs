//! The product's tables as DDL, made from the facts for any version and any schema.
//!
//! The text can be fed to psql as it is. What the lists do not show (the expression
//! of the generated column, checks, the domain, the function, the trigger) is
//! written here from its description, in our own words.

use std::fmt::Write;

use super::facts::{Column, Facts};
use super::{Version, quote_ident};

/// `provisioner_jobs.job_status`: complete jobs failed, were canceled or succeeded;
/// the others failed, are being canceled, wait, or run.
const JOB_STATUS: &str = "CASE
        WHEN completed_at IS NOT NULL AND error <> '' THEN 'failed'::provisioner_job_status
        WHEN completed_at IS NOT NULL AND canceled_at IS NOT NULL THEN 'canceled'
        WHEN completed_at IS NOT NULL THEN 'succeeded'
        WHEN error <> '' THEN 'failed'
        WHEN canceled_at IS NOT NULL THEN 'canceling'
        WHEN started_at IS NULL THEN 'pending'
        ELSE 'running'
    END";

/// Checks that the lists do not show: the table, a name (ours), the condition.
const CHECKS: [(&str, &str, &str); 2] = [
    (
        "workspace_builds",
        "workspace_builds_deadline_within_max_deadline",
        "max_deadline = '0001-01-01 00:00:00+00'
        OR (deadline <> '0001-01-01 00:00:00+00' AND deadline <= max_deadline)",
    ),
    (
        "template_version_parameters",
        "template_version_parameters_monotonic_known",
        "validation_monotonic IN ('increasing', 'decreasing', '')",
    ),
];

/// The whole schema of `version`, in the schema `schema`, which must exist.
pub fn ddl(version: Version, schema: &str) -> String {
    let facts = Facts::of(version);
    let mut out = format!(
        "-- The tables of the product at {version}, made from facts by product-schema.\n\
         SET search_path TO {};\n",
        quote_ident(schema)
    );
    enums(&mut out, &facts);
    tables(&mut out, &facts);
    constraints(&mut out, &facts);
    indexes(&mut out, &facts);
    tagset(&mut out, &facts);
    next_start_trigger(&mut out, &facts);
    message_triggers(&mut out, &facts);
    out.push_str("\nRESET search_path;\n");
    out
}

/// Adds a piece to the text.
macro_rules! add {
    ($out:expr, $($piece:tt)*) => {
        // Writing to a String can't fail.
        let _ = writeln!($out, $($piece)*);
    };
}

fn enums(out: &mut String, facts: &Facts) {
    for kind in &facts.enums {
        let values: Vec<String> = kind.values.split(' ').map(|v| format!("'{v}'")).collect();
        let name = quote_ident(&kind.name);
        add!(out, "\nCREATE TYPE {name} AS ENUM ({});", values.join(", "));
    }
}

fn tables(out: &mut String, facts: &Facts) {
    for table in facts.tables() {
        let mut lines: Vec<String> = facts.columns_of(table).map(column).collect();
        for (_, name, condition) in CHECKS.iter().filter(|(on, _, _)| *on == table) {
            lines.push(format!("CONSTRAINT {name} CHECK ({condition})"));
        }
        add!(
            out,
            "\nCREATE TABLE {} (\n    {}\n);",
            quote_ident(table),
            lines.join(",\n    ")
        );
    }
}

fn column(column: &Column) -> String {
    let mut line = format!("{} {}", quote_ident(&column.name), column.kind);
    if column.generated() {
        let _ = write!(line, " GENERATED ALWAYS AS ({JOB_STATUS}) STORED");
    } else if !column.default.is_empty() {
        let _ = write!(line, " DEFAULT {}", column.default);
    }
    if !column.nullable() {
        line.push_str(" NOT NULL");
    }
    line
}

fn constraints(out: &mut String, facts: &Facts) {
    // Keys first: a foreign key needs the key that it refers to.
    let (foreign, keys): (Vec<_>, Vec<_>) = facts
        .constraints
        .iter()
        .partition(|constraint| constraint.kind == "foreign key");
    for constraint in keys.into_iter().chain(foreign) {
        let columns: Vec<String> = constraint.columns.split(' ').map(quote_ident).collect();
        let mut definition = format!(
            "{} ({})",
            constraint.kind.to_uppercase(),
            columns.join(", ")
        );
        if let Some((table, column, rest)) = constraint.reference() {
            let _ = write!(
                definition,
                " REFERENCES {} ({}) {}",
                quote_ident(table),
                quote_ident(column),
                rest.to_uppercase()
            );
        }
        add!(
            out,
            "ALTER TABLE {} ADD CONSTRAINT {} {};",
            quote_ident(&constraint.table),
            quote_ident(&constraint.name),
            definition.trim_end()
        );
    }
}

fn indexes(out: &mut String, facts: &Facts) {
    for index in &facts.indexes {
        // A key's index comes with its constraint and has the constraint's name.
        if facts.constraints.iter().any(|c| c.name == index.name) {
            continue;
        }
        let unique = if index.unique.is_empty() {
            ""
        } else {
            "UNIQUE "
        };
        let predicate = if index.predicate.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", index.predicate)
        };
        add!(
            out,
            "CREATE {unique}INDEX {} ON {} USING {} ({}){predicate};",
            quote_ident(&index.name),
            quote_ident(&index.table),
            index.method,
            index.keys
        );
    }
}

/// From v2.20.0: does a provisioner with these tags take a job with those? From
/// v2.25.0 its arguments are of the domain `tagset`.
fn tagset(out: &mut String, facts: &Facts) {
    if facts.version < Version::V2_20_0 {
        return;
    }
    let kind = if facts.version < Version::V2_25_0 {
        "jsonb"
    } else {
        add!(out, "\nCREATE DOMAIN tagset AS jsonb;");
        "tagset"
    };
    add!(
        out,
        r#"
-- A job with no tags of its own goes to provisioners without tags of their own only.
CREATE FUNCTION provisioner_tagset_contains(daemon_tags {kind}, job_tags {kind}) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE job_tags::jsonb
        WHEN '{{"owner": "", "scope": "organization"}}'::jsonb THEN daemon_tags::jsonb = job_tags::jsonb
        ELSE daemon_tags::jsonb @> job_tags::jsonb
    END
$$;"#
    );
}

/// Where `workspaces.next_start_at` exists, a trigger forgets it when the schedule
/// changes without it, and for a dormant workspace. It names the table as one does who
/// counts on the `search_path` of the product's sessions.
fn next_start_trigger(out: &mut String, facts: &Facts) {
    if !facts.has_column("workspaces", "next_start_at") {
        return;
    }
    add!(
        out,
        "
CREATE FUNCTION forget_next_start() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE workspaces SET next_start_at = NULL WHERE id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_next_start AFTER UPDATE ON workspaces FOR EACH ROW
    WHEN (NEW.next_start_at IS NOT NULL AND (
        NEW.dormant_at IS NOT NULL
        OR (NEW.autostart_schedule IS DISTINCT FROM OLD.autostart_schedule
            AND NEW.next_start_at IS NOT DISTINCT FROM OLD.next_start_at)))
    EXECUTE FUNCTION forget_next_start();"
    );
}

/// Where there are messages, a trigger refuses those that their user has turned off, then
/// one gives each the sum of its content, which is unique. Both name tables as one does who
/// counts on the `search_path` of the product's sessions.
fn message_triggers(out: &mut String, facts: &Facts) {
    if !facts.has_table("notification_messages") {
        return;
    }
    let (off_by_default, refused) =
        if facts.has_column("notification_templates", "enabled_by_default") {
            (
                "
        OR (p.disabled IS NULL AND NOT t.enabled_by_default)",
                "cannot enqueue message: notification is not enabled",
            )
        } else {
            (
                "",
                "cannot enqueue message: user has disabled this notification",
            )
        };
    add!(
        out,
        "
CREATE FUNCTION refuse_message_turned_off() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM notification_templates t
        LEFT JOIN notification_preferences p
            ON p.notification_template_id = t.id AND p.user_id = NEW.user_id
        WHERE t.id = NEW.notification_template_id AND (p.disabled{off_by_default});
    IF FOUND THEN
        RAISE EXCEPTION '{refused}';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse_message_turned_off BEFORE INSERT ON notification_messages
    FOR EACH ROW EXECUTE FUNCTION refuse_message_turned_off();
CREATE FUNCTION sum_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.dedupe_hash := md5(concat_ws(':', NEW.notification_template_id, NEW.user_id, NEW.method,
        NEW.payload, array_to_string(NEW.targets, ','),
        date_trunc('day', NEW.created_at AT TIME ZONE 'UTC')));
    RETURN NEW;
END
$$;
CREATE TRIGGER sum_message BEFORE INSERT OR UPDATE ON notification_messages
    FOR EACH ROW EXECUTE FUNCTION sum_message();"
    );
}
