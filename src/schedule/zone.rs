//! What a schedule asks of a time zone: which offset holds now and for how long.
//!
//! The database itself is an argument, so that a server can use its own and tests a
//! fixed one. What can be said of a name without a database is said here: the names
//! that a server knows beyond IANA's are refused before any source is asked.

/// A stretch of time during which a zone's offset is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Seconds east of UTC.
    pub offset: i32,
    /// Unix seconds: the first instant at which the offset may differ. None: it
    /// never does again.
    pub until: Option<i64>,
}

/// The offsets of one time zone.
pub trait Zone {
    /// The offset at an instant and how long it is known to hold.
    fn span_at(&self, unix_seconds: i64) -> Span;

    /// Unix seconds: an instant not later than this one, from which on its offset is known to
    /// have held; the earliest that the zone can name. None: it always did.
    fn since(&self, unix_seconds: i64) -> Option<i64>;
}

/// A time zone database.
///
/// ```
/// use workspace_autobuild::schedule::{Span, Zone, ZoneSource};
///
/// /// One hour east of UTC, always.
/// struct Fixed;
///
/// impl Zone for Fixed {
///     fn span_at(&self, _unix_seconds: i64) -> Span {
///         Span { offset: 3600, until: None }
///     }
///
///     fn since(&self, _unix_seconds: i64) -> Option<i64> {
///         None
///     }
/// }
///
/// impl ZoneSource for Fixed {
///     type Zone = Fixed;
///
///     fn zone(&self, name: &str) -> Option<Fixed> {
///         (name == "Etc/GMT-1").then_some(Fixed)
///     }
/// }
///
/// assert!(Fixed.zone("etc/gmt-1").is_none()); // names are spelled exactly so
/// ```
pub trait ZoneSource {
    /// What the database knows of one zone.
    type Zone: Zone;

    /// The zone of an IANA name or link, spelled exactly so; none for other names.
    fn zone(&self, name: &str) -> Option<Self::Zone>;

    /// Whether a zone that was found earlier is what would be found now.
    fn is_current(&self, _zone: &Self::Zone) -> bool {
        true
    }
}

/// The zone of an IANA name or link. What else a source would find is not asked for.
pub fn find_zone<S: ZoneSource>(name: &str, zones: &S) -> Option<S::Zone> {
    may_be_iana_name(name).then(|| zones.zone(name)).flatten()
}

/// The longest name that PostgreSQL looks up; IANA's are far shorter.
const LONGEST_NAME: usize = 255;

/// IANA names that read as POSIX rules too.
const IANA_NAMES_IN_POSIX_FORM: [&str; 7] = [
    "CST6CDT", "EST5EDT", "GMT+0", "GMT-0", "GMT0", "MST7MDT", "PST8PDT",
];

/// Whether a name could be one of IANA's. It is not where it holds a character or a
/// path that no IANA name has, where it belongs to what systems add (`posix/`,
/// `right/`, `localtime`, ...), and where it is a POSIX rule (`EST5`, `UTC+3`), which
/// a server's look-up would compute instead of look up.
pub(super) fn may_be_iana_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+-./".contains(&b);
    if name.len() > LONGEST_NAME || !name.bytes().all(allowed) {
        return false;
    }
    if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return false;
    }
    // A server's look-up doesn't mind the case, hence not here either.
    let is_any = |part: &str, of: &[&str]| of.iter().any(|o| part.eq_ignore_ascii_case(o));
    let first = name.split('/').next().unwrap_or(name);
    if is_any(first, &["posix", "right", "SystemV"])
        || is_any(name, &["posixrules", "localtime", "Local"])
    {
        return false;
    }
    // A look-up turns a POSIX rule to upper case, so one in mixed case can't pass as
    // spelled exactly; and a rule has an offset, so a digit.
    let in_posix_form =
        name.bytes().any(|b| b.is_ascii_digit()) && !name.bytes().any(|b| b.is_ascii_lowercase());
    !in_posix_form || IANA_NAMES_IN_POSIX_FORM.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::may_be_iana_name;

    #[test]
    fn names_and_links_of_iana_pass() {
        for name in [
            "UTC",
            "GB-Eire",
            "EST",
            "EST5EDT",
            "GMT+0",
            "GMT-0",
            "GMT0",
            "Etc/GMT+5",
            "Etc/GMT-14",
            "America/Argentina/Buenos_Aires",
            "America/Port-au-Prince",
            "W-SU",
        ] {
            assert!(may_be_iana_name(name), "{name}");
        }
    }

    #[test]
    fn what_systems_add_to_ianas_names_is_refused_in_any_case() {
        for name in [
            "posix/UTC",
            "Posix/Europe/Rome",
            "right/UTC",
            "RIGHT/UTC",
            "posixrules",
            "localtime",
            "LocalTime",
            "Local",
            "SystemV/EST5EDT",
            "posix",
            "right",
        ] {
            assert!(!may_be_iana_name(name), "{name}");
        }
    }

    #[test]
    fn posix_rules_are_refused() {
        for name in [
            "EST5",
            "UTC+3",
            "UTC-5",
            "GMT+5",
            "XYZ-3",
            "FOO5BAR",
            "+05:00",
            "+0530",
            "-5",
            "<+05>-5",
            "EST5EDT,M3.2.0,M11.1.0",
            "ETC/GMT+15",
            "GMT+00",
        ] {
            assert!(!may_be_iana_name(name), "{name}");
        }
    }

    #[test]
    fn paths_are_refused() {
        let long = "A".repeat(256);
        for name in [
            "",
            "/UTC",
            "UTC/",
            "US//Central",
            "../UTC",
            "America/../UTC",
            "./UTC",
            "America\\New_York",
            ":UTC",
            "US/Central\t",
            "Amérique/Paris",
            "US\0Central",
            &long,
        ] {
            assert!(!may_be_iana_name(name), "{name:?}");
        }
    }
}
