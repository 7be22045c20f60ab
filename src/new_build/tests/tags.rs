//! The tags of a job where the version's parameters are resolved here.

use super::*;

fn block(tags: &[(&str, TagValue)]) -> BTreeMap<String, TagValue> {
    tags.iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect()
}

fn literal(text: &str) -> TagValue {
    TagValue::Literal(text.to_owned())
}

fn parameter(name: &str) -> TagValue {
    TagValue::Parameter(name.to_owned())
}

/// A version with the string parameter `p`, `default` by default, and these tags.
fn tagged(blocks: &[&[(&str, TagValue)]]) -> Case {
    let mut case = Case::proved(definition("p", "string")).of_another_version();
    case.version().workspace_tags = true;
    case.version().import.as_mut().unwrap().tags = Some("{}".to_owned());
    case.proof().tags = blocks.iter().map(|tags| block(tags)).collect();
    case.latest_job_tags = Some(r#"{"of": "the latest job"}"#.to_owned());
    case
}

fn tags(case: &Case) -> String {
    case.plan()
        .map_or_else(|block| block.code.code().to_owned(), |plan| plan.tags)
}

#[test]
fn without_blocks_they_are_the_import_jobs_also_on_another_version() {
    let mut case = tagged(&[]);
    assert_eq!(tags(&case), r#"{"scope":"organization"}"#);
    case.version().provisionerd_version = None;
    case.version().proof = Proof::Unproved;
    assert_eq!(tags(&case), r#"{"scope":"organization"}"#, "as stored");
    case.facts.latest.as_mut().unwrap().template_version_id = VERSION;
    assert_eq!(tags(&case), r#"{"scope":"organization"}"#, "the same one");
}

#[test]
fn a_blocks_tags_are_put_over_the_import_jobs() {
    let mut case = tagged(&[&[("zone", literal("b")), ("new", literal(""))]]);
    case.version().import.as_mut().unwrap().tags = Some(r#"{"zone": "a", "kept": "x"}"#.to_owned());
    assert_eq!(
        tags(&case),
        r#"{"kept":"x","new":"","scope":"organization","zone":"b"}"#
    );
}

#[test]
fn of_several_blocks_the_last_one_counts() {
    let case = tagged(&[
        &[("zone", literal("a")), ("one", literal("1"))],
        &[("zone", literal("b"))],
    ]);
    assert_eq!(
        tags(&case),
        r#"{"one":"1","scope":"organization","zone":"b"}"#
    );
}

#[test]
fn scope_and_owner_are_put_over_like_any_other() {
    let mut case = tagged(&[&[("scope", literal("user")), ("owner", literal("o"))]]);
    assert_eq!(tags(&case), r#"{"owner":"o","scope":"user"}"#);
    case.proof().tags = vec![block(&[("zone", literal("a"))])];
    case.version().import.as_mut().unwrap().tags = Some(r#"{"scope": "user"}"#.to_owned());
    assert_eq!(
        tags(&case),
        format!(r#"{{"owner":"{OWNER}","scope":"user","zone":"a"}}"#)
    );
}

#[test]
fn a_parameters_value_is_that_of_the_new_build() {
    let mut case = tagged(&[&[("zone", parameter("p"))]]);
    assert_eq!(
        tags(&case),
        r#"{"scope":"organization","zone":"default"}"#,
        "the default"
    );
    let mut case_had = tagged(&[&[("zone", parameter("p"))]]).had("p", "kept");
    assert_eq!(tags(&case_had), r#"{"scope":"organization","zone":"kept"}"#);
    case_had.version().parameters[0].ephemeral = true;
    assert_eq!(
        tags(&case_had),
        r#"{"scope":"organization","zone":"default"}"#,
        "what is ephemeral starts anew"
    );
    case.version().parameters[0].required = true;
    case.proof().null_defaults.insert("p".to_owned());
    assert_eq!(tags(&case), "workspace_tags_unknown", "null");
    case.proof().tags = vec![block(&[("zone", parameter("other"))])];
    let block = case.plan().unwrap_err();
    assert_eq!(block.code, BlockCode::WorkspaceTagsUnknown);
    assert!(block.message.contains("\"zone\""), "{}", block.message);
    assert!(block.message.contains("\"other\""), "{}", block.message);
    assert!(block.message.contains("owner"), "{}", block.message);
}

#[test]
fn an_import_job_whose_tags_are_unreadable_blocks_with_blocks_too() {
    let mut case = tagged(&[&[("zone", literal("b"))]]);
    case.version().import.as_mut().unwrap().tags = Some("[]".to_owned());
    assert_eq!(tags(&case), "tags_unreadable");
}
