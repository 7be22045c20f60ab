//! Guard 1: files that the renderer reads otherwise than Terraform. Guard 11: blocks and rows.

use super::written::{Row, Written, row, template, with};

fn plain() -> Written {
    template(&with("default = \"a\"")).row(row("p").default("a"))
}

#[test]
fn a_parameter_of_literals_is_static() {
    let proved = plain().is_static();
    assert!(proved.null_defaults.is_empty() && proved.tags.is_empty());
}

#[test]
fn a_template_without_source_is_static_if_it_has_no_parameters() {
    Written::default().file("README.md", "# Hi").is_static();
    let rows = Written::default().file("README.md", "# Hi").row(row("p"));
    rows.is_unknown("there are rows of parameters, but no source");
}

#[test]
fn source_only_below_the_uppermost_folder_is_unknown() {
    let below = Written::default().file("m/main.tf", "");
    below.is_unknown("there is no file of Terraform's own form at the top");
}

#[test]
fn files_that_only_the_renderer_reads_make_a_version_unknown() {
    for (path, what) in [
        (
            ".p.tf",
            "Terraform passes this file over, the product's renderer doesn't",
        ),
        (
            "m/.p.tf",
            "Terraform passes this file over, the product's renderer doesn't",
        ),
        ("p.tofu", "a file of another form than Terraform's own"),
        ("p.tofu.json", "a file of another form than Terraform's own"),
        ("p.tf.json", "a file of another form than Terraform's own"),
        (
            "a.tfvars",
            "values for variables, which the product takes from any folder",
        ),
        (
            "m/a.auto.tfvars",
            "values for variables, which the product takes from any folder",
        ),
        (
            "m/a.tfvars.json",
            "values for variables, which the product takes from any folder",
        ),
        ("override.tf", "an override file"),
        ("m/p_override.tf", "an override file"),
        ("p_override.tf.json", "an override file"),
        ("override.tofu", "an override file"),
        (".terraform/modules/modules.json", "Terraform's own folder"),
    ] {
        plain()
            .file(path, "")
            .is_unknown(&format!("{path}: {what}"));
    }
}

#[test]
fn other_forms_in_a_folder_that_is_no_module_change_nothing() {
    plain().file("examples/p.tf.json", "{}").is_static();
    plain().file(".terraform.lock.hcl", "").is_static();
    plain().file("override.md", "").is_static();
}

#[test]
fn a_file_that_the_renderer_drops_as_a_whole_makes_a_version_unknown() {
    for (text, what) in [
        ("a = 1", "b.tf:1: an attribute at the top of the file"),
        (
            "\nteam \"x\" {}",
            "b.tf:2: a block team at the top of the file",
        ),
        (
            "check \"x\" {}",
            "b.tf:1: a block check at the top of the file",
        ),
        (
            "data \"x\" {}",
            "b.tf:1: a block data with another number of labels",
        ),
        ("locals {\n  a {}\n}", "b.tf:2: a block in locals"),
        (
            "data \"coder_parameter\" \"p\" {}",
            "main.tf:1: data coder_parameter is there twice",
        ),
    ] {
        plain().file("b.tf", text).is_unknown(what);
    }
    let broken = plain().file("b.tf", "locals {\n  a = \n}").reasons();
    assert!(broken[0].starts_with("b.tf:"), "{broken:?}");
}

#[test]
fn a_parameter_without_a_row_makes_a_version_unknown() {
    template(&with("default = \"a\"")).is_unknown("main.tf:1: parameter p has no row");
}

#[test]
fn a_row_without_a_block_makes_a_version_unknown() {
    plain()
        .row(row("q"))
        .is_unknown("the row of parameter q has no block");
}

#[test]
fn a_row_may_have_come_from_a_block_whose_name_is_not_known() {
    let source = "locals {\n  n = lower(\"P\")\n}\ndata \"coder_parameter\" \"p\" {\n  \
                  name = local.n\n  default = \"a\"\n}";
    template(source).row(row("p").default("a")).is_static();
    let fewer = template(source);
    fewer.is_unknown("there are fewer rows than parameters in the source");
    let more = template(source)
        .row(row("p").default("a"))
        .row(row("q").default("a"));
    assert_eq!(more.reasons().len(), 2);
}

#[test]
fn a_name_in_two_blocks_makes_a_version_unknown() {
    let second = "data \"coder_parameter\" \"q\" {\n  name = \"p\"\n  default = \"a\"\n}";
    plain()
        .file("b.tf", second)
        .is_unknown("b.tf:1: parameter p is in two blocks");
}

#[test]
fn a_row_that_says_otherwise_than_a_literal_makes_a_version_unknown() {
    let other = template(&with("default = \"a\"")).row(row("p").default("b"));
    other.is_unknown("main.tf:3: the row has another default");
    let other = template(&with("default = \"a\"\ntype = \"number\"")).row(row("p").default("a"));
    other.is_unknown("main.tf:4: the row has another type");
    let required = template(&with("default = \"a\"")).row(row("p").default("a").required());
    required.is_unknown("main.tf:3: a default whose row is required");
    template(&with("")).row(row("p").required()).is_static();
    let optional = template(&with("")).row(row("p"));
    optional.is_unknown("main.tf:1: a parameter without a default whose row is not required");
}
