//! The brakes: of one kind of transition at most a share of all workspaces within an hour.
//!
//! A bad template, a clock far off, an import may make everything due at once. What is within
//! the share is made, in order; then the brake of that kind is on, and stays on until somebody
//! has looked and says `autobuild_resume()`.

use crate::instant::Instant;
use crate::lifecycle::transition::Transition;

/// The kinds of transitions that have a brake. A reminder is none.
pub const KINDS: [Transition; 4] = [
    Transition::Start,
    Transition::Stop,
    Transition::Delete,
    Transition::Dormant,
];

/// So many of a kind within an hour are never too many.
pub const ALWAYS: i64 = 10;

/// The brake of one kind is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brake {
    /// The kind.
    pub transition: Transition,
    /// Since when.
    pub since: Instant,
    /// So many within an hour were allowed.
    pub allowed: i64,
    /// Of so many workspaces.
    pub workspaces: i64,
}

impl Brake {
    /// What is the matter, and what to do. Without the time: a preview says the same as the tick
    /// that then puts it on.
    pub fn sentence(&self) -> String {
        let Brake {
            transition,
            allowed,
            workspaces,
            ..
        } = self;
        let settings = match transition {
            Transition::Delete => "max_deletes_share, max_transitions_share",
            _ => "max_transitions_share",
        };
        format!(
            "the brake on {} is on: more than {allowed} within an hour were due, of {workspaces} \
            workspaces ({settings}); the others wait. See what is due (autobuild_preview) and why; \
            autobuild_resume() lets it be made",
            transition.name()
        )
    }
}

/// The share that counts for a kind: for deletions the smaller one, where both are set; `None`
/// where none is.
pub fn share(kind: Transition, transitions: f64, deletes: f64) -> Option<f64> {
    let own = match kind {
        Transition::Delete => deletes,
        _ => 0.0,
    };
    [transitions, own]
        .into_iter()
        .filter(|&share| share > 0.0)
        .reduce(f64::min)
}

/// How many of a kind may be made within an hour.
fn allowed(share: f64, workspaces: i64) -> i64 {
    // 0.29 of 100 is 29, though not in binary.
    let part = (share * workspaces as f64 + 1e-6).floor();
    (part as i64).max(ALWAYS)
}

/// What the brakes let a batch make.
#[derive(Clone, Debug, Default)]
pub struct Brakes {
    on: Vec<Brake>,
    /// Kinds with a limit: what may still be made, then what its brake would say.
    left: Vec<(i64, Brake)>,
    /// As many of `on` were on before.
    before: usize,
}

impl Brakes {
    /// With these on already.
    pub fn on(on: Vec<Brake>) -> Brakes {
        Brakes {
            before: on.len(),
            on,
            left: Vec::new(),
        }
    }

    /// Limits a kind of which so many were made within the hour before `now`.
    pub fn limit(
        &mut self,
        transition: Transition,
        share: f64,
        made: i64,
        workspaces: i64,
        now: Instant,
    ) {
        let allowed = allowed(share, workspaces);
        let brake = Brake {
            transition,
            since: now,
            allowed,
            workspaces,
        };
        self.left.push(((allowed - made).max(0), brake));
    }

    /// The brake that keeps one more of this kind from being made. That there is one more than
    /// may be made puts it on.
    pub fn against(&mut self, kind: Transition) -> Option<&Brake> {
        let is_on = |brake: &Brake| brake.transition == kind;
        if !self.on.iter().any(is_on) {
            let used_up = |(left, brake): &&(i64, Brake)| is_on(brake) && *left == 0;
            let (_, brake) = self.left.iter().find(used_up)?;
            self.on.push(brake.clone());
        }
        self.on.iter().find(|brake| is_on(brake))
    }

    /// One of this kind is to be made.
    pub fn take(&mut self, kind: Transition) {
        for (left, brake) in &mut self.left {
            if brake.transition == kind {
                *left = (*left - 1).max(0);
            }
        }
    }

    /// Those that were put on by what was asked for.
    pub fn put_on(&self) -> &[Brake] {
        self.on.get(self.before..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(brakes: &mut Brakes, kind: Transition, due: usize) -> usize {
        let mut made = 0;
        for _ in 0..due {
            if brakes.against(kind).is_none() {
                brakes.take(kind);
                made += 1;
            }
        }
        made
    }

    fn limited(share: f64, earlier: i64, workspaces: i64) -> Brakes {
        let mut brakes = Brakes::default();
        brakes.limit(
            Transition::Stop,
            share,
            earlier,
            workspaces,
            Instant::NO_TIME,
        );
        brakes
    }

    #[test]
    fn as_many_as_the_share_are_made_and_one_more_puts_the_brake_on() {
        let mut brakes = limited(0.05, 0, 1_000);
        assert_eq!(made(&mut brakes, Transition::Stop, 50), 50);
        assert_eq!(brakes.put_on(), []);
        assert_eq!(made(&mut brakes, Transition::Stop, 7), 0);
        let [brake] = brakes.put_on() else {
            panic!("one brake: {brakes:?}");
        };
        assert_eq!((brake.allowed, brake.workspaces), (50, 1_000));
        // Other kinds go on.
        assert_eq!(made(&mut brakes, Transition::Start, 500), 500);
    }

    #[test]
    fn ten_are_always_made_and_what_was_made_within_the_hour_counts() {
        for (share, earlier, workspaces, expected) in [
            (0.05, 0, 20, 10),
            (0.05, 4, 20, 6),
            (0.05, 11, 20, 0),
            (0.29, 0, 100, 29),
            (1.0, 0, 100, 100),
            (0.001, 0, i64::MAX, 300),
        ] {
            let mut brakes = limited(share, earlier, workspaces);
            assert_eq!(made(&mut brakes, Transition::Stop, 300), expected);
        }
    }

    #[test]
    fn a_brake_that_is_on_lets_nothing_through_and_is_not_put_on_again() {
        let on = Brake {
            transition: Transition::Delete,
            since: Instant::NO_TIME,
            allowed: 10,
            workspaces: 30,
        };
        let mut brakes = Brakes::on(vec![on.clone()]);
        brakes.limit(Transition::Delete, 1.0, 0, 100, Instant::NO_TIME);
        assert_eq!(brakes.against(Transition::Delete), Some(&on));
        assert_eq!(brakes.put_on(), []);
    }

    #[test]
    fn for_deletions_the_smaller_share_counts_and_for_others_their_own() {
        let of = |kind| {
            [
                (0.0, 0.0),
                (0.2, 0.0),
                (0.0, 0.05),
                (0.2, 0.05),
                (0.01, 0.05),
            ]
            .map(|(transitions, deletes)| share(kind, transitions, deletes))
        };
        assert_eq!(
            of(Transition::Delete),
            [None, Some(0.2), Some(0.05), Some(0.05), Some(0.01)]
        );
        for kind in [Transition::Start, Transition::Stop, Transition::Dormant] {
            assert_eq!(of(kind), [None, Some(0.2), None, Some(0.2), Some(0.01)]);
        }
    }
}
