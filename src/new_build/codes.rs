//! Every reason why a build can't be written, in one list.
//!
//! A code is short, snake_case and stable: people alert on it and the documentation
//! lists it, checked against [`BlockCode::ALL`]. The sentence with what was seen
//! belongs to the [`Block`](super::inputs::Block); here stands what a code means in general.

macro_rules! block_codes {
    ($($variant:ident $code:literal $meaning:literal)+) => {
        /// Why a build can't be written.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum BlockCode {
            $(#[doc = $meaning] $variant,)+
        }

        impl BlockCode {
            /// All of them, in the order in which they are checked.
            pub const ALL: &'static [BlockCode] = &[$(BlockCode::$variant,)+];

            /// The code as SQL shows it.
            pub fn code(self) -> &'static str {
                match self { $(BlockCode::$variant => $code,)+ }
            }

            /// What it means, in a sentence for the documentation.
            pub fn meaning(self) -> &'static str {
                match self { $(BlockCode::$variant => $meaning,)+ }
            }
        }
    };
}

block_codes! {
    ActiveVersionMissing "active_version_missing"
        "The template's active version, whose tags say which provisioner is needed, does not exist."
    NoProvisioner "no_provisioner"
        "No provisioner daemon that takes such jobs was seen recently; checked again at each tick."
    NoLatestBuild "no_latest_build"
        "The workspace has no earlier build."
    BuildNumbersUsedUp "build_numbers_used_up"
        "The latest build has the highest possible number."
    TemplateMissing "template_missing"
        "The workspace's template does not exist."
    VersionMissing "version_missing"
        "The template version to build does not exist."
    VersionOfOtherTemplate "version_of_other_template"
        "The template version to build belongs to another template."
    ImportJobMissing "import_job_missing"
        "The job that imported the template version does not exist."
    ImportJobPending "import_job_pending"
        "The job that imports the template version is not complete."
    ImportJobFailed "import_job_failed"
        "The import of the template version failed."
    ImportJobCanceled "import_job_canceled"
        "The import of the template version was canceled."
    UnlicensedExternalAgent "unlicensed_external_agent"
        "The template version has an external agent, and there is no licence for it according to \
        workspace_autobuild.licensed_rules."
    LegacyParameterSchemas "legacy_parameter_schemas"
        "The template version uses legacy parameters, which the product no longer starts."
    ParameterFlowUnknown "parameter_flow_unknown"
        "The template does not say whether its parameters are classic or dynamic."
    VersionChangeDynamic "version_change_dynamic"
        "The start would change to a version with dynamic parameters, which only the product can \
        evaluate: its source decides more than what is stored, or that can't be told."
    VersionUnproved "version_unproved"
        "The start would change to a version with dynamic parameters whose source was not looked at \
        yet; looked at again at the next tick."
    VersionChangeWorkspaceTags "version_change_workspace_tags"
        "The start would change to a version with workspace tags, which only the product can evaluate."
    ParameterOptionsUnreadable "parameter_options_unreadable"
        "A parameter's options are not a JSON array of options."
    ParameterDefinitionInvalid "parameter_definition_invalid"
        "A parameter's type, form type, options and order don't go together, which the product \
        rejects."
    ParameterRequired "parameter_required"
        "A required parameter has no previous value."
    ParameterEmpty "parameter_empty"
        "A required parameter's value is empty."
    ParameterNotAnOption "parameter_not_an_option"
        "A parameter's value is not one of its options."
    ParameterRuleMisplaced "parameter_rule_misplaced"
        "A parameter has a validation rule that its type does not allow."
    ParameterNotBool "parameter_not_bool"
        "The value of a parameter of type bool is neither true nor false."
    ParameterNotList "parameter_not_list"
        "The value of a parameter of type list(string) is not a JSON array of strings."
    ParameterNotNumber "parameter_not_number"
        "The value of a parameter of type number is no number, or, where there is a validation rule, \
        no decimal integer of 64 bits."
    ParameterOutOfRange "parameter_out_of_range"
        "The value of a parameter of type number is outside its range."
    ParameterPatternUnreadable "parameter_pattern_unreadable"
        "A parameter's pattern can't be applied here, and no build of the same version had this \
        value."
    ParameterPatternWithoutError "parameter_pattern_without_error"
        "A parameter has a pattern but no error text, which the product rejects."
    ParameterPatternMismatch "parameter_pattern_mismatch"
        "A parameter's value does not match its pattern."
    ParameterNotMonotonic "parameter_not_monotonic"
        "The default of an ephemeral parameter is below or above the last value, which its \
        monotonic rule does not allow."
    WorkspaceTagsUnknown "workspace_tags_unknown"
        "The version has workspace tags, and they are not known: the latest build's job has none to \
        copy, or was made with other parameter values; or one is the value of a parameter that has \
        none."
    TagsUnreadable "tags_unreadable"
        "The provisioner tags of the job to copy from are not a JSON object of strings."
    ParameterValueNotRead "parameter_value_not_read"
        "An internal error: a rule needs a parameter's value that was not read."
    Braked "braked"
        "Too many transitions of this kind were due within an hour; the brake is on until \
        autobuild_resume()."
}

/// A text from the product's tables as a message shows it: quoted, with control
/// characters escaped, and cut, since such a text may be of any length.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 200;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// A sentence as a message shows it in its own: control characters escaped, and cut. It may
/// name files, which are called as whoever writes templates likes.
pub(super) fn sentence(text: &str) -> String {
    const SHOWN: usize = 1000;
    let mut shown = String::new();
    for letter in text.chars().take(SHOWN) {
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_short_and_snake_case() {
        let mut seen = HashSet::new();
        for code in BlockCode::ALL {
            let text = code.code();
            assert!(seen.insert(text), "{text} stands twice");
            assert!(text.len() <= 32, "{text} is long");
            assert!(
                text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{text}"
            );
            assert!(code.meaning().ends_with('.'), "{text} has no sentence");
        }
    }

    #[test]
    fn a_message_shows_no_more_than_a_cut_of_a_long_text() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        let long = "é".repeat(100_000);
        assert_eq!(quoted(&long).chars().count(), 205);
        assert_eq!(sentence("main.tf:3: \"é\"\n"), "main.tf:3: \"é\"\\n");
        assert_eq!(sentence(&long).chars().count(), 1003);
    }
}
