//! The provisioner tags of a new job: which daemons may take it.
//!
//! They start from the tags of the version's import job, which are read once for each
//! version; only the owner of a job of scope `user` differs from workspace to workspace.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use uuid::Uuid;

use crate::lifecycle::signs::Signs;

use super::codes::{BlockCode, quoted};
use super::inputs::{Block, TagValue};
use super::parameters::Row;

const SCOPE: &str = "scope";
const OWNER: &str = "owner";
const SCOPE_USER: &str = "user";
const SCOPE_ORGANIZATION: &str = "organization";

/// A version's tags, ready for any owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ImportTags {
    /// The same for every workspace: JSON text.
    Fixed(String),
    /// Scope `user`: `owner` is still to be set.
    PerOwner(BTreeMap<String, String>),
    /// Not a JSON object of strings.
    Unreadable,
}

impl ImportTags {
    /// Reads the import job's tags (JSON text, `None` for SQL NULL).
    pub(super) fn read(text: Option<&str>, signs: &Signs) -> ImportTags {
        let Some(mut tags) = object_of_strings(text.unwrap_or("null")) else {
            return ImportTags::Unreadable;
        };
        if signs.next_start_at {
            tags.retain(|_, value| !value.is_empty());
        }
        if tags.get(SCOPE).is_some_and(|scope| scope == SCOPE_USER) {
            return ImportTags::PerOwner(tags);
        }
        tags.insert(SCOPE.to_owned(), SCOPE_ORGANIZATION.to_owned());
        if signs.empty_owner_tag {
            tags.insert(OWNER.to_owned(), String::new());
        }
        ImportTags::Fixed(json(tags))
    }

    /// The tags of a job for a workspace of this owner, as JSON text.
    pub(super) fn for_owner(&self, owner_id: Uuid) -> Result<String, Block> {
        match self {
            ImportTags::Fixed(text) => Ok(text.clone()),
            ImportTags::PerOwner(tags) => {
                let mut tags = tags.clone();
                tags.insert(OWNER.to_owned(), owner_id.to_string());
                Ok(json(tags))
            }
            ImportTags::Unreadable => Err(unreadable("the import job of the template version")),
        }
    }

    /// The same, with the tags of the version's source over them, block by block; these may
    /// set scope and owner too. `rows` are the new build's.
    pub(super) fn with_blocks(
        &self,
        owner_id: Uuid,
        blocks: &[BTreeMap<String, TagValue>],
        rows: &[Row<'_>],
    ) -> Result<String, Block> {
        let base = self.for_owner(owner_id)?;
        if blocks.is_empty() {
            return Ok(base);
        }
        let rows: HashMap<&str, &Row<'_>> = rows.iter().map(|row| (row.name, row)).collect();
        let mut tags = object_of_strings(&base).unwrap_or_default();
        for (key, value) in blocks.iter().flatten() {
            let value = match value {
                TagValue::Literal(value) => value,
                TagValue::Parameter(name) => match rows.get(name.as_str()) {
                    Some(row) => row.value()?,
                    None => return Err(of_no_value(key, name)),
                },
            };
            tags.insert(key.clone(), value.to_owned());
        }
        Ok(json(tags))
    }
}

/// The parameters whose values are tags.
pub(super) fn parameters(blocks: &[BTreeMap<String, TagValue>]) -> impl Iterator<Item = &str> {
    let values = blocks.iter().flat_map(|block| block.values());
    values.filter_map(|value| match value {
        TagValue::Parameter(name) => Some(name.as_str()),
        TagValue::Literal(_) => None,
    })
}

/// The latest build's job's tags, for a job that takes them as they are.
pub(super) fn latest_job_tags(text: Option<&str>) -> Result<String, Block> {
    let text = text.ok_or_else(|| {
        BlockCode::WorkspaceTagsUnknown.block(
            "the template version has workspace tags, and the job of the latest build has no \
            tags to copy; a build made in the product evaluates them",
        )
    })?;
    match object_of_strings(text) {
        Some(_) if !is_null(text) => Ok(text.to_owned()),
        _ => Err(unreadable("the job of the latest build")),
    }
}

/// The latest job's tags were evaluated with another value of this parameter, or without.
pub(super) fn of_other_values(parameter: &str) -> Block {
    BlockCode::WorkspaceTagsUnknown.block(format!(
        "the template version has workspace tags, and those of the latest build were evaluated \
         with another value of parameter {}; a build made in the product evaluates them",
        quoted(parameter)
    ))
}

fn of_no_value(tag: &str, parameter: &str) -> Block {
    BlockCode::WorkspaceTagsUnknown.block(format!(
        "the template version's workspace tag {} is the value of parameter {}, which has none; \
         the owner can set one on the workspace's parameters page in the product",
        quoted(tag),
        quoted(parameter)
    ))
}

fn unreadable(job: &str) -> Block {
    BlockCode::TagsUnreadable.block(format!(
        "the tags of {job} are not a JSON object of strings"
    ))
}

fn is_null(text: &str) -> bool {
    text.trim() == "null"
}

/// The tags in a JSON text: `null` counts as none, a null value as the empty string.
fn object_of_strings(text: &str) -> Option<BTreeMap<String, String>> {
    let tags: Option<BTreeMap<String, Option<String>>> = serde_json::from_str(text).ok()?;
    Some(
        tags.unwrap_or_default()
            .into_iter()
            .map(|(key, value)| (key, value.unwrap_or_default()))
            .collect(),
    )
}

/// In key order, so that equal tags are equal texts.
fn json(tags: BTreeMap<String, String>) -> String {
    tags.into_iter()
        .map(|(key, value)| (key, Value::String(value)))
        .collect::<Value>()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER_ID: Uuid = Uuid::from_u128(7);

    fn oldest() -> Signs {
        Signs::default()
    }

    fn owned() -> Signs {
        Signs {
            empty_owner_tag: true,
            ..oldest()
        }
    }

    fn newest() -> Signs {
        Signs {
            next_start_at: true,
            ..owned()
        }
    }

    fn tags(text: Option<&str>, signs: &Signs) -> String {
        ImportTags::read(text, signs)
            .for_owner(OWNER_ID)
            .unwrap_or_else(|block| block.code.code().to_owned())
    }

    #[test]
    fn without_a_scope_the_job_is_the_organizations() {
        for none in [None, Some("null"), Some("{}"), Some(" null ")] {
            assert_eq!(tags(none, &oldest()), r#"{"scope":"organization"}"#);
            assert_eq!(
                tags(none, &owned()),
                r#"{"owner":"","scope":"organization"}"#
            );
        }
    }

    #[test]
    fn any_scope_but_user_becomes_organization() {
        for scope in ["organization", "User", "", "x"] {
            let text = format!(r#"{{"scope":"{scope}"}}"#);
            assert_eq!(
                tags(Some(&text), &newest()),
                r#"{"owner":"","scope":"organization"}"#
            );
        }
    }

    #[test]
    fn scope_user_names_the_workspaces_owner() {
        let text = r#"{"scope": "user", "owner": "someone else", "zone": "a"}"#;
        for signs in [&oldest(), &owned(), &newest()] {
            assert_eq!(
                tags(Some(text), signs),
                r#"{"owner":"00000000-0000-0000-0000-000000000007","scope":"user","zone":"a"}"#
            );
        }
    }

    #[test]
    fn an_owner_that_is_there_stays_only_before_the_empty_owner() {
        let text = Some(r#"{"owner":"o"}"#);
        assert_eq!(
            tags(text, &oldest()),
            r#"{"owner":"o","scope":"organization"}"#
        );
        assert_eq!(
            tags(text, &owned()),
            r#"{"owner":"","scope":"organization"}"#
        );
    }

    #[test]
    fn empty_values_are_dropped_before_the_owner_is_set() {
        let text = Some(r#"{"a":"","b":null,"c":"x","owner":"","scope":""}"#);
        assert_eq!(
            tags(text, &owned()),
            r#"{"a":"","b":"","c":"x","owner":"","scope":"organization"}"#
        );
        assert_eq!(
            tags(text, &newest()),
            r#"{"c":"x","owner":"","scope":"organization"}"#
        );
    }

    #[test]
    fn other_tags_stay_whatever_they_hold() {
        assert_eq!(
            tags(Some(r#"{"q\"":"\\\n","Scope":"user"}"#), &oldest()),
            r#"{"Scope":"user","q\"":"\\\n","scope":"organization"}"#
        );
    }

    #[test]
    fn what_is_no_object_of_strings_blocks() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in [
            "",
            "[]",
            "1",
            "true",
            "\"a\"",
            "{",
            r#"{"a":1}"#,
            r#"{"a":{}}"#,
            r#"{"a":["b"]}"#,
            r#"{"a":true}"#,
            r#"{"a":"b"} x"#,
            &deep,
        ] {
            assert_eq!(
                tags(Some(text), &newest()),
                BlockCode::TagsUnreadable.code()
            );
        }
    }

    #[test]
    fn the_latest_jobs_tags_are_taken_as_they_are() {
        let text = r#"{"scope": "user", "owner": "o", "empty": "", "nothing": null}"#;
        assert_eq!(latest_job_tags(Some(text)).unwrap(), text);
        assert_eq!(
            latest_job_tags(None).unwrap_err().code,
            BlockCode::WorkspaceTagsUnknown
        );
        for text in ["null", "[]", r#"{"a":1}"#] {
            assert_eq!(
                latest_job_tags(Some(text)).unwrap_err().code,
                BlockCode::TagsUnreadable
            );
        }
    }
}
