//! The lines of an iCalendar text: unfolded, and taken apart into name, parameters and value
//! (RFC 5545, 3.1).

use super::error::{CalendarError, Fault};

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it begins in the text, from 1 on.
    pub number: usize,
    /// In upper case.
    pub name: String,
    /// Names in upper case, values without their quotes.
    parameters: Vec<(String, String)>,
    pub value: String,
}

impl Line {
    /// The value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A fault of this line.
    pub(super) fn fault(&self, fault: Fault) -> CalendarError {
        let seen = format!("{}:{}", self.name, self.value);
        CalendarError::new(self.number, &seen, fault)
    }

    fn read(number: usize, text: &str) -> Result<Line, CalendarError> {
        let fault = || CalendarError::new(number, text, Fault::NotALine);
        let is_name = |name: &str| {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            !name.is_empty() && name.bytes().all(allowed)
        };
        let split = |text: &'_ str, at: &[char]| text.find(at).ok_or_else(fault);
        let (name, mut rest) = text.split_at(split(text, &[':', ';'])?);
        let mut parameters = Vec::new();
        while let Some(parameter) = rest.strip_prefix(';') {
            let (name, mut values) = parameter.split_once('=').ok_or_else(fault)?;
            if !is_name(name) {
                return Err(fault());
            }
            let mut value = String::new();
            loop {
                if let Some(quoted) = values.strip_prefix('"') {
                    let (inside, after) = quoted.split_once('"').ok_or_else(fault)?;
                    value.push_str(inside);
                    values = after;
                } else {
                    let (plain, after) = values.split_at(split(values, &[':', ';', ',', '"'])?);
                    value.push_str(plain);
                    values = after;
                }
                match values.strip_prefix(',') {
                    Some(after) => values = after,
                    None => break,
                }
                value.push(',');
            }
            parameters.push((name.to_ascii_uppercase(), value));
            rest = values;
        }
        let value = rest.strip_prefix(':').filter(|_| is_name(name));
        Ok(Line {
            number,
            name: name.to_ascii_uppercase(),
            parameters,
            value: value.ok_or_else(fault)?.to_owned(),
        })
    }
}

/// The lines of a text, in order. Empty ones are passed over.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Result<Line, CalendarError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let physical = text.split('\n').zip(1..);
    let physical = physical.map(|(line, number)| (line.strip_suffix('\r').unwrap_or(line), number));
    let mut physical = physical.peekable();
    std::iter::from_fn(move || {
        let (first, number) = physical.find(|(line, _)| !line.is_empty())?;
        let mut whole = first.to_owned();
        let folded = |line: &str| line.starts_with([' ', '\t']);
        while let Some((more, _)) = physical.next_if(|(line, _)| folded(line)) {
            whole.extend(more.chars().skip(1));
        }
        Some(Line::read(number, &whole))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, String, String)> {
        let lines = lines(text).map(Result::unwrap);
        lines
            .map(|line| (line.number, line.name, line.value))
            .collect()
    }

    fn line(number: usize, name: &str, value: &str) -> (usize, String, String) {
        (number, name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_folded_line_is_one_and_has_the_number_of_its_first() {
        assert_eq!(
            read("\u{feff}BEGIN:A\r\nsummary:Neu\r\n jahr \r\n\t x\r\n\r\nEND:A"),
            [
                line(1, "BEGIN", "A"),
                line(2, "SUMMARY", "Neujahr  x"),
                line(6, "END", "A")
            ]
        );
        assert_eq!(read("A:1\n\nB:"), [line(1, "A", "1"), line(3, "B", "")]);
        assert_eq!(read(""), []);
    }

    #[test]
    fn parameters_are_plain_or_quoted_and_may_hold_what_else_ends_them() {
        let text = "DTSTART;TZID=\"Europe/Ber:lin;\";X-A=a,\"b:c\";value=DATE:2026:1;2";
        let line = lines(text).next().unwrap().unwrap();
        assert_eq!(line.parameter("TZID"), Some("Europe/Ber:lin;"));
        assert_eq!(line.parameter("X-A"), Some("a,b:c"));
        assert_eq!(line.parameter("VALUE"), Some("DATE"));
        assert_eq!(line.parameter("TZ"), None);
        assert_eq!(line.value, "2026:1;2");
    }

    #[test]
    fn what_is_no_line_is_refused_with_its_number() {
        for text in [
            "A",
            ":1",
            "A B:1",
            "A;B:1",
            "A;B=\"c:1",
            "A;=c:1",
            "A;B=c",
            " A:1",
            "A;B=\"c\"d:1",
        ] {
            let error = lines(&format!("X:1\n\n{text}")).last().unwrap();
            let error = error.unwrap_err();
            assert_eq!(
                (error.line, error.fault),
                (Some(3), Fault::NotALine),
                "{text}"
            );
        }
    }
}
