//! The pictures of the page: SVG, drawn with numbers only.

use maud::{Markup, html};

use super::{Hour, HourOfTicks, KINDS};

/// The size of a picture, in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
/// What is left of the bars for numbers, and below them for hours.
const LEFT: f64 = 52.0;
const BELOW: f64 = 24.0;
const ABOVE: f64 = 10.0;

/// Where things stand in a picture with so many columns, whose tallest has this height.
struct Scale {
    column: f64,
    tallest: f64,
}

impl Scale {
    fn new(columns: usize, tallest: f64) -> Scale {
        let columns = u32::try_from(columns.max(1)).unwrap_or(u32::MAX);
        Scale {
            column: (WIDTH - LEFT) / f64::from(columns),
            tallest: round_up(tallest),
        }
    }

    fn x(&self, place: usize) -> f64 {
        LEFT + self.column * f64::from(u32::try_from(place).unwrap_or(u32::MAX))
    }

    fn height(&self, value: f64) -> f64 {
        (HEIGHT - BELOW - ABOVE) * value / self.tallest
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BELOW - self.height(value)
    }
}

/// The next 1, 2 or 5 times a power of ten.
pub(super) fn round_up(value: f64) -> f64 {
    let mut step = 1.0;
    loop {
        for times in [1.0, 2.0, 5.0] {
            if value <= step * times {
                return (step * times).min(f64::MAX);
            }
        }
        step *= 10.0;
    }
}

#[allow(clippy::cast_precision_loss)]
fn real(count: u64) -> f64 {
    count as f64
}

/// A number for SVG.
fn at(value: f64) -> String {
    format!("{value:.1}")
}

/// Axis, lines and the names of some columns.
fn frame<'a>(scale: &Scale, unit: &str, labels: impl Iterator<Item = &'a str>) -> Markup {
    html! {
        @for value in [0.0, scale.tallest / 2.0, scale.tallest] {
            line.grid x1=(at(LEFT)) x2=(at(WIDTH)) y1=(at(scale.y(value))) y2=(at(scale.y(value))) {}
            text.number x=(at(LEFT - 6.0)) y=(at(scale.y(value) + 4.0)) { (value) (unit) }
        }
        @for (place, label) in labels.enumerate() {
            @if place % 3 == 0 {
                text.hour x=(at(scale.x(place))) y=(at(HEIGHT - 6.0)) { (label) }
            }
        }
    }
}

/// The hours that come: a bar for each, of as many parts as there are kinds.
pub(super) fn coming_picture(hours: &[Hour]) -> Markup {
    let tallest = hours.iter().map(|hour| hour.counts.iter().sum()).max();
    let scale = Scale::new(hours.len(), real(tallest.unwrap_or(0)));
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img"
            aria-label="Transitions of the next 24 hours, hour by hour" {
            (frame(&scale, "", hours.iter().map(|hour| hour.label.as_str())))
            @for (place, hour) in hours.iter().enumerate() {
                g {
                    title { (said(hour)) }
                    @for (class, below, count) in parts(hour) {
                        rect class=(class) x=(at(scale.x(place) + 1.0))
                            width=(at((scale.column - 2.0).max(1.0)))
                            y=(at(scale.y(below + count))) height=(at(scale.height(count))) {}
                    }
                }
            }
        }
    }
}

/// The parts of an hour's bar from below: class, what stands under it, how high it is.
fn parts(hour: &Hour) -> Vec<(&'static str, f64, f64)> {
    let mut below = 0.0;
    let mut parts = Vec::new();
    for ((_, class), &count) in KINDS.iter().zip(&hour.counts) {
        if count > 0 {
            parts.push((*class, below, real(count)));
            below += real(count);
        }
    }
    parts
}

/// An hour in words.
fn said(hour: &Hour) -> String {
    let kinds = KINDS.iter().zip(&hour.counts);
    let counts = kinds.filter(|(_, count)| **count > 0);
    let counts: Vec<String> = counts
        .map(|((name, _), count)| format!("{name} {count}"))
        .collect();
    match counts.is_empty() {
        true => format!("{}: nothing", hour.label),
        false => format!("{}: {}", hour.label, counts.join(", ")),
    }
}

/// The ticks of each hour: the longest, and the median before it.
pub(super) fn ticks_picture(hours: &[HourOfTicks]) -> Markup {
    let tallest = hours.iter().map(|hour| hour.longest_ms).fold(1.0, f64::max);
    let scale = Scale::new(hours.len(), tallest);
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img"
            aria-label="Duration of the ticks of the last 24 hours, hour by hour" {
            (frame(&scale, " ms", hours.iter().map(|hour| hour.label.as_str())))
            @for (place, hour) in hours.iter().enumerate() {
                @if hour.ticks > 0 {
                    g {
                        title {
                            (hour.label) ": ticks that did any work " (hour.ticks) ", median "
                            (at(hour.median_ms)) " ms, longest " (at(hour.longest_ms)) " ms"
                        }
                        @for (class, value) in
                            [("longest", hour.longest_ms), ("median", hour.median_ms)] {
                            rect class=(class) x=(at(scale.x(place) + 1.0))
                                width=(at((scale.column - 2.0).max(1.0)))
                                y=(at(scale.y(value))) height=(at(scale.height(value))) {}
                        }
                    }
                }
            }
        }
    }
}
