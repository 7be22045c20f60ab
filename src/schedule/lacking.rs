//! Zones that the server has no file of, in words: which, and what mends it.

use super::files::{Found, Source};
use super::iana;

/// How many names a sentence has; the others are counted.
const NAMED: usize = 5;

/// Who keeps the server's zone files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// PostgreSQL itself, in this folder.
    Server(String),
    /// The system's packages.
    System,
}

/// Does the system keep most links in a package of their own, `tzdata-legacy`? As its
/// os-release says.
pub fn has_legacy_package(os_release: &str) -> bool {
    let field = |wanted: &str| {
        let mut lines = os_release.lines().filter_map(|line| line.split_once('='));
        let value = lines.find(|(name, _)| *name == wanted).map(|(_, v)| v);
        value.map(|value| value.trim_matches(['"', '\'']))
    };
    let first = match field("ID") {
        Some("debian") => 13,
        Some("ubuntu") => 24,
        _ => return false,
    };
    // Debian's releases to come have no number yet.
    let major = field("VERSION_ID").and_then(|version| version.split('.').next());
    major.is_none_or(|major| major.parse::<u32>().is_ok_and(|major| major >= first))
}

/// What is wrong with the files of these zones and what to do about it; none where each was
/// taken from a file of its own.
pub fn problem<'a>(
    zones: impl IntoIterator<Item = (&'a str, &'a Found)>,
    keeper: &Keeper,
    os_release: &str,
) -> Option<String> {
    let (mut links, mut others, mut broken) = (Vec::new(), Vec::new(), Vec::new());
    for (name, found) in zones {
        match (&found.fault, found.source) {
            (Some(fault), _) => broken.push(format!("{name} ({fault})")),
            (None, Source::File) => {}
            (None, Source::Target(target)) => links.push(format!("{name} ({target})")),
            // The zone that it is a link to may be lacking, too.
            (None, Source::Bundled) => others.push(name.to_owned()),
        }
    }
    let own = |package: &str| match keeper {
        Keeper::System => format!("the package {package}"),
        Keeper::Server(folder) => format!(
            "the latest minor release of this PostgreSQL, or copy the files of the package \
             {package} into {folder}"
        ),
    };
    let legacy = if has_legacy_package(os_release) {
        "tzdata-legacy"
    } else {
        "tzdata"
    };
    let bundled = format!(
        "the zone data of this extension (release {})",
        iana::release()
    );
    let sentences = [
        (!links.is_empty()).then(|| {
            format!(
                "the server has no file of {}, which schedules name: the zones in parentheses, \
                 of which they are other names, stand in; install {}",
                counted(&links),
                own(legacy)
            )
        }),
        (!others.is_empty()).then(|| {
            format!(
                "the server has no file of {}, which schedules name: {bundled} stands in; \
                 install or upgrade to {}",
                counted(&others),
                own("tzdata")
            )
        }),
        (!broken.is_empty()).then(|| {
            format!(
                "the server's file of {} can't be read, and schedules name it: {bundled} or the \
                 zone of which it is another name stands in; reinstall {}",
                counted(&broken),
                own("tzdata")
            )
        }),
    ];
    let sentences: Vec<String> = sentences.into_iter().flatten().collect();
    (!sentences.is_empty()).then(|| sentences.join("; "))
}

/// The first names, and how many there are beside them.
fn counted(names: &[String]) -> String {
    let zones = if names.len() == 1 {
        "time zone"
    } else {
        "time zones"
    };
    let (first, rest) = names.split_at(names.len().min(NAMED));
    let more = match rest.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("the {zones} {}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::tzif::TzifZone;
    use super::*;

    const TRIXIE: &str =
        "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nVERSION_ID=\"13\"\nID=debian";
    const BOOKWORM: &str = "VERSION_ID=\"12\"\nID=debian";

    fn found(name: &str, source: Source, fault: Option<&str>) -> (String, Found) {
        let zone = TzifZone::read(iana::data(name).unwrap()).unwrap();
        let fault = fault.map(str::to_owned);
        let found = Found {
            zone,
            source,
            fault,
        };
        (name.to_owned(), found)
    }

    fn say(zones: &[(String, Found)], keeper: &Keeper, os_release: &str) -> Option<String> {
        let zones = zones.iter().map(|(name, found)| (name.as_str(), found));
        problem(zones, keeper, os_release)
    }

    #[test]
    fn the_package_of_links_is_named_where_there_is_one() {
        for (os_release, legacy) in [
            (TRIXIE, true),
            (BOOKWORM, false),
            ("ID=debian", true),
            ("ID=ubuntu\nVERSION_ID=\"24.04\"", true),
            ("ID=ubuntu\nVERSION_ID=\"22.04\"", false),
            ("ID=alpine\nVERSION_ID=3.22.1", false),
            ("", false),
        ] {
            assert_eq!(has_legacy_package(os_release), legacy, "{os_release}");
        }
    }

    #[test]
    fn what_the_server_has_is_no_problem() {
        let zones = [found("Europe/Berlin", Source::File, None)];
        assert_eq!(say(&zones, &Keeper::System, TRIXIE), None);
        assert_eq!(say(&[], &Keeper::System, TRIXIE), None);
    }

    #[test]
    fn zones_are_named_with_what_stands_in_and_the_package() {
        let zones = [
            found("US/Central", Source::Target("America/Chicago"), None),
            found("Europe/Berlin", Source::File, None),
            found("Asia/Tokyo", Source::Bundled, None),
        ];
        let said = say(&zones, &Keeper::System, TRIXIE).unwrap();
        let links = "the server has no file of the time zone US/Central (America/Chicago), which \
                     schedules name: the zones in parentheses, of which they are other names, \
                     stand in; install the package tzdata-legacy; ";
        assert!(said.starts_with(links), "{said}");
        assert!(said.contains("time zone Asia/Tokyo, which"), "{said}");
        assert!(said.ends_with("upgrade to the package tzdata"), "{said}");
        let said = say(&zones, &Keeper::System, BOOKWORM).unwrap();
        assert!(!said.contains("legacy"), "{said}");
        let own = Keeper::Server("/opt/pg/share/timezone".to_owned());
        let said = say(&zones, &own, BOOKWORM).unwrap();
        assert!(said.contains("into /opt/pg/share/timezone"), "{said}");
    }

    #[test]
    fn many_zones_are_counted() {
        let links = iana::names().filter(|name| iana::target(name).is_some());
        let zones: Vec<_> = links
            .map(|name| found(name, Source::Target("Etc/UTC"), None))
            .collect();
        let said = say(&zones, &Keeper::System, TRIXIE).unwrap();
        assert!(said.contains(" and 248 more, which"), "{said}");
        assert!(said.len() < 400, "{said}");
    }

    #[test]
    fn a_broken_file_is_named_with_what_is_wrong() {
        let zones = [found("Europe/Berlin", Source::Bundled, Some("it is empty"))];
        let said = say(&zones, &Keeper::System, TRIXIE).unwrap();
        assert!(
            said.contains("Europe/Berlin (it is empty) can't be read"),
            "{said}"
        );
        assert!(said.ends_with("reinstall the package tzdata"), "{said}");
    }
}
