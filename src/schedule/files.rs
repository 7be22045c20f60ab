//! From a name to a zone: by the server's own file of it, else by the server's file of the
//! zone that it is a link to, else by the data that is bundled.
//!
//! A file is never trusted to be whole: one that can't be read counts as one that isn't
//! there, and the answer says so. A name that isn't IANA's (they add some) is taken if the
//! server has a zone file of exactly that name.

use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use super::iana;
use super::tzif::TzifZone;
use super::zone::{ZoneSource, may_be_iana_name};

/// No zone file is nearly as long; what is longer is not read.
const LONGEST_FILE: u64 = 1 << 18;

/// A folder of zone files.
pub trait ZoneFiles {
    /// The file of a name that is spelled exactly so.
    fn open(&self, name: &str) -> Option<File>;
}

/// No file at all: every zone is as it is bundled, the same on every machine.
#[derive(Clone, Copy, Debug)]
pub struct Bundled;

impl ZoneFiles for Bundled {
    fn open(&self, _name: &str) -> Option<File> {
        None
    }
}

impl ZoneSource for Bundled {
    type Zone = TzifZone;

    fn zone(&self, name: &str) -> Option<TzifZone> {
        Look::new(name, self).read().map(|found| found.zone)
    }
}

/// Where a zone was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The server's file of this name.
    File,
    /// The server's file of the zone that the name is a link to.
    Target(&'static str),
    /// What is bundled.
    Bundled,
}

/// A zone that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The zone.
    pub zone: TzifZone,
    /// Where it is from.
    pub source: Source,
    /// Why the server's own file of the name could not be used, where it has one.
    pub fault: Option<String>,
}

/// The files in which a zone is looked for, opened.
#[derive(Debug)]
pub struct Look<'a> {
    name: &'a str,
    own: Option<(File, Metadata)>,
    target: Option<(&'static str, Option<(File, Metadata)>)>,
}

impl<'a> Look<'a> {
    /// Opens them.
    pub fn new(name: &'a str, files: &impl ZoneFiles) -> Look<'a> {
        // What no name of a zone can be is not even opened: a path, a pipe.
        let open = |name: &str| {
            if !may_be_iana_name(name) {
                return None;
            }
            let file = files.open(name)?;
            let metadata = file.metadata().ok()?;
            metadata.is_file().then_some((file, metadata))
        };
        Look {
            name,
            own: open(name),
            target: iana::target(name).map(|target| (target, open(target))),
        }
    }

    /// A number that changes when any of the files does, comes or goes.
    pub fn print(&self) -> i64 {
        let target = self.target.as_ref().and_then(|(_, file)| file.as_ref());
        let mut hasher = DefaultHasher::new();
        self.name.hash(&mut hasher);
        for file in [self.own.as_ref(), target] {
            let stat = file.map(|(_, stat)| {
                let changed = (stat.ctime(), stat.ctime_nsec());
                let written = (stat.mtime(), stat.mtime_nsec());
                (stat.dev(), stat.ino(), stat.size(), written, changed)
            });
            stat.hash(&mut hasher);
        }
        hasher.finish().cast_signed()
    }

    /// Reads the zone; none for a name that is no zone's.
    pub fn read(self) -> Option<Found> {
        let mut fault = None;
        if let Some((file, _)) = self.own {
            match read(file) {
                Ok(zone) => {
                    return Some(Found {
                        zone,
                        source: Source::File,
                        fault: None,
                    });
                }
                Err(error) => fault = Some(error),
            }
        }
        // From here on for names that are known, whatever the folder has beside them.
        let bundled = iana::data(self.name)?;
        if let Some((target, Some((file, _)))) = self.target
            && let Ok(zone) = read(file)
        {
            return Some(Found {
                zone,
                source: Source::Target(target),
                fault,
            });
        }
        let zone = TzifZone::read(bundled).ok()?;
        Some(Found {
            zone,
            source: Source::Bundled,
            fault,
        })
    }
}

fn read(file: File) -> Result<TzifZone, String> {
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(format!("it is longer than {LONGEST_FILE} bytes"));
    }
    TzifZone::read(&bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::zone::Zone;
    use super::*;

    /// A folder of the test's own.
    struct Folder(tempfile::TempDir);

    impl ZoneFiles for Folder {
        fn open(&self, name: &str) -> Option<File> {
            File::open(self.0.path().join(name)).ok()
        }
    }

    impl Folder {
        /// With files of these names, as they are bundled.
        fn with(names: impl Iterator<Item = &'static str>) -> Folder {
            let folder = Folder(tempfile::tempdir().unwrap());
            for name in names {
                folder.write(name, iana::data(name).unwrap());
            }
            folder
        }

        fn write(&self, name: &str, bytes: &[u8]) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
            fs::write(path, bytes).unwrap();
        }

        fn find(&self, name: &str) -> Option<Found> {
            Look::new(name, self).read()
        }

        fn source(&self, name: &str) -> Option<Source> {
            self.find(name).map(|found| found.source)
        }

        fn print(&self, name: &str) -> i64 {
            Look::new(name, self).print()
        }
    }

    const JANUARY: i64 = 1_768_478_400;

    fn offset(found: Option<Found>) -> i32 {
        found.unwrap().zone.span_at(JANUARY).offset
    }

    #[test]
    fn without_links_every_name_is_a_zone_and_the_links_follow_the_servers_files() {
        let folder = Folder::with(iana::names().filter(|name| iana::target(name).is_none()));
        for name in iana::names() {
            let source = match iana::target(name) {
                Some(target) => Source::Target(target),
                None => Source::File,
            };
            assert_eq!(folder.source(name), Some(source), "{name}");
        }
        // The rules of Chicago change: so do those of US/Central.
        folder.write("America/Chicago", iana::data("Asia/Tokyo").unwrap());
        assert_eq!(offset(folder.find("US/Central")), 9 * 3600);
    }

    #[test]
    fn without_any_file_every_name_is_a_zone() {
        let folder = Folder::with(std::iter::empty());
        for name in iana::names() {
            assert_eq!(folder.source(name), Some(Source::Bundled), "{name}");
        }
        assert_eq!(offset(folder.find("Asia/Calcutta")), 19_800);
    }

    #[test]
    fn what_is_no_zone_is_none_whatever_file_has_its_name() {
        let folder = Folder::with(["Europe/Berlin"].into_iter());
        folder.write("zone.tab", b"# tzdb timezone descriptions");
        folder.write("Europe/Broken", b"TZif2");
        folder.write("posix/Europe/Berlin", iana::data("Europe/Berlin").unwrap());
        for name in [
            "zone.tab",
            "Europe",
            "posix/Europe/Berlin",
            "Europe/Broken",
            "Mars/Olympus",
            "us/central",
            "../outside",
            "Europe/../Europe/Berlin",
        ] {
            assert_eq!(folder.source(name), None, "{name}");
        }
        // A zone that came with a release after ours.
        folder.write("Europe/Newtown", iana::data("Europe/Berlin").unwrap());
        assert_eq!(folder.source("Europe/Newtown"), Some(Source::File));
    }

    #[test]
    fn a_file_that_cannot_be_read_counts_as_missing_and_is_told_of() {
        let whole = iana::data("Europe/Berlin").unwrap();
        let folder = Folder::with(["America/Chicago"].into_iter());
        let endless = vec![0; usize::try_from(LONGEST_FILE).unwrap() + 1];
        for broken in [b"".as_slice(), &whole[..100], b"no zone", &endless] {
            folder.write("Europe/Berlin", broken);
            folder.write("US/Central", broken);
            let berlin = folder.find("Europe/Berlin").unwrap();
            assert_eq!(berlin.source, Source::Bundled);
            assert!(berlin.fault.is_some());
            let central = folder.find("US/Central").unwrap();
            assert_eq!(central.source, Source::Target("America/Chicago"));
            assert!(central.fault.is_some());
        }
        folder.write("Europe/Berlin", whole);
        let berlin = folder.find("Europe/Berlin").unwrap();
        assert_eq!((berlin.source, berlin.fault), (Source::File, None));
    }

    #[test]
    fn the_print_changes_with_each_file_that_the_zone_may_come_from() {
        let folder = Folder::with(["America/Chicago"].into_iter());
        let data = iana::data("America/Chicago").unwrap();
        let mut prints = vec![folder.print("US/Central")];
        assert_eq!(folder.print("US/Central"), prints[0]);
        let mut note = |folder: &Folder, what: &str| {
            let print = folder.print("US/Central");
            assert!(!prints.contains(&print), "{what}");
            prints.push(print);
        };
        // As a package does it: another file takes the place of the old one.
        folder.write("new", data);
        fs::rename(
            folder.0.path().join("new"),
            folder.0.path().join("America/Chicago"),
        )
        .unwrap();
        note(&folder, "the target was replaced");
        folder.write("US/Central", data);
        note(&folder, "its own file came");
        fs::remove_file(folder.0.path().join("America/Chicago")).unwrap();
        note(&folder, "the target vanished");
        assert_ne!(folder.print("Europe/Berlin"), folder.print("Europe/Rome"));
    }
}
