//! The page of `autobuild_report`: one HTML document out of plain values.
//!
//! It needs no network and no script, is read on a light or a dark screen, narrow or wide, and
//! says of a section that the reader may not see that it is left out and why. Every text is
//! escaped by the template library (maud); what a browser could not show, or could be misled by,
//! is shown as a replacement character.

mod picture;
mod style;
#[cfg(test)]
mod tests;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use picture::{coming_picture, ticks_picture};

/// What the page says. Times are texts in the reader's time zone.
#[derive(Clone, Debug)]
pub struct Page {
    /// The database.
    pub database: String,
    /// The time that the page is about.
    pub at: String,
    /// In which time zone times are given.
    pub zone: String,
    /// The role that asked.
    pub reader: String,
    /// The version of the library.
    pub version: &'static str,
    /// The state of the worker, name and value.
    pub status: Section<Status>,
    /// The next 24 hours.
    pub coming: Section<Coming>,
    /// Who is due and not built.
    pub blocked: Section<Table>,
    /// What is held.
    pub holds: Section<Table>,
    /// Does it agree with the product's own executor?
    pub agreement: Section<String>,
    /// What the ticks of the last 24 hours cost.
    pub ticks: Section<Ticks>,
}

/// A part of the page, or why it is left out.
pub type Section<T> = Result<T, String>;

/// The state of the worker.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// What is wrong, if anything is.
    pub problem: Option<String>,
    /// Names and values.
    pub values: Vec<(&'static str, String)>,
}

/// Rows under headings; of more rows than are shown, how many.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// A heading for each column.
    pub headings: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// How many rows more there are.
    pub more: u64,
}

/// How many transitions of each kind come in an hour.
#[derive(Clone, Debug, Default)]
pub struct Hour {
    /// When it begins.
    pub label: String,
    /// By kind, in the order of [`KINDS`].
    pub counts: [u64; KINDS.len()],
}

/// What is counted: the name in the legend, and the transition, whose class gives its colour.
pub const KINDS: [(&str, &str); 5] = [
    ("starts", "start"),
    ("stops", "stop"),
    ("deletions", "delete"),
    ("marks of dormancy", "dormant"),
    ("reminders", "remind"),
];

/// The next 24 hours.
#[derive(Clone, Debug, Default)]
pub struct Coming {
    /// Hour by hour; what is overdue is in the first.
    pub hours: Vec<Hour>,
    /// The first of them.
    pub first: Table,
}

/// What the ticks of an hour took.
#[derive(Clone, Debug, Default)]
pub struct HourOfTicks {
    /// When it began.
    pub label: String,
    /// How many did any work.
    pub ticks: u64,
    /// The median in milliseconds.
    pub median_ms: f64,
    /// The longest in milliseconds.
    pub longest_ms: f64,
}

/// What the ticks of the last 24 hours cost.
#[derive(Clone, Debug, Default)]
pub struct Ticks {
    /// All together, in a sentence.
    pub sentence: String,
    /// Hour by hour.
    pub hours: Vec<HourOfTicks>,
}

/// The page.
pub fn render(page: &Page) -> String {
    let title = format!("Workspaces of {}", shown(&page.database));
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Whatever a name holds, nothing is loaded and nothing runs.
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(style::STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p { "As of " (text(&page.at)) ". Times are in " (text(&page.zone)) "." }
                }
                main {
                    (section("State", &page.status, status))
                    (section("The next 24 hours", &page.coming, coming))
                    (section("Due and not built", &page.blocked, |table| {
                        rows(table, "Nobody waits: whatever was due is built.")
                    }))
                    (section("Holds", &page.holds, |table| rows(table, "Nothing is held.")))
                    (section("Agreement with the product's own executor", &page.agreement,
                        |sentence| html! { p { (text(sentence)) } }))
                    (section("What ticks cost, the last 24 hours", &page.ticks, ticks))
                }
                footer {
                    p {
                        "workspace-autobuild " (page.version) ", read as "
                        bdi { (text(&page.reader)) } "."
                    }
                }
            }
        }
    };
    markup.into_string()
}

fn section<T>(title: &str, content: &Section<T>, show: impl FnOnce(&T) -> Markup) -> Markup {
    html! {
        section {
            h2 { (title) }
            @match content {
                Ok(content) => (show(content)),
                Err(why) => p.left-out { "Left out: " (text(why)) },
            }
        }
    }
}

fn status(status: &Status) -> Markup {
    html! {
        @match &status.problem {
            Some(problem) => p.problem { (text(problem)) },
            None => p.fine { "Nothing is wrong." },
        }
        dl {
            @for (name, value) in &status.values {
                div { dt { (name) } dd { (text(value)) } }
            }
        }
    }
}

fn coming(coming: &Coming) -> Markup {
    let sum = |kind: usize| -> u64 {
        let of_hour = |hour: &Hour| hour.counts.get(kind).copied().unwrap_or(0);
        coming.hours.iter().map(of_hour).sum()
    };
    html! {
        figure tabindex="0" {
            (coming_picture(&coming.hours))
            figcaption {
                ul.legend {
                    @for (kind, (name, class)) in KINDS.iter().enumerate() {
                        li { span class={ "key " (class) } {} (name) ": " (sum(kind)) }
                    }
                }
            }
        }
        @if coming.first.rows.is_empty() {
            (rows(&coming.first, "Nothing comes within 24 hours."))
        } @else {
            details {
                summary { "The first " (coming.first.rows.len()) }
                (rows(&coming.first, ""))
            }
        }
    }
}

fn ticks(ticks: &Ticks) -> Markup {
    html! {
        p { (text(&ticks.sentence)) }
        @if !ticks.hours.is_empty() {
            figure tabindex="0" {
                (ticks_picture(&ticks.hours))
                figcaption {
                    ul.legend {
                        li { span.key.median {} "median" }
                        li { span.key.longest {} "longest of the hour" }
                    }
                }
            }
        }
    }
}

fn rows(table: &Table, none: &str) -> Markup {
    if table.rows.is_empty() {
        return html! { p { (none) } };
    }
    html! {
        // A wide table is moved, not the page; with the keyboard, too.
        div.wide tabindex="0" {
            table {
                thead { tr { @for heading in &table.headings { th scope="col" { (heading) } } } }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for cell in row {
                                td.whole[cell.chars().count() <= WHOLE] { bdi { (text(cell)) } }
                            }
                        }
                    }
                }
            }
        }
        @if table.more > 0 {
            p { "And " (table.more) " more." }
        }
    }
}

/// The longest text of a table that is kept on one line: times and most names.
const WHOLE: usize = 24;
/// The longest text that is shown whole, in characters.
const LONGEST: usize = 600;

/// A text, cut where it is long.
fn text(text: &str) -> String {
    let mut text = shown(text);
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A text without what HTML has no place for, and without what turns the direction of all that
/// follows it.
fn shown(text: &str) -> String {
    let is_shown = |c: char| match c {
        '\n' | '\t' => true,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => false,
        '\u{FDD0}'..='\u{FDEF}' => false,
        c => !c.is_control() && u32::from(c) & 0xFFFE != 0xFFFE,
    };
    let replaced = |c| {
        if is_shown(c) {
            c
        } else {
            char::REPLACEMENT_CHARACTER
        }
    };
    text.chars().map(replaced).collect()
}
