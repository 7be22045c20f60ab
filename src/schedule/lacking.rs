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
    let has_legacy = has_legacy_package(os_release);
    let (mut legacy, mut others, mut broken) = (Vec::new(), Vec::new(), Vec::new());
    for (name, found) in zones {
        let stands_in = match found.source {
            Source::File => continue,
            Source::Target(target) => format!("{target} stands in"),
            Source::Bundled => {
                format!("this extension's zone data {} stands in", iana::release())
            }
        };
        if let Some(fault) = &found.fault {
            broken.push(format!("{name} ({fault}; {stands_in})"));
        } else if has_legacy && is_legacy(name) {
            legacy.push(format!("{name} ({stands_in})"));
        } else {
            others.push(format!("{name} ({stands_in})"));
        }
    }
    let missing = "time zones that schedules name have no file on the server";
    let unreadable = "the server's files of time zones that schedules name can't be read";
    let sentences = [
        (legacy, missing, "install", "tzdata-legacy"),
        (others, missing, "install or upgrade", "tzdata"),
        (broken, unreadable, "reinstall", "tzdata"),
    ];
    let sentences = sentences
        .into_iter()
        .filter(|(zones, ..)| !zones.is_empty());
    let sentences: Vec<String> = sentences
        .map(|(zones, what, install, package)| {
            let advice = match keeper {
                Keeper::System => format!("{install} the package {package}"),
                Keeper::Server(folder) => format!(
                    "install the latest minor release of this PostgreSQL, or copy the files of \
                     the package {package} into {folder}"
                ),
            };
            format!("{what}: {}; {advice}", counted(&zones))
        })
        .collect();
    (!sentences.is_empty()).then(|| sentences.join("; "))
}

/// Is it in the package `tzdata-legacy`, where there is one? Most links are.
fn is_legacy(name: &str) -> bool {
    /// These are no links of IANA's.
    const ZONES: [&str; 4] = ["CST6CDT", "EST5EDT", "MST7MDT", "PST8PDT"];
    iana::target(name).is_some() || ZONES.contains(&name)
}

/// The first names, and how many there are beside them.
fn counted(zones: &[String]) -> String {
    let (first, rest) = zones.split_at(zones.len().min(NAMED));
    let more = match rest.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", first.join(", "))
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
            found("EST5EDT", Source::Bundled, None),
            found("Asia/Tokyo", Source::Bundled, None),
        ];
        let bundled = format!("this extension's zone data {} stands in", iana::release());
        assert_eq!(
            say(&zones, &Keeper::System, TRIXIE).unwrap(),
            format!(
                "time zones that schedules name have no file on the server: US/Central \
                 (America/Chicago stands in), EST5EDT ({bundled}); install the package \
                 tzdata-legacy; time zones that schedules name have no file on the server: \
                 Asia/Tokyo ({bundled}); install or upgrade the package tzdata"
            )
        );
        let said = say(&zones, &Keeper::System, BOOKWORM).unwrap();
        assert!(!said.contains("legacy"), "{said}");
        let own = Keeper::Server("/opt/pg/share/timezone".to_owned());
        let said = say(&zones, &own, BOOKWORM).unwrap();
        assert!(said.ends_with("into /opt/pg/share/timezone"), "{said}");
    }

    /// As the package has them in Debian 13.
    #[test]
    fn what_the_legacy_package_has_is_advised_to_be_had_from_there() {
        let package = include_str!("../../tests/data/tzdata-legacy.txt");
        let names: Vec<&str> = package.lines().skip(1).collect();
        assert_eq!(names.len(), 113);
        for name in names {
            assert!(iana::is_name(name) && is_legacy(name), "{name}");
        }
        assert!(!is_legacy("Europe/Berlin") && !is_legacy("Factory"));
    }

    #[test]
    fn many_zones_are_counted() {
        let links = iana::names().filter(|name| iana::target(name).is_some());
        let zones: Vec<_> = links
            .map(|name| found(name, Source::Target("Etc/UTC"), None))
            .collect();
        let said = say(&zones, &Keeper::System, TRIXIE).unwrap();
        assert!(said.contains(" and 248 more; install"), "{said}");
        assert!(said.len() < 400, "{said}");
    }

    #[test]
    fn a_broken_file_is_named_with_what_is_wrong() {
        let zones = [found("Europe/Berlin", Source::Bundled, Some("it is empty"))];
        let said = say(&zones, &Keeper::System, TRIXIE).unwrap();
        assert!(
            said.contains("Europe/Berlin (it is empty; this ext"),
            "{said}"
        );
        assert!(said.ends_with("reinstall the package tzdata"), "{said}");
    }
}
