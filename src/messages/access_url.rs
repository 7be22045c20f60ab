//! The product's own address, as its messages show it.
//!
//! An operator sets it as the product has it. The product parses it into Go's URL type and
//! puts into messages what that type prints: the scheme in lower case, bytes that may not
//! stand in a URL escaped, a `/` at the end left there. So both sides write the same text,
//! and a message that the product has queued already is known as one.
//!
//! Refused is what Go refuses, what the product refuses (another scheme than http and https),
//! what names no host, and what would break the JSON text that it is put into.

use std::fmt;
use std::net::Ipv6Addr;

use thiserror::Error;

/// An address, as it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUrl(String);

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// It has a control character.
    #[error("it has a control character")]
    Control,
    /// It begins with neither `http://` nor `https://`.
    #[error("it does not begin with http:// or https://")]
    Scheme,
    /// What stands before `@` has a character that no user has.
    #[error("what stands before the @ is no user with or without a password")]
    User,
    /// There is no host.
    #[error("it has no host")]
    NoHost,
    /// The host has a character that no host has.
    #[error("its host has a character that may not stand there")]
    Host,
    /// What stands in brackets is no IPv6 address.
    #[error("its host is no IPv6 address, though it begins with a bracket")]
    Ipv6,
    /// What stands after the colon is no number.
    #[error("its port is no number")]
    Port,
    /// A `%` without two hexadecimal digits, or one that may not stand there.
    #[error(
        "it has a % that no two hexadecimal digits follow, or one in a place where none may be"
    )]
    Escape,
    /// Printed, it still has a quote or a backslash.
    #[error("it has a quote or a backslash, which would break the message that it is put into")]
    Json,
}

impl AccessUrl {
    /// Reads an address.
    ///
    /// ```
    /// use workspace_autobuild::messages::access_url::AccessUrl;
    ///
    /// let printed = |text| AccessUrl::parse(text).map(|url| url.to_string());
    /// assert_eq!(printed("HTTPS://exämple.com/"), Ok("https://ex%C3%A4mple.com/".to_owned()));
    /// assert!(printed("coder.example.com").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<AccessUrl, Refused> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(Refused::Control);
        }
        let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (scheme, rest) = text.split_once("://").ok_or(Refused::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return Err(Refused::Scheme);
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let path_begins = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_begins);
        let mut printed = format!("{scheme}://{}{}", self::authority(authority)?, {
            encoded(path, Place::Path)?
        });
        if let Some(query) = query {
            printed.push('?');
            printed.push_str(query);
        }
        if !fragment.is_empty() {
            printed.push('#');
            printed.push_str(&encoded(fragment, Place::Fragment)?);
        }
        if printed.contains(['"', '\\']) {
            return Err(Refused::Json);
        }
        Ok(AccessUrl(printed))
    }

    /// As it is put into a message.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place in a URL; each has its own bytes that need no escape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    User,
    Host,
    Zone,
    Path,
    Fragment,
}

impl Place {
    /// Does the byte stand here as it is?
    fn shows(self, byte: u8) -> bool {
        if byte.is_ascii_alphanumeric() {
            return true;
        }
        match byte {
            b'-' | b'_' | b'.' | b'~' => true,
            b'$' | b'&' | b'+' | b',' | b';' | b'=' => true,
            b':' => self != Place::User,
            b'/' => matches!(self, Place::Path | Place::Fragment),
            b'@' => matches!(self, Place::Path | Place::Fragment),
            b'?' => self == Place::Fragment,
            b'!' | b'(' | b')' | b'*' => {
                matches!(self, Place::Host | Place::Zone | Place::Fragment)
            }
            b'\'' | b'[' | b']' | b'<' | b'>' | b'"' => matches!(self, Place::Host | Place::Zone),
            _ => false,
        }
    }
}

/// User, host and port.
fn authority(text: &str) -> Result<String, Refused> {
    let Some((user, host)) = text.rsplit_once('@') else {
        return self::host(text);
    };
    let may_stand =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !user.bytes().all(may_stand) {
        return Err(Refused::User);
    }
    let (name, password) = match user.split_once(':') {
        Some((name, password)) => (name, Some(password)),
        None => (user, None),
    };
    let mut printed = escape(&unescape(name, Place::User)?, Place::User);
    if let Some(password) = password {
        printed.push(':');
        printed.push_str(&escape(&unescape(password, Place::User)?, Place::User));
    }
    Ok(format!("{printed}@{}", self::host(host)?))
}

/// Host and port.
fn host(text: &str) -> Result<String, Refused> {
    let name_ends = match text.rfind(']') {
        Some(end) if text.starts_with('[') => end + 1,
        _ if text.starts_with('[') => return Err(Refused::Ipv6),
        _ => text.rfind(':').unwrap_or(text.len()),
    };
    let (name, port) = text.split_at(name_ends);
    let digits = port.strip_prefix(':').unwrap_or_default();
    let of_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !of_digits || (!port.is_empty() && !port.starts_with(':')) {
        return Err(Refused::Port);
    }
    let bytes = match name.strip_prefix('[') {
        Some(inner) => in_brackets(inner.strip_suffix(']').unwrap_or(inner))?,
        None if name.is_empty() => return Err(Refused::NoHost),
        None if name.contains(':') => return Err(Refused::Host),
        None => unescape(name, Place::Host)?,
    };
    Ok(format!("{}{port}", escape(&bytes, Place::Host)))
}

/// An IPv6 address, with its brackets, and its zone where it has one.
fn in_brackets(text: &str) -> Result<Vec<u8>, Refused> {
    let (address, zone) = match text.find("%25") {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    address.parse::<Ipv6Addr>().map_err(|_| Refused::Ipv6)?;
    let zone = unescape(zone, Place::Zone)?;
    Ok([b"[", address.as_bytes(), &zone, b"]"].concat())
}

/// As it was written where that may stand so, else with what must be escaped escaped.
fn encoded(text: &str, place: Place) -> Result<String, Refused> {
    let bytes = unescape(text, place)?;
    let may_stand = |byte: u8| place.shows(byte) || b"!$&'()*+,;=:@[]%".contains(&byte);
    if text.bytes().all(may_stand) {
        return Ok(text.to_owned());
    }
    Ok(escape(&bytes, place))
}

fn escape(bytes: &[u8], place: Place) -> String {
    let mut text = String::new();
    for &byte in bytes {
        if place.shows(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn unescape(text: &str, place: Place) -> Result<Vec<u8>, Refused> {
    let of_host = matches!(place, Place::Host | Place::Zone);
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first != b'%' {
            if of_host && first.is_ascii() && !place.shows(*first) {
                return Err(Refused::Host);
            }
            bytes.push(*first);
            rest = after;
            continue;
        }
        let [high, low, after @ ..] = after else {
            return Err(Refused::Escape);
        };
        let byte = hex(*high)? << 4 | hex(*low)?;
        // In a host only what is no ASCII may be escaped, and the % itself; in a zone a
        // blank, too, and what needs no escape.
        let may_stand = match place {
            Place::Host => !byte.is_ascii() || byte == b'%',
            Place::Zone => byte == b'%' || byte == b' ' || place.shows(byte),
            Place::User | Place::Path | Place::Fragment => true,
        };
        if !may_stand {
            return Err(Refused::Escape);
        }
        bytes.push(byte);
        rest = after;
    }
    Ok(bytes)
}

fn hex(digit: u8) -> Result<u8, Refused> {
    let value = char::from(digit).to_digit(16).ok_or(Refused::Escape)?;
    u8::try_from(value).map_err(|_| Refused::Escape)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> Refused {
        AccessUrl::parse(text).expect_err(text)
    }

    /// Go 1.19 answered; what we refuse and it doesn't is in the tests below.
    #[test]
    fn an_address_is_printed_or_refused_as_gos_url_type_does() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/access_urls.csv");
        let mut reader = csv::Reader::from_path(path).unwrap();
        let (mut count, mut wrong) = (0, Vec::new());
        for record in reader.records() {
            let record = record.unwrap();
            let (given, due) = (&record[0], &record[1]);
            let answer = match AccessUrl::parse(given) {
                Ok(url) => url.to_string(),
                Err(_) => "refused".to_owned(),
            };
            count += 1;
            if answer != due {
                wrong.push(format!("{given}: {answer}, due {due}"));
            }
        }
        assert!(
            wrong.is_empty(),
            "{} wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        assert_eq!(count, 542);
    }

    #[test]
    fn another_scheme_than_http_and_https_is_refused_as_by_the_product() {
        for text in [
            "",
            "*",
            "https",
            "https:",
            "https:path",
            "https:/path",
            "/path",
            "//example.com",
            "coder.example.com",
            "coder.example.com:3000",
            "ftp://example.com",
            "ws://example.com",
            "1https://example.com",
            " https://example.com",
            "h\u{e9}://example.com",
        ] {
            assert_eq!(refused(text), Refused::Scheme, "{text}");
        }
    }

    #[test]
    fn an_address_without_a_host_is_refused() {
        for text in [
            "https://",
            "https:///path",
            "https://?a",
            "https://#a",
            "https://:8080",
            "https://@",
            "https://ada@/path",
        ] {
            assert_eq!(refused(text), Refused::NoHost, "{text}");
        }
    }

    #[test]
    fn what_would_break_the_json_text_of_a_message_is_refused() {
        for text in [
            "https://a\"b.example.com",
            "https://example.com/?a=\"b\"",
            "https://example.com/?a=\\u0041",
        ] {
            assert_eq!(refused(text), Refused::Json, "{text}");
        }
        for text in [
            "https://example.com\n",
            "https://exam\0ple.com",
            "https://a/\u{7f}",
        ] {
            assert_eq!(refused(text), Refused::Control, "{text:?}");
        }
        // Escaped it breaks nothing.
        let url = AccessUrl::parse("https://example.com/\"\\").unwrap();
        assert_eq!(url.as_str(), "https://example.com/%22%5C");
    }

    #[test]
    fn brackets_hold_an_ipv6_address_and_nothing_else_has_two_colons() {
        assert_eq!(refused("https://[127.0.0.1]"), Refused::Ipv6);
        assert_eq!(refused("https://[example.com]"), Refused::Ipv6);
        assert_eq!(refused("https://[::1"), Refused::Ipv6);
        assert_eq!(refused("https://::1/"), Refused::Host);
    }

    proptest! {
        #[test]
        fn whatever_is_printed_is_printed_so_again_and_stands_in_json_as_it_is(
            text in "(https://|http://|https://x|https://x/|https://x[?]|https://\\[::1)?\\PC{0,12}"
        ) {
            if let Ok(url) = AccessUrl::parse(&text) {
                prop_assert_eq!(AccessUrl::parse(url.as_str()), Ok(url.clone()));
                let json = format!("\"{url}\"");
                let read: String = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(read, url.as_str());
            }
        }
    }
}
