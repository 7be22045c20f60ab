//! The ten points of the product's history that we know the tables of.
//!
//! They are ordered; a fact about the tables holds from one of them to another.

use std::fmt;
use std::str::FromStr;

/// A version of the product whose tables we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// June 2023, the state that the first rules describe.
    V2023_06,
    /// v2.0.0.
    V2_0_0,
    /// v2.5.0.
    V2_5_0,
    /// v2.10.0.
    V2_10_0,
    /// v2.15.0.
    V2_15_0,
    /// v2.20.0.
    V2_20_0,
    /// v2.25.0.
    V2_25_0,
    /// v2.30.0.
    V2_30_0,
    /// v2.34.3.
    V2_34_3,
    /// 27 June 2026, the development state after v2.34.
    V2026_06,
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: [Version; 10] = [
        Version::V2023_06,
        Version::V2_0_0,
        Version::V2_5_0,
        Version::V2_10_0,
        Version::V2_15_0,
        Version::V2_20_0,
        Version::V2_25_0,
        Version::V2_30_0,
        Version::V2_34_3,
        Version::V2026_06,
    ];
    /// The oldest.
    pub const OLDEST: Version = {
        let [first, ..] = Version::ALL;
        first
    };
    /// The newest.
    pub const NEWEST: Version = {
        let [.., last] = Version::ALL;
        last
    };

    /// Its name, as the product and our lists of facts write it.
    pub fn name(self) -> &'static str {
        match self {
            Version::V2023_06 => "2023-06",
            Version::V2_0_0 => "v2.0.0",
            Version::V2_5_0 => "v2.5.0",
            Version::V2_10_0 => "v2.10.0",
            Version::V2_15_0 => "v2.15.0",
            Version::V2_20_0 => "v2.20.0",
            Version::V2_25_0 => "v2.25.0",
            Version::V2_30_0 => "v2.30.0",
            Version::V2_34_3 => "v2.34.3",
            Version::V2026_06 => "2026-06",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names none of the ten versions.
#[derive(Debug, thiserror::Error)]
#[error("no product version {0:?}; known are {known}", known = Version::ALL.map(Version::name).join(", "))]
pub struct UnknownVersion(String);

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Version, UnknownVersion> {
        Version::ALL
            .into_iter()
            .find(|version| version.name() == text)
            .ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}
