//! What several holds come to in the course of time, worked out for some days at a time and
//! kept: a tick asks about many workspaces, and all of them about the same few weeks.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::instant::{HOUR, Instant};

/// Up to when something is held; `None` where no end is known.
pub type Until = Option<Instant>;

/// How many spans that follow upon each other without a gap are followed, and for how long.
/// What is held for longer counts as held without an end.
const MOST_JOINED: usize = 1000;
const JOINED_FOR: i64 = 400 * 24 * HOUR;

/// So much is worked out at a time.
const PIECE: i64 = 8 * 24 * HOUR;
/// So many pieces and stretches are kept at most.
const MOST_KEPT: usize = 100_000;

/// A time in which a hold holds: from an instant on up to another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub from: Instant,
    pub until: Until,
    /// The place of the hold among all.
    pub place: usize,
}

/// Up to when something is held, with all that follows without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// `None` where no end is known.
    pub until: Until,
    /// It is held up to then at least; `None`: it never ends.
    pub at_least: Until,
}

/// A part of a piece, within which one and the same hold lasts longest.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    to: Instant,
    span: Span,
    /// Once it is known.
    run: Option<Run>,
}

/// The stretches of some holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(RefCell<Kept>);

#[derive(Clone, Debug, Default)]
struct Kept {
    pieces: HashMap<i64, Vec<Stretch>>,
    stretches: usize,
}

impl Line {
    /// The span that covers an instant and lasts longest, of several that of the first hold;
    /// and up to when it goes on without a gap. `spans` has all that lie between two instants,
    /// also in part.
    pub(super) fn at(
        &self,
        at: Instant,
        spans: &impl Fn(Instant, Instant) -> Vec<Span>,
    ) -> Option<(Span, Run)> {
        let stretch = self.stretch(at, spans)?;
        let run = stretch.run.unwrap_or_else(|| {
            let first = stretch.span.until;
            let first = Run {
                until: first,
                at_least: first,
            };
            let run = joined(first, |at| {
                let until = self.stretch(at, spans)?.span.until;
                Some(Run {
                    until,
                    at_least: until,
                })
            });
            self.with(at, spans, |stretch| stretch.run = Some(run));
            run
        });
        Some((stretch.span, run))
    }

    fn stretch(
        &self,
        at: Instant,
        spans: &impl Fn(Instant, Instant) -> Vec<Span>,
    ) -> Option<Stretch> {
        self.with(at, spans, |stretch| *stretch)
    }

    /// Does something with the stretch that an instant is in, if it is in one.
    fn with<R>(
        &self,
        at: Instant,
        spans: &impl Fn(Instant, Instant) -> Vec<Span>,
        work: impl FnOnce(&mut Stretch) -> R,
    ) -> Option<R> {
        let number = at.micros().div_euclid(PIECE);
        let mut kept = self.0.borrow_mut();
        if !kept.pieces.contains_key(&number) {
            let from = at.saturating_add_micros(-at.micros().rem_euclid(PIECE));
            let to = from.saturating_add_micros(PIECE);
            let piece = stretches(spans(from, to), from, to);
            if kept.stretches + kept.pieces.len() > MOST_KEPT {
                *kept = Kept::default();
            }
            kept.stretches += piece.len();
            kept.pieces.insert(number, piece);
        }
        let piece = kept.pieces.get_mut(&number)?;
        let place = piece.partition_point(|stretch| stretch.to <= at);
        let stretch = piece.get_mut(place)?;
        (stretch.span.from <= at).then(|| work(stretch))
    }
}

/// Of which spans each part of a piece is, in order.
fn stretches(mut spans: Vec<Span>, from: Instant, to: Instant) -> Vec<Stretch> {
    spans.sort_unstable_by_key(|span| (span.from, span.place));
    let mut stretches: Vec<Stretch> = Vec::new();
    for span in spans {
        // Within a stretch no other lasts longer, so none that begins there ends after it.
        if let Some(last) = stretches.last_mut()
            && span.from < last.to
        {
            let longer = later(span.until, last.span.until);
            let first = span.until == last.span.until && span.place < last.span.place;
            if !longer && !first {
                continue;
            }
            last.to = span.from;
        }
        if span.from >= to {
            break;
        }
        stretches.push(Stretch {
            to: span.until.map_or(to, |until| until.min(to)),
            span,
            run: None,
        });
    }
    stretches.retain(|stretch| stretch.to > from && stretch.to > stretch.span.from);
    stretches
}

/// How long it goes on from the end of something held on, as long as `covering` has more.
pub(super) fn joined(first: Run, covering: impl Fn(Instant) -> Option<Run>) -> Run {
    let mut run = first;
    let far = first
        .until
        .unwrap_or(Instant::MAX)
        .saturating_add_micros(JOINED_FOR);
    for _ in 0..MOST_JOINED {
        let Some(end) = run.until else {
            return run;
        };
        match covering(end) {
            Some(next) if end <= far => run = next,
            Some(_) => break,
            None => return run,
        }
    }
    Run { until: None, ..run }
}

/// Does an end lie after another? No end is after all.
pub(super) fn later(one: Until, other: Until) -> bool {
    other.is_some_and(|other| one.is_none_or(|one| one > other))
}
