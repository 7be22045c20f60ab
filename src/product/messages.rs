//! The product's messages to owners: what they are made from, and the rows that queue them;
//! and the audit log's row of a dormancy mark.
//!
//! The product keeps a message as a row until its dispatcher takes it. Two of its triggers work
//! on each new row: one refuses what the user has turned off, so that such rows are left out
//! beforehand; the other works out the hash by which an equal message of the same day is known,
//! and then there is nothing to do.

use std::collections::HashMap;

use uuid::Uuid;

use crate::columns::{
    Column, audit_logs, notification_messages, notification_preferences,
    notification_report_generator_logs, notification_templates, tasks, template_versions, users,
    workspaces,
};
use crate::instant::Instant;
use crate::messages::form::Form;
use crate::messages::message::Message;
use crate::messages::notice::Notice;
use crate::server::error::Error;
use crate::server::query::{Access, Arg, execute, for_each_row, uuids};
use crate::settings::Settings;

use super::schema::Product;
use super::select::select;

/// The tables that messages are made from, and written to.
pub(crate) const TABLES: [&str; 3] = [
    notification_messages::TABLE,
    notification_preferences::TABLE,
    notification_templates::TABLE,
];

/// What telling owners takes.
const TOLD_BY: [Column; 21] = [
    users::NAME,
    users::EMAIL,
    template_versions::NAME,
    template_versions::MESSAGE,
    notification_templates::ID,
    notification_templates::NAME,
    notification_templates::BODY_TEMPLATE,
    notification_templates::ACTIONS,
    notification_templates::METHOD,
    notification_preferences::USER_ID,
    notification_preferences::NOTIFICATION_TEMPLATE_ID,
    notification_preferences::DISABLED,
    notification_messages::ID,
    notification_messages::NOTIFICATION_TEMPLATE_ID,
    notification_messages::USER_ID,
    notification_messages::METHOD,
    notification_messages::PAYLOAD,
    notification_messages::TARGETS,
    notification_messages::CREATED_BY,
    notification_messages::CREATED_AT,
    notification_messages::DEDUPE_HASH,
];

/// Are owners told? They are where the setting is on and the product keeps messages.
pub(crate) fn tells(product: &Product, settings: &Settings) -> bool {
    settings.policy.notify_owners && TOLD_BY.into_iter().all(|column| product.has(column))
}

/// What is lacking to tell owners, or for the audit log, where that is on and the product has
/// the tables of it: columns that are not there, or of types that can't serve.
pub(crate) fn lacking(product: &Product, settings: &Settings) -> Vec<Column> {
    let has = |table| product.tables.iter().any(|known| known.name == table);
    let told = settings.policy.notify_owners && TABLES.into_iter().any(has);
    let audited = settings.audit_dormancy && has(audit_logs::TABLE);
    let told = TOLD_BY.into_iter().filter(|_| told);
    told.chain(AUDITED.into_iter().filter(|_| audited))
        .filter(|column| !product.has(*column))
        .collect()
}

/// Is a dormancy mark audited? It is where the setting is on and the product keeps the log.
pub(crate) fn audits(product: &Product, settings: &Settings) -> bool {
    settings.audit_dormancy
        && product.signs.dormancy
        && AUDITED.into_iter().all(|column| product.has(column))
}

/// How the installed version of the product writes messages.
pub(crate) fn form(product: &Product) -> Form {
    Form {
        names_template: product.has(notification_report_generator_logs::NOTIFICATION_TEMPLATE_ID),
        inbox: product.message_methods.iter().any(|value| value == "inbox"),
        none_provided: product.signs.dynamic,
    }
}

/// The product's row of a notice.
#[derive(Clone, Debug)]
pub(crate) struct NoticeRow {
    /// `name`.
    pub name: String,
    /// `body_template`.
    pub body: String,
    /// `actions`, as text.
    pub actions: Option<String>,
    /// `method`; `None` for the deployment's default.
    pub method: Option<String>,
}

/// The rows of the notices, of those that the product has.
pub(crate) fn notices(product: &Product) -> Result<HashMap<Notice, NoticeRow>, Error> {
    let read = |column: Column| product.read("n", column);
    let mut found = HashMap::new();
    for_each_row(
        &format!(
            "SELECT {}, {}, {}, {}, {} FROM {} n WHERE n.id = ANY ($1)",
            read(notification_templates::ID),
            read(notification_templates::NAME),
            read(notification_templates::BODY_TEMPLATE),
            read(notification_templates::ACTIONS),
            read(notification_templates::METHOD),
            product.table(notification_templates::TABLE)
        ),
        Access::Read,
        vec![uuids(Notice::ALL.map(Notice::template_id))],
        |row| {
            let id = row.uuid(0)?;
            let notice = Notice::ALL
                .into_iter()
                .find(|notice| Some(notice.template_id()) == id);
            if let Some(notice) = notice {
                found.insert(
                    notice,
                    NoticeRow {
                        name: row.text(1)?.unwrap_or_default(),
                        body: row.text(2)?.unwrap_or_default(),
                        actions: row.text(3)?,
                        method: row.text(4)?,
                    },
                );
            }
            Ok(())
        },
    )?;
    Ok(found)
}

/// What a message on a workspace says of it, its owner, and what is built for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// `workspaces.name`.
    pub workspace: String,
    /// `users.email`.
    pub email: String,
    /// `users.name`.
    pub name: String,
    /// `users.username`.
    pub username: String,
    /// `template_versions.name` of the version that is built.
    pub version: String,
    /// `template_versions.message` of that.
    pub version_message: String,
    /// The task that names the workspace and is not deleted, with its name.
    pub task: Option<(Uuid, String)>,
}

select! {
    /// A workspace, with its owner, a version and a task.
    struct NamesRow(product) {
        workspace_id: uuid = "d.workspace_id",
        workspace: text = product.read("w", workspaces::NAME),
        email: text = product.read("u", users::EMAIL),
        name: text = product.read("u", users::NAME),
        username: text = product.read("u", users::USERNAME),
        version: text = product.read("v", template_versions::NAME),
        version_message: text = product.read("v", template_versions::MESSAGE),
        task_id: uuid = task(product, "k.id", "uuid"),
        task: text = task(product, "k.name", "text"),
    }
}

/// Has the product tasks with names?
fn has_tasks(product: &Product) -> bool {
    [
        tasks::ID,
        tasks::NAME,
        tasks::WORKSPACE_ID,
        tasks::DELETED_AT,
    ]
    .into_iter()
    .all(|column| product.has(column))
}

fn task(product: &Product, value: &str, kind: &str) -> String {
    let value = if has_tasks(product) { value } else { "NULL" };
    format!("{value}::pg_catalog.{kind}")
}

/// The names of workspaces, each with the version that is built for it, if one is.
pub(crate) fn names(
    product: &Product,
    asked: &[(Uuid, Option<Uuid>)],
) -> Result<HashMap<Uuid, Names>, Error> {
    // As the row that ties a task to a build, of several tasks the first.
    let with_task = if has_tasks(product) {
        format!(
            "LEFT JOIN LATERAL (SELECT t.id, t.name FROM {} t
                                 WHERE t.workspace_id = w.id AND t.deleted_at IS NULL
                                 ORDER BY t.id LIMIT 1) k ON true",
            product.table(tasks::TABLE)
        )
    } else {
        String::new()
    };
    let mut found = HashMap::new();
    for_each_row(
        &format!(
            "SELECT {columns}
               FROM unnest($1, $2) AS d (workspace_id, version_id)
               JOIN {workspaces} w ON w.id = d.workspace_id
               JOIN {users} u ON u.id = w.owner_id
               LEFT JOIN {versions} v ON v.id = d.version_id
               {with_task}",
            columns = NamesRow::list(product),
            workspaces = product.table(workspaces::TABLE),
            users = product.table(users::TABLE),
            versions = product.table(template_versions::TABLE),
        ),
        Access::Read,
        vec![
            uuids(asked.iter().map(|(workspace, _)| *workspace)),
            Arg::Uuids(asked.iter().map(|(_, version)| *version).collect()),
        ],
        |row| {
            let row = NamesRow::read(row)?;
            if let Some(id) = row.workspace_id {
                found.insert(
                    id,
                    Names {
                        workspace: row.workspace.unwrap_or_default(),
                        email: row.email.unwrap_or_default(),
                        name: row.name.unwrap_or_default(),
                        username: row.username.unwrap_or_default(),
                        version: row.version.unwrap_or_default(),
                        version_message: row.version_message.unwrap_or_default(),
                        task: row.task_id.zip(row.task),
                    },
                );
            }
            Ok(())
        },
    )?;
    Ok(found)
}

/// A message, with the ways on which it goes.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    /// It.
    pub message: Message,
    /// Values of `notification_method`, a row each.
    pub methods: Vec<String>,
}

/// Queues messages, in the order given; but for what the user has turned off, and what was
/// queued with the same content that day. Returns the number of rows.
pub(crate) fn queue(product: &Product, queued: &[&Queued], now: Instant) -> Result<u64, Error> {
    use notification_messages as m;
    let rows: Vec<(&Message, &String)> = queued
        .iter()
        .flat_map(|queued| {
            queued
                .methods
                .iter()
                .map(|method| (&queued.message, method))
        })
        .collect();
    if rows.is_empty() {
        return Ok(0);
    }
    let cast = |value: &str, column| format!("{value}::{}", product.type_of(column));
    let preference = |condition: &str| {
        format!(
            "EXISTS (SELECT FROM {} p
                      WHERE p.user_id = d.user_id
                        AND p.notification_template_id = d.notice{condition})",
            product.table(notification_preferences::TABLE)
        )
    };
    let off_by_default = if product.has(notification_templates::ENABLED_BY_DEFAULT) {
        format!(" AND (n.enabled_by_default OR {})", preference(""))
    } else {
        String::new()
    };
    let sql = format!(
        "INSERT INTO {messages} (id, notification_template_id, user_id, method, payload, targets,
                                 created_by, created_at)
         SELECT d.id, d.notice, d.user_id, {method}, {payload}, {targets}, d.created_by, {at}
           FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY
                AS d (id, notice, user_id, method, payload, targets, created_by, place)
           JOIN {notices} n ON n.id = d.notice
          WHERE NOT {turned_off}{off_by_default}
          ORDER BY d.place
         ON CONFLICT (dedupe_hash) DO NOTHING",
        messages = product.table(m::TABLE),
        notices = product.table(notification_templates::TABLE),
        method = cast("d.method", m::METHOD),
        payload = cast("d.payload", m::PAYLOAD),
        targets = cast("d.targets", m::TARGETS),
        at = product.time_value("$8", m::CREATED_AT),
        turned_off = preference(" AND p.disabled"),
    );
    let texts = |text: &dyn Fn(&(&Message, &String)) -> String| {
        Arg::Texts(rows.iter().map(|row| Some(text(row))).collect())
    };
    execute(
        &sql,
        vec![
            uuids(rows.iter().map(|_| Uuid::new_v4())),
            uuids(rows.iter().map(|(message, _)| message.notice.template_id())),
            uuids(rows.iter().map(|(message, _)| message.user_id)),
            texts(&|(_, method)| (*method).clone()),
            texts(&|(message, _)| message.payload.to_string()),
            texts(&|(message, _)| {
                let targets: Vec<String> = message.targets.iter().map(Uuid::to_string).collect();
                format!("{{{}}}", targets.join(","))
            }),
            texts(&|(message, _)| message.notice.created_by().to_owned()),
            Arg::Time(Some(now)),
        ],
    )
}

/// A dormancy mark that is audited.
#[derive(Clone, Debug)]
pub(crate) struct Audited {
    /// The workspace.
    pub workspace_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its owner, in whose name the product writes the row.
    pub owner_id: Uuid,
    /// Its organization.
    pub organization_id: Uuid,
    /// What changed, as JSON text.
    pub diff: String,
}

/// The columns of the row; the others are NULL.
const AUDITED: [Column; 13] = [
    audit_logs::ID,
    audit_logs::TIME,
    audit_logs::USER_ID,
    audit_logs::ORGANIZATION_ID,
    audit_logs::RESOURCE_TYPE,
    audit_logs::RESOURCE_ID,
    audit_logs::RESOURCE_TARGET,
    audit_logs::ACTION,
    audit_logs::DIFF,
    audit_logs::STATUS_CODE,
    audit_logs::ADDITIONAL_FIELDS,
    audit_logs::REQUEST_ID,
    audit_logs::RESOURCE_ICON,
];

/// Writes the audit log's rows of dormancy marks.
pub(crate) fn audit(product: &Product, marks: &[&Audited], now: Instant) -> Result<u64, Error> {
    let columns = AUDITED.map(|column| product.name_of(column)).join(", ");
    let cast = |value: &str, column| format!("{value}::{}", product.type_of(column));
    let sql = format!(
        "INSERT INTO {logs} ({columns})
         SELECT d.id, {at}, d.owner_id, d.organization_id, {kind}, d.workspace_id, d.name,
                {write}, {diff}, 200, {none}, '{nil}'::pg_catalog.uuid, ''
           FROM unnest($1, $2, $3, $4, $5, $6) WITH ORDINALITY
                AS d (id, owner_id, organization_id, workspace_id, name, diff, place)
          ORDER BY d.place",
        logs = product.table(audit_logs::TABLE),
        at = product.time_value("$7", audit_logs::TIME),
        kind = cast("'workspace'", audit_logs::RESOURCE_TYPE),
        write = cast("'write'", audit_logs::ACTION),
        diff = cast("d.diff", audit_logs::DIFF),
        none = cast("'{}'", audit_logs::ADDITIONAL_FIELDS),
        nil = Uuid::nil(),
    );
    let text = |text: &dyn Fn(&Audited) -> &str| {
        Arg::Texts(
            marks
                .iter()
                .map(|mark| Some(text(mark).to_owned()))
                .collect(),
        )
    };
    execute(
        &sql,
        vec![
            uuids(marks.iter().map(|_| Uuid::new_v4())),
            uuids(marks.iter().map(|mark| mark.owner_id)),
            uuids(marks.iter().map(|mark| mark.organization_id)),
            uuids(marks.iter().map(|mark| mark.workspace_id)),
            text(&|mark| &mark.name),
            text(&|mark| &mark.diff),
            Arg::Time(Some(now)),
        ],
    )
}
