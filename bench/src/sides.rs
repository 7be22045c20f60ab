//! The installed extension and, if asked for, a build before beside it: two servers with the same
//! data, the same settings and the same SQL, which differ in the extension's library alone. What
//! compares builds runs on both in turn.

use crate::Config;
use crate::process::Session;
use crate::report::Report;
use crate::server::Bench;

/// One side or two.
pub(crate) struct Sides {
    // It lies in the other's folder, so it is dropped first.
    before: Option<Bench>,
    now: Bench,
}

impl Sides {
    /// Makes the servers.
    pub(crate) fn start(config: &Config, size: u32, report: &mut Report) -> Sides {
        let (now, before) = Bench::start(config, size, report);
        Sides { before, now }
    }

    /// The installed extension.
    pub(crate) fn now(&self) -> &Bench {
        &self.now
    }

    /// Both, the installed extension first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Bench> {
        std::iter::once(&self.now).chain(&self.before)
    }
}

/// Does something on each side; who is first changes from turn to turn.
pub(crate) fn in_turn<T>(turn: usize, sides: &mut [T], mut work: impl FnMut(&mut T)) {
    if turn.is_multiple_of(2) {
        sides.iter_mut().for_each(&mut work);
    } else {
        sides.iter_mut().rev().for_each(&mut work);
    }
}

/// Reports what sessions, one for each side, have measured, in milliseconds or microseconds: by
/// the clock with the ratio of medians, by the processor with the ratio of the least.
pub(crate) fn tell<'s>(
    report: &mut Report,
    workspaces: u32,
    what: &str,
    how: &str,
    unit: &'static str,
    sessions: impl Iterator<Item = &'s mut Session>,
) {
    let by = if unit == "ms" { 1e3 } else { 1e6 };
    let (wall, processor): (Vec<_>, Vec<_>) = sessions
        .map(|session| {
            let both = (session.wall.scaled(by), session.processor.scaled(by));
            session.anew();
            both
        })
        .unzip();
    let processor_of = format!("{what}, processor");
    report.sides(workspaces, &processor_of, how, unit, 0.0, processor);
    report.sides(workspaces, what, how, unit, 0.5, wall);
}
