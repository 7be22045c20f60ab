//! What of HCL is read, and what is refused.

use std::fs;
use std::path::Path;
use std::thread;

use hcl_edit::Span;
use hcl_edit::parser::parse_body;
use hcl_edit::visit::{Visit, visit_body};
use proptest::prelude::*;

use super::{Budget, MAX_BYTES, ParsedFile, parse};

/// Less than a server's process has.
const STACK: usize = 1 << 20;

fn parsed(text: &str) -> ParsedFile {
    parse("main.tf", text.as_bytes(), &mut Budget::default()).unwrap()
}

/// Line and reason of a refusal.
fn refused(text: &str) -> (Option<u32>, String) {
    let error = parse("main.tf", text.as_bytes(), &mut Budget::default()).expect_err(text);
    assert_eq!(error.file.as_deref(), Some("main.tf"));
    (error.line, error.what)
}

/// Parses on a small stack, walks through the tree and drops it.
fn survives(text: String) -> bool {
    struct Walk;
    impl Visit for Walk {}
    let on_small_stack = thread::Builder::new().stack_size(STACK).spawn(move || {
        let parsed = parse("main.tf", text.as_bytes(), &mut Budget::default());
        if let Ok(file) = &parsed {
            visit_body(&mut Walk, &file.body);
        }
        parsed.is_ok()
    });
    on_small_stack.unwrap().join().unwrap()
}

#[test]
fn a_line_is_counted_from_one() {
    let file = parsed("a = 1\nb = 2\r\n\n# c\nd = 3");
    let spans = file.body.attributes().map(|a| a.span().unwrap().start);
    assert_eq!(spans.map(|at| file.line(at)).collect::<Vec<_>>(), [1, 2, 5]);
}

#[test]
fn what_cannot_be_parsed_is_refused_with_its_line() {
    assert_eq!(refused("a = 1\nb = = 2\n").0, Some(2));
    assert_eq!(refused("a = 1\n\nb = (1]\n").0, Some(3));
    let not_utf8 = parse("main.tf", b"a = \"\xff\"", &mut Budget::default());
    assert_eq!(not_utf8.unwrap_err().what, "this file is not UTF-8");
}

#[test]
fn every_template_of_the_examples_is_parsed() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dynamic");
    let mut files = 0;
    let mut folders = vec![examples];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "tf") {
                parsed(&fs::read_to_string(path).unwrap());
                files += 1;
            }
        }
    }
    assert!(files > 70, "{files}");
}

#[test]
fn what_people_write_is_parsed() {
    for text in [
        "a = \"${b}-$${c}-%%{d}-100%${e}\"\n",
        "a = \"%{ if b }x%{ else }y%{ endif }\"\n",
        "a = <<-EOT\n  x ${b} \"y\" $(z)\n\n  EOTX\n  NOT EOT\n  EOT\nb = 1\n",
        "a = [<<A\n${<<B\nx\nB\n}\nA\n, 1]\n",
        "a = { \"x\" = 1, (b) = 2, c : 3 } # \u{e9}\n/* \u{e9}\n */ // x\r\n",
        "a = b ? -1 : !c ? 1.5e3 : d[*].e.0[\"f\"]\n",
        "provider \"x\" {}\r\nb \"l\" m {\r\n  a = x::y(1, [2]...)\r\n}\r\n",
        "a = { for k, v in b : k => v... if c }\n",
    ] {
        parsed(text);
    }
}

/// The parser takes what follows for a part of the text; the product does not.
#[test]
fn a_heredoc_that_two_readers_may_end_elsewhere_is_refused() {
    let hidden = "hidden = uuid()\n";
    for text in [
        // The parser does not see the end of an empty one.
        format!("a = <<E\nE\n{hidden}b = <<E\nE\n"),
        // Only to the parser a line with something behind is the end.
        format!("a = <<E\nx\nE #\nb = <<F\nE\n{hidden}c = <<F\nF\n"),
        // Only to the product any blank is a blank.
        format!("a = <<E\nx\n\u{a0}E\n{hidden}b = <<E\nx\nE\n"),
        format!("a = <<E\nx\n\x0bE\n{hidden}b = <<E\nx\nE\n"),
    ] {
        let body = parse_body(&text).unwrap();
        assert!(body.get_attribute("hidden").is_none(), "{text:?}");
        let (line, what) = refused(&text);
        assert!(what.contains("heredoc"), "{text:?}: {what}");
        assert!(line < Some(4), "{text:?}: {line:?}");
    }
}

#[test]
fn a_text_that_two_readers_may_read_otherwise_is_refused() {
    for (text, line, what) in [
        ("a = 1\nb = \"x\ny\"\n", 2, "more than one line"),
        ("a = \"$$${b}\"\n", 1, "several signs"),
        ("a = \"\\$${b}\"\n", 1, "escape"),
        ("# x\ra = 1\n", 1, "carriage return"),
        ("a = 1\rb = 2\n", 1, "carriage return"),
        ("a = 1\n\u{e9} = 2\n", 2, "not read"),
        ("a = 1\n\u{a0}b = 2\n", 2, "not read"),
        ("a = <<E\nx\nE", 3, "end of the heredoc"),
        ("a = <<E\nx\nE\u{2003}\n", 3, "end of the heredoc"),
        ("a = \"x", 1, "ends within"),
        ("a = 1 /* x", 1, "no end"),
    ] {
        let (at, refusal) = refused(text);
        assert!(refusal.contains(what), "{text:?}: {refusal}");
        assert_eq!(at, Some(line), "{text:?}");
    }
    assert!(parse("a", b"\xef\xbb\xbfa = 1\n", &mut Budget::default()).is_err());
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    refused("a = 1\na = 2\n");
    refused("a = { b = 1, b = 2 }\n");
}

#[test]
fn nothing_nests_so_deeply_that_a_small_stack_overflows() {
    let wrappings: [(&str, &str); 14] = [
        ("(", ")"),
        ("[", "]"),
        ("{ a = ", " }"),
        ("{ (", ") = 1 }"),
        ("f(", ")"),
        ("x[", "]"),
        ("\"${", "}\""),
        ("\"%{ if x }${", "}%{ endif }\""),
        ("!", ""),
        ("-", ""),
        ("x ? ", " : 1"),
        ("x ? 1 : ", ""),
        ("[for y in ", " : y if y]"),
        ("1 + 1 * (", ")"),
    ];
    for (before, after) in wrappings {
        let nested = |depth| format!("a = {}x{}\n", before.repeat(depth), after.repeat(depth));
        assert!(survives(nested(4)), "{before}x{after}");
        for depth in 5..30 {
            survives(nested(depth));
        }
        assert!(!survives(nested(10_000)), "{before}x{after}");
    }
    let nested = |depth| format!("{}{}", "a {\n".repeat(depth), "}\n".repeat(depth));
    assert!(survives(nested(24)));
    assert!(!survives(nested(25)));
    let nested = |depth: usize| {
        let open: String = (0..depth).map(|n| format!("<<E{n}\n${{")).collect();
        let close: String = (0..depth).rev().map(|n| format!("}}\nE{n}\n")).collect();
        format!("a = {open}x{close}")
    };
    assert!(survives(nested(12)));
    assert!(!survives(nested(13)));
    // The deepest that is parsed: all levels at once, each with operators.
    let level = "1 + 1 + 1 + 1 + 1 + (";
    assert!(survives(format!(
        "a = {}x{}\n",
        level.repeat(24),
        ")".repeat(24)
    )));
    assert!(survives(format!("a = {}1\n", "1 * ".repeat(128))));
    assert!(!survives(format!("a = {}1\n", "1 * ".repeat(129))));
}

#[test]
fn conditions_and_signs_side_by_side_are_not_nested() {
    for text in ["x ? 1 : 2, ", "!x, -1, ", "(x ? 1 : 2), "] {
        assert!(survives(format!("a = [{}]\n", text.repeat(100))), "{text}");
    }
    let line = "a = { b = x ? -1 : !y\nc = 1 }\n";
    let lines: String = (0..100)
        .map(|n| line.replace("a =", &format!("a{n} =")))
        .collect();
    assert!(survives(lines));
    assert!(survives(format!("a = {}1\n", "1 - ".repeat(100))));
}

#[test]
fn there_is_a_bound_for_all_that_the_parser_does_not_bound() {
    let many = |text: &str, count: usize| format!("a = [\n{}]\n", text.repeat(count));
    for (text, most) in [
        ("1,", 49_000),
        ("f(),", 24_000),
        ("{},", 32_000),
        ("\"${a}\",", 15_000),
        ("\n", 99_000),
        ("#\n", 49_000),
        ("/**/", 99_000),
    ] {
        assert!(survives(many(text, most)), "{text:?}");
        let (_, what) = refused(&many(text, most * 5 / 2));
        assert!(what.contains("more source"), "{text:?}: {what}");
    }
    refused(&format!("a = x{}\n", ".a".repeat(60_000)));
    refused(&format!("b {}{{}}\n", "\"\"".repeat(110_000)));
}

#[test]
fn all_files_of_a_version_share_their_bounds() {
    let file = format!("a = \"{}\"\n", "x".repeat(200 << 10));
    let tokens = format!("a = [{}]\n", "1,".repeat(20_000));
    for (text, times) in [(file, MAX_BYTES / (200 << 10)), (tokens, 2)] {
        let mut budget = Budget::default();
        for _ in 0..times {
            assert!(parse("main.tf", text.as_bytes(), &mut budget).is_ok());
        }
        assert!(parse("main.tf", text.as_bytes(), &mut budget).is_err());
    }
}

#[test]
fn the_entries_of_objects_are_bounded() {
    let object = |entries: usize| {
        let entries: String = (0..entries).map(|n| format!("k{n} = {n}\n")).collect();
        format!("a = {{\n{entries}}}\n")
    };
    assert!(survives(object(1_000)));
    assert!(refused(&object(5_000)).1.contains("too many entries"));
    let objects = object(1_000).repeat(6).replace("a =", "b {}\na =");
    assert!(refused(&objects).1.contains("too many entries"));
    let entries: String = (0..900)
        .map(|n| format!("[{}{n}]=1\n", "1,".repeat(50)))
        .collect();
    assert!(
        refused(&format!("a = {{\n{entries}}}\n"))
            .1
            .contains("too many entries")
    );
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "E",
        "1",
        " ",
        "\n",
        "\r\n",
        "\r",
        "\"",
        "\\",
        "$",
        "%",
        "${",
        "%{",
        "}",
        "{",
        "(",
        ")",
        "[",
        "]",
        "=",
        "==",
        "?",
        ":",
        ",",
        ".",
        "...",
        "<<E\n",
        "<<-E\n",
        "\nE\n",
        "# x",
        "/*",
        "*/",
        "//",
        "for x in ",
        "if ",
        "endif",
        "else",
        "!",
        "-",
        "~",
        "\u{e9}",
        "\u{a0}",
        "a = ",
        "b {\n",
        "\"l\" ",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in pieces()) {
        let _ = parse("main.tf", text.as_bytes(), &mut Budget::default());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse("main.tf", &bytes, &mut Budget::default());
    }
}
