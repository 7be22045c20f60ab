//! Patterns as Go reads them. Every row was checked against Go's own `regexp`.

use super::*;

/// A pattern, texts that it matches, texts that it does not match.
type Row = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const READ: &[Row] = &[
    // Anchors: without a flag they are the ends of the whole text.
    ("", &["", "a"], &[]),
    ("^a$", &["a"], &["a\n", "\na", "ba"]),
    (r"\Aa\z", &["a"], &["a\n"]),
    ("(?m)^a$", &["b\na\nc"], &["ab"]),
    ("(?m:^)a", &["\na"], &["ba"]),
    ("^*a", &["a", "ba"], &[]),
    ("$^", &[""], &["a", "\n"]),
    // The dot, and flags that last until their group ends.
    ("a.b", &["axb", "aéb", "a\rb"], &["a\nb", "ab"]),
    ("(?s)a.b", &["a\nb"], &[]),
    ("(?s:a.)b.", &["a\nbx"], &["a\nb\n"]),
    ("a(?i)b|c", &["aB", "C"], &["Ab"]),
    ("(a(?i)b)c", &["aBc"], &["aBC"]),
    ("(?i-s:A.)", &["ab"], &["a\n"]),
    ("(?s-i)(?-s).", &["a"], &["\n"]),
    ("(?)a(?i)*", &["", "aaa"], &[]),
    ("^(?i)(?-i)A$", &["A"], &["a"]),
    ("(?U)^a*?$", &["aa"], &["b"]),
    // What \d \s \w \b are: ASCII, and no vertical tab among the spaces.
    (r"^\d$", &["5"], &["\u{0665}", "a"]),
    (r"^\D$", &["\u{0665}", "a"], &["5"]),
    (
        r"^\s$",
        &[" ", "\t", "\n", "\u{c}", "\r"],
        &["\u{b}", "\u{a0}", "\u{85}"],
    ),
    (r"^\S$", &["\u{b}", "\u{a0}"], &[" "]),
    (r"^\w+$", &["aZ09_"], &["é", "-", ""]),
    (r"^\W$", &["é", "-"], &["a"]),
    (r"(?i)^\w$", &["\u{17f}", "\u{212a}"], &["é"]),
    (r"(?i)^\W$", &["é"], &["\u{17f}", "\u{212a}"]),
    (r"\bé", &["aé"], &["é", " é"]),
    (r"a\b", &["aé", "a"], &["ab"]),
    (r"é\Bé", &["éé"], &["é"]),
    (r"^\B$", &[""], &["a"]),
    (r"\B|._$", &["Ké_", "Ké"], &["K"]),
    // Escapes.
    (r"^\a\f\n\r\t\v$", &["\u{7}\u{c}\n\r\t\u{b}"], &[]),
    (r"^\.\-\_\/\&\~\ \<\%$", &[".-_/&~ <%"], &[]),
    (r"^\x41\x{1F600}\x{000061}$", &["A\u{1F600}a"], &[]),
    (r"^\101\07\0\12$", &["A\u{7}\0\n"], &[]),
    (r"^\1234$", &["S4"], &[]),
    (r"^\777$", &["\u{1ff}"], &[]),
    (r"^\Q^$.[a](\E+$", &["^$.[a](", "^$.[a](((("], &["^$.[a]"]),
    (r"\Qa\b", &[r"a\b"], &["ab"]),
    (r"^a\Q\E*$", &["", "aa"], &["b"]),
    (r"^\Qé\E+$", &["éé"], &[]),
    (r"\x{D800}|a", &["a"], &["b"]),
    // Repetitions and braces that stand for themselves.
    ("^a{2}$", &["aa"], &["a", "aaa"]),
    ("^a{2,}?$", &["aaa"], &["a"]),
    ("^a{1,2}$", &["aa"], &["aaa", ""]),
    ("^a{0}$", &[""], &["a"]),
    ("^a{,2}$", &["a{,2}"], &["aa"]),
    ("^a{01}$", &["a{01}"], &["a"]),
    ("^a{2$", &["a{2"], &["aa"]),
    ("^{$", &["{"], &[]),
    ("^{}a}]$", &["{}a}]"], &[]),
    (r"^\{2\}$", &["{2}"], &[]),
    (r"^(a+)?$", &["", "aa"], &["b"]),
    (r"^a+(?i)?$", &["", "aa"], &["b"]),
    (r"^a{2}\Q\E{2}$", &["aaaa"], &["aa"]),
    ("^(?:a{10}){100}$", &[], &["a"]),
    ("^(?:a{0}){1000}$", &[""], &["a"]),
    ("^(?:(?:a{1000}){0}){2}$", &[""], &["a"]),
    ("(|a)+b", &["aab", "b"], &["a"]),
    ("^()*$", &[""], &["a"]),
    ("^(?:)+$", &[""], &["a"]),
    // Groups.
    ("^(?P<n>a)(?P<n2>b)(?P<1>c)(?P<_>d)$", &["abcd"], &[]),
    ("^(?P<n>a)(?P<n>b)$", &["ab"], &[]),
    ("^(a|b|)c$", &["ac", "c"], &["abc"]),
    // Brackets: nothing in them is special but what Go knows.
    ("^[a&&b]$", &["&", "a", "b"], &["c"]),
    ("^[*--c]$", &["+", "-", "c"], &["b", "."]),
    ("^[a~~b]$", &["~", "a"], &["^"]),
    ("^[[a]$", &["[", "a"], &["]"]),
    ("^[a[b]$", &["[", "b"], &["]"]),
    ("^[]a]$", &["]", "a"], &["["]),
    ("^[^]a]$", &["b", "\n"], &["]", "a"]),
    ("^[-a]$", &["-"], &["b"]),
    ("^[a-]$", &["-"], &["b"]),
    ("^[^-a]$", &["b"], &["-"]),
    (r"^[\d-z]$", &["5", "-", "z"], &["a"]),
    (r"^[a-c-e]$", &["b", "-", "e"], &["d"]),
    ("^[+--]$", &["+", ",", "-"], &["."]),
    (r"^[\]\-\\\^]$", &["]", "-", "\\", "^"], &["a"]),
    ("^[a^]$", &["^"], &["b"]),
    ("^[.$(|*]$", &[".", "$", "(", "|", "*"], &["a"]),
    ("^[ #]$", &[" ", "#"], &["a"]),
    ("^[[:alpha:][:digit:]_]$", &["a", "5", "_"], &["é", ":"]),
    ("^[[:^alpha:]]$", &["5", "é"], &["a"]),
    ("^[^[:space:]]$", &["a"], &["\u{b}", " "]),
    ("^[[:word:]-]$", &["-", "_"], &["é"]),
    ("^[:alpha:]$", &[":", "a", "l"], &["b"]),
    ("^[[:a]$", &["[", ":", "a"], &["b"]),
    ("^[[.a.]$", &["[", ".", "a"], &["]"]),
    (
        r"^[\x{D7FE}-\x{E001}]$",
        &["\u{d7ff}", "\u{e000}"],
        &["\u{e002}"],
    ),
    (r"^[\x{D800}]$", &[], &["a"]),
    (r"^[^\x{D800}]$", &["a"], &[]),
    (r"^[^\x00-\x{10FFFF}]$", &[], &["a"]),
    (r"^[\101-\103]$", &["B"], &["D"]),
    // Unicode classes.
    (r"^\pL\p{Lu}\p{Greek}$", &["éÉα"], &["1Éα", "éÉa"]),
    (r"^\PL\P{Lu}\p{^Greek}\P{^Greek}$", &["1aaα"], &["aaaα"]),
    (r"^[\pN\p{Han}]$", &["5", "日"], &["a"]),
    (r"^[^\P{Lu}]$", &["É"], &["é"]),
    (r"(?i)^\p{Lu}$", &["é", "É"], &["1"]),
    (r"(?i)^\P{Lu}$", &["1"], &["é", "É"]),
    (r"^\p{Any}$", &["\n", "é"], &[""]),
    (r"^\pC$", &["\u{1}", "\u{200b}"], &["a", "\u{378}"]),
    (r"^\p{Cs}|a$", &["a"], &["b"]),
    // Letters in any case.
    ("(?i)^straße$", &["STRAßE", "straẞe"], &["strasse"]),
    ("(?i)^[k-k]s$", &["K\u{17f}", "\u{212a}S"], &["l"]),
    ("(?i)^[^k]$", &["a"], &["K", "\u{212a}"]),
    ("(?i)^[[:upper:]]$", &["a", "\u{17f}"], &["é"]),
    ("(?i)µ", &["μ", "Μ"], &["m"]),
    // As people write them.
    (
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        &["a-b", "x"],
        &["-a", "a-", ""],
    ),
    (
        r"^(https?|ssh)://[\w.-]+(?::\d{2,5})?/",
        &["https://a.b:443/"],
        &["ftp://a/"],
    ),
    (
        r"^\d{4}-(0[1-9]|1[0-2])-\d{2}$",
        &["2024-12-31"],
        &["2024-13-01"],
    ),
    (
        r"^[\w.+\-]+@example\.com$",
        &["a.b+c@example.com"],
        &["a@examplescom"],
    ),
];

/// Patterns that Go refuses.
const REFUSED: &[&str] = &[
    "*",
    "+a",
    "?",
    "a|*",
    "(*)",
    "(?i)*",
    "(?:+)",
    "{2}",
    "a{2}{3}",
    "a**",
    "a*+",
    "a++",
    "a+?*",
    "a???",
    "x{1001}",
    "x{1,1001}",
    "x{2,1}",
    "x{99999999999}",
    "x{1,99999999999}",
    "(a{100}){11}",
    "((a{2}){500}){2}",
    "(a*){1001}",
    "((a{100})*){11}",
    "(",
    ")",
    "(a",
    "a)",
    "(a))",
    "[",
    "[]",
    "[^]",
    "[a",
    "[a-",
    "[b-a]",
    r"[a-\d]",
    r"[\b]",
    r"[\Qa\E]",
    "[[:foo:]]",
    "[[:alpha]:]]",
    r"\",
    r"a\",
    r"\8",
    r"\1",
    r"\18",
    r"\Z",
    r"\C",
    r"\G",
    r"\E",
    r"\e",
    r"\K",
    r"\R",
    r"\h",
    r"\é",
    r"\x",
    r"\x4",
    r"\xg0",
    r"\x{}",
    r"\x{110000}",
    r"\x{41",
    r"\x{-1}",
    r"\u0041",
    r"\p",
    r"\p{",
    r"\p{greek}",
    r"\p{Alphabetic}",
    r"\p{sc=Greek}",
    r"\p{}",
    r"\p^",
    r"\pé",
    r"\p{^}",
    "(?=a)",
    "(?!a)",
    "(?<=a)",
    "(?<!a)",
    "(?>a)",
    "(?#a)",
    "(?P=n)",
    "(?P>n)",
    "(?P<>a)",
    "(?P<a-b>c)",
    "(?P<n",
    "(?P<é>a)",
    "(?x)a",
    "(?-)",
    "(?i-)a",
    "(?--i)",
    "(?i",
    "(?",
    "(?R:a)",
    r"(a)\1",
];

#[test]
fn a_pattern_means_what_it_means_in_go() {
    for (pattern, matches, others) in READ {
        let read = Pattern::read(pattern).unwrap_or_else(|e| panic!("{pattern:?}: {e}"));
        for text in *matches {
            assert_eq!(read.is_match(text), Some(true), "{pattern:?} {text:?}");
        }
        for text in *others {
            assert_eq!(read.is_match(text), Some(false), "{pattern:?} {text:?}");
        }
    }
}

#[test]
fn what_go_refuses_is_refused_as_syntax() {
    for pattern in REFUSED {
        let refused = Pattern::read(pattern).map(|_| ());
        assert!(
            matches!(refused, Err(Unreadable::Syntax { .. })),
            "{pattern:?} {refused:?}"
        );
    }
}

/// Newer versions of Go read this spelling of a group name, older ones do not.
#[test]
fn a_group_may_be_named_without_the_p() {
    let read = Pattern::read("^(?<n>a)$").unwrap();
    assert_eq!(read.is_match("a"), Some(true));
}

#[test]
fn a_pattern_that_would_explode_is_too_large() {
    let many = |piece: &str| piece.repeat(MAX_LENGTH / piece.len());
    for pattern in [
        r"\pL{1000}",
        r"(?:\pL{30}){30}",
        &many(r"\pL"),
        &many("[b-\u{10ffff}]"),
        &format!("(?i){}", r"[\W]".repeat(100)),
        &format!("{}{}", "(".repeat(1000), ")".repeat(1000)),
    ] {
        let refused = Pattern::read(pattern).map(|_| ());
        assert_eq!(refused, Err(Unreadable::TooLarge));
    }
    let refused = Pattern::read(&"a".repeat(MAX_LENGTH + 1)).map(|_| ());
    assert_eq!(refused, Err(Unreadable::TooLong));
}

#[test]
fn large_but_real_patterns_are_read() {
    assert!(Pattern::read(r"^[\p{L}\p{N} ._-]{1,64}$").is_ok());
    assert!(Pattern::read(r"^\S{1,1000}$").is_ok());
    assert!(Pattern::read(&"a|".repeat(MAX_LENGTH / 2)).is_ok());
}

#[test]
fn a_text_too_long_is_not_matched() {
    let read = Pattern::read("a").unwrap();
    assert_eq!(read.is_match(&"a".repeat(MAX_TEXT)), Some(true));
    assert_eq!(read.is_match(&"a".repeat(MAX_TEXT + 1)), None);
}
