//! What of HCL is read, and what is refused.

use hcl_edit::Span;

use super::{Budget, parse};

#[test]
fn a_line_is_counted_from_one() {
    let text = "a = 1\nb = 2\r\n\n# c\nd = 3";
    let parsed = parse("main.tf", text.as_bytes(), &mut Budget::default()).unwrap();
    let lines: Vec<_> = parsed
        .body
        .attributes()
        .map(|attribute| parsed.line(attribute.span().unwrap().start))
        .collect();
    assert_eq!(lines, [1, 2, 5]);
}

#[test]
fn a_file_that_cannot_be_parsed_is_refused_with_its_line() {
    let error = parse("main.tf", b"a = 1\nb = = 2\n", &mut Budget::default()).unwrap_err();
    assert_eq!(error.file.as_deref(), Some("main.tf"));
    assert_eq!(error.line, Some(2));
}
