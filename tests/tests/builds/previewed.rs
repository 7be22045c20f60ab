//! What a preview says of a build, asked again and again in one session: it keeps what it read
//! of template versions for as long as nobody can have changed it, and no longer.

use workspace_autobuild_tests::autobuild::{RUN, due_with_region, install, refusal};
use workspace_autobuild_tests::product::{Workspace, parameter};
use workspace_autobuild_tests::{Product, Version};

/// A workspace that is due with `us` for `region`.
fn due(product: &Product) -> Workspace<'_> {
    let template = product
        .template("docker")
        .parameter(parameter("region"))
        .create();
    due_with_region(&template)
}

/// The statement that allows only such values of parameters.
fn allow(pattern: &str) -> String {
    format!(
        "UPDATE template_version_parameters
            SET validation_regex = '{pattern}', validation_error = 'no'"
    )
}

const REFUSED: Option<&str> = Some("parameter_pattern_mismatch");

#[test]
fn a_preview_sees_what_was_changed_since_the_one_before() {
    let product = install(Version::V2_34_3);
    let workspace = due(&product);
    let operator = product.operator();
    let skip = || operator.next(&workspace, RUN).skip_reason;
    assert_eq!(skip(), None);
    assert_eq!(skip(), None);
    // By another session,
    product.execute(&allow("^eu"));
    assert_eq!(skip().as_deref(), REFUSED);
    // in this one, before and after it is undone,
    operator.execute("BEGIN");
    assert_eq!(skip().as_deref(), REFUSED);
    operator.execute(&allow(""));
    assert_eq!(skip(), None);
    operator.execute("SAVEPOINT one");
    operator.execute(&allow("^eu"));
    assert_eq!(skip().as_deref(), REFUSED);
    operator.execute("ROLLBACK TO one");
    assert_eq!(skip(), None);
    operator.execute("ROLLBACK");
    assert_eq!(skip().as_deref(), REFUSED);
    // and under an older snapshot not before that ends.
    operator.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(skip().as_deref(), REFUSED);
    product.execute(&allow(""));
    assert_eq!(skip().as_deref(), REFUSED);
    operator.execute("COMMIT");
    assert_eq!(skip(), None);
}

#[test]
fn a_preview_sees_the_rows_that_row_security_shows_it_now() {
    let product = install(Version::V2_34_3);
    let workspace = due(&product);
    product.execute(&allow("^eu"));
    product.execute(
        "ALTER TABLE template_version_parameters ENABLE ROW LEVEL SECURITY;
         ALTER TABLE template_version_parameters FORCE ROW LEVEL SECURITY;
         CREATE POLICY seen ON template_version_parameters
                USING (current_setting('app.sees', true) = 'on')",
    );
    let operator = product.operator();
    operator.execute("CREATE ROLE asks; SELECT autobuild_grant('asks'); SET ROLE asks");
    operator.execute("SET app.sees = 'on'");
    let shown = operator.next(&workspace, RUN).skip_reason;
    operator.execute("SET app.sees = 'off'");
    let hidden = operator.next(&workspace, RUN).skip_reason;
    assert_eq!(shown.as_deref(), REFUSED);
    assert_ne!(hidden.as_deref(), REFUSED);
}

#[test]
fn a_preview_of_another_role_says_what_that_role_may_know() {
    let product = install(Version::V2_34_3);
    let workspace = due(&product);
    let operator = product.operator();
    operator.execute(
        "CREATE ROLE knows_less; SELECT autobuild_grant('knows_less');
         REVOKE SELECT ON template_version_parameters FROM knows_less",
    );
    // Under the same snapshot: nobody writes in between.
    assert_eq!(operator.next(&workspace, RUN).skip_reason, None);
    operator.execute("SET ROLE knows_less");
    let refused = refusal(
        &mut operator.session(),
        &format!(
            "SELECT * FROM autobuild_next_transition('{}', '{RUN}')",
            workspace.id
        ),
    );
    assert_eq!(refused.sqlstate, "42501", "{refused:?}");
}
