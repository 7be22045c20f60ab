//! The types of parameters, and which texts Go reads as a value of each.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, Visitor};

pub(super) const BOOL: &str = "bool";
pub(super) const NUMBER: &str = "number";
pub(super) const STRING: &str = "string";
pub(super) const LIST: &str = "list(string)";

/// Does Go's `ParseBool` take it?
pub(super) fn is_bool(text: &str) -> bool {
    matches!(
        text,
        "1" | "t" | "T" | "true" | "TRUE" | "True" | "0" | "f" | "F" | "false" | "FALSE" | "False"
    )
}

/// Does Go's `ParseFloat` take it, for 64 bits? Decimal and hexadecimal, with underscores
/// between digits; in range after rounding.
pub(super) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if ["inf", "infinity"]
        .iter()
        .any(|word| unsigned.eq_ignore_ascii_case(word))
        || text.eq_ignore_ascii_case("nan")
    {
        return true;
    }
    let hex = unsigned.get(..2).filter(|p| p.eq_ignore_ascii_case("0x"));
    match hex {
        // Go counts the prefix as a digit before an underscore.
        Some(_) => unsigned.get(2..).is_some_and(is_hex),
        None => Literal::read(unsigned, 10, 'e', false).is_some_and(|number| number.is_in_range()),
    }
}

fn is_hex(text: &str) -> bool {
    Literal::read(text, 16, 'p', true)
        .filter(|number| number.exponent.is_some())
        .is_some_and(|number| number.is_in_range())
}

/// A number as it is written, without sign, prefix and underscores.
struct Literal {
    radix: u32,
    /// Its digits, without the leading zeros.
    digits: String,
    /// How many of the digits are before the point; negative where zeros follow it.
    before_point: i64,
    exponent: Option<i64>,
}

impl Literal {
    fn read(text: &str, radix: u32, exponent_mark: char, mut after_digit: bool) -> Option<Literal> {
        let mut number = Literal {
            radix,
            digits: String::new(),
            before_point: 0,
            exponent: None,
        };
        let (mut any, mut point) = (false, false);
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            if letter == '_' {
                let next = rest.clone().next();
                if !after_digit || !next.is_some_and(|next| next.is_digit(radix)) {
                    return None;
                }
                after_digit = false;
            } else if letter.is_digit(radix) {
                (any, after_digit) = (true, true);
                if letter != '0' || !number.digits.is_empty() {
                    number.digits.push(letter);
                    number.before_point += i64::from(!point);
                } else {
                    number.before_point -= i64::from(point);
                }
            } else if letter == '.' && !point {
                (point, after_digit) = (true, false);
            } else if letter.eq_ignore_ascii_case(&exponent_mark) {
                number.exponent = Some(exponent(rest.as_str())?);
                break;
            } else {
                return None;
            }
        }
        any.then_some(number)
    }

    /// Is it finite once it is rounded to 64 bits?
    fn is_in_range(&self) -> bool {
        if self.digits.is_empty() {
            return true;
        }
        let exponent = self.exponent.unwrap_or(0);
        if self.radix == 10 {
            let text = format!("0.{}e{}", self.digits, self.before_point + exponent);
            return text.parse::<f64>().is_ok_and(f64::is_finite);
        }
        // Sixteen digits are more than are rounded to; what follows them can't make it larger.
        let leading = self.digits.get(..16).unwrap_or(&self.digits);
        let Ok(bits) = u64::from_str_radix(leading, 16) else {
            return false;
        };
        let unused = i64::from(bits.leading_zeros()) - 4 * (16 - length(leading));
        match 4 * self.before_point - unused + exponent {
            ..1024 => true,
            // It is rounded up, out of range, where 54 bits are set.
            1024 => (bits << bits.leading_zeros()) >> 10 != (1 << 54) - 1,
            _ => false,
        }
    }
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX)
}

/// The number after the mark of an exponent. Go stops counting at the fifth digit.
fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut exponent: i64 = 0;
    let mut after_digit = false;
    for letter in digits.chars() {
        match letter.to_digit(10) {
            Some(digit) if exponent < 10_000 => exponent = exponent * 10 + i64::from(digit),
            Some(_) => {}
            None if letter == '_' && after_digit => {}
            None => return None,
        }
        after_digit = letter != '_';
    }
    after_digit.then(|| {
        if text.starts_with('-') {
            -exponent
        } else {
            exponent
        }
    })
}

/// The elements of a JSON array of strings, as Go reads it: `null` is an empty list, a
/// null element the empty string. `None` for what is none.
pub(super) fn elements(value: &str) -> Option<Vec<Cow<'_, str>>> {
    // Two passes, since the first knows the whole grammar and the second takes strings
    // that only Go takes: halves of surrogate pairs.
    serde_json::from_str::<IgnoredAny>(value).ok()?;
    let list: Option<Vec<Option<Element>>> = serde_json::from_str(value).ok()?;
    let elements = list.unwrap_or_default().into_iter();
    Some(
        elements
            .map(|e| e.map_or(Cow::Borrowed(""), |e| e.0))
            .collect(),
    )
}

struct Element<'v>(Cow<'v, str>);

impl<'de> Deserialize<'de> for Element<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(replaced(bytes))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Cow::Owned(replaced(bytes).into_owned()))
            }
        }
        deserializer.deserialize_bytes(Text).map(Element)
    }
}

/// The text, with one replacement character for each half of a surrogate pair, as Go has it.
/// Nothing else is invalid in it: the whole came as text.
fn replaced(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if chunk.invalid().first() == Some(&0xED) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(takes: impl Fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(takes(text), "{text:?} is one");
        }
        for text in bad {
            assert!(!takes(text), "{text:?} is none");
        }
    }

    #[test]
    fn a_bool_is_one_of_twelve_words() {
        check(
            is_bool,
            &[
                "1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False",
            ],
            &["", "tRUE", "yes", " true", "true ", "01", "FALSe"],
        );
    }

    #[test]
    fn a_number_is_a_decimal_with_point_sign_and_exponent_as_go_writes_it() {
        check(
            is_number,
            &[
                "0",
                "-0",
                "+5",
                "05",
                ".5",
                "5.",
                "1e2",
                "1E+2",
                "1.5e-3",
                "00.00",
                "0e99999",
                "1e-99999",
                "2.5",
                "9223372036854775808",
                "0_1",
                "1_000",
                "1_0.0_1e1_0",
            ],
            &[
                "", "+", "-", ".", "e1", "1e", "1e+", "1e+-1", "++1", "1.2.3", "1,5", " 1", "1 ",
                "1\n", "four", "0b1", "0o7", "1f", "1d", "_1", "1_", "1__0", "1_.0", "1._0",
                "1_e1", "1e_1", "1e1_", "1e1__0", "\u{661}", "1e1.5",
            ],
        );
    }

    #[test]
    fn a_hexadecimal_needs_its_exponent() {
        check(
            is_number,
            &[
                "0x1p-2",
                "0X1P+2",
                "-0xAb.cDp0",
                "0x.8p1",
                "0x8.p1",
                "0x_1p0",
                "0x1_0p1_0",
                "0x0p99999",
                "0x1p-99999",
                "0x0.00_01p1",
            ],
            &[
                "0x", "0x10", "0x1F", "0xp1", "0x.p1", "0x1p", "0x1pf", "0xg", "0x1e1", "0x1__0p1",
                "0x1_p1", "0x1p_1", "0x1p1e1", "x1p1", "00x1p1", "0x1.p1.0",
            ],
        );
    }

    #[test]
    fn infinite_and_no_number_are_numbers_in_any_case() {
        check(
            is_number,
            &[
                "inf",
                "Inf",
                "+INF",
                "-infinity",
                "Infinity",
                "nan",
                "NaN",
                "NAN",
            ],
            &["+nan", "-NaN", "infi", "infinityy", "in", "nan0"],
        );
    }

    #[test]
    fn a_number_out_of_range_is_none_and_one_too_small_is_nought() {
        let digits = "0".repeat(20_000);
        check(
            is_number,
            &[
                "1.7976931348623157e308",
                "1.7976931348623158e308",
                "1e-400",
                "0x1p1023",
                "0x1.fffffffffffff7p1023",
                "0x1.fffffffffffff7fffffffffp1023",
                "0x0.0001p1039",
                "0xf.ffffffffffffbp1020",
                "0x1000000000000000000000p939",
                &format!("0.{digits}1e100000"),
                &format!("0x.{digits}1p2"),
            ],
            &[
                "1.7976931348623159e308",
                "1e400",
                "1e309",
                "-1e99999",
                "0x1p1024",
                "0x1.fffffffffffff8p1023",
                "0x1.fffffffffffff8000001p1023",
                "0x0.0001p1040",
                "0xf.ffffffffffffcp1020",
                "0x1000000000000000000000p940",
                // Go stops counting at the exponent's fifth digit.
                &format!("1{digits}e-100000"),
                &format!("1{digits}"),
            ],
        );
    }

    #[test]
    fn a_list_is_a_json_array_of_strings_and_nulls() {
        assert_eq!(elements(r#" ["a", null] "#).unwrap(), ["a", ""]);
        assert_eq!(elements("null").unwrap(), [""; 0]);
        for text in ["", "a", "[1]", "{}", "[\"a\"]]", "[[]]", "[\"a\nb\"]"] {
            assert_eq!(elements(text), None, "{text:?}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_one_replacement_character() {
        let text = r#"["\ud800", "a\udfffb\ud800\ud801", "\ud800\u0041", "\ud83d\ude00é"]"#;
        assert_eq!(
            elements(text).unwrap(),
            [
                "\u{fffd}",
                "a\u{fffd}b\u{fffd}\u{fffd}",
                "\u{fffd}A",
                "\u{1f600}é"
            ]
        );
    }
}
