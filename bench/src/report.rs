//! Results as a table for people and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::Config;
use crate::measure::Samples;

/// One result.
struct Line {
    workspaces: u32,
    what: String,
    how: String,
    unit: &'static str,
    samples: Samples,
    ratios: Vec<(f64, String)>,
}

/// What was measured so far.
pub(crate) struct Report {
    lines: Vec<Line>,
    notes: Vec<String>,
}

impl Report {
    /// Nothing yet.
    pub(crate) fn new() -> Report {
        Report {
            lines: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds measurements, already in `unit`. `workspaces` is 0 where it doesn't matter.
    pub(crate) fn add(
        &mut self,
        workspaces: u32,
        what: &str,
        how: &str,
        unit: &'static str,
        of: Samples,
    ) {
        eprintln!("  {what}, {how}: {} {unit}", number(of.median()));
        self.lines.push(Line {
            workspaces,
            what: what.to_owned(),
            how: how.to_owned(),
            unit,
            samples: of,
            ratios: Vec::new(),
        });
    }

    /// Adds what was measured on one side or two, the build before last: it has a line of its own
    /// above, and the other its ratio to it, of the values below which this part of them lies.
    pub(crate) fn sides(
        &mut self,
        workspaces: u32,
        what: &str,
        how: &str,
        unit: &'static str,
        part: f64,
        of: impl IntoIterator<Item = Samples>,
    ) {
        let mut of = of.into_iter();
        let Some(now) = of.next() else { return };
        let ratio = of.next().map(|before| {
            let ratio = now.quantile(part) / before.quantile(part);
            self.add(workspaces, what, &format!("{how}, before"), unit, before);
            ratio
        });
        self.add(workspaces, what, how, unit, now);
        if let Some(ratio) = ratio {
            self.ratio(ratio, "x before");
        }
    }

    /// Adds to the last line its ratio to another measurement of the same run.
    pub(crate) fn ratio(&mut self, ratio: f64, to: &str) {
        eprintln!("    {} {to}", number(ratio));
        if let Some(line) = self.lines.last_mut() {
            line.ratios.push((ratio, to.to_owned()));
        }
    }

    /// Adds a sentence below the table.
    pub(crate) fn note(&mut self, note: String) {
        eprintln!("  {note}");
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let mut out = String::from(
            "| workspaces | what | how | median | least | most | n | ratio |\n\
             |---:|---|---|---:|---:|---:|---:|---|\n",
        );
        for line in &self.lines {
            let workspaces = match line.workspaces {
                0 => String::new(),
                n => n.to_string(),
            };
            let ratios: Vec<String> = line
                .ratios
                .iter()
                .map(|(ratio, to)| format!("{} {to}", number(*ratio)))
                .collect();
            let ratios = ratios.join(", ");
            // Writing to a String can't fail.
            let _ = writeln!(
                out,
                "| {workspaces} | {} | {} | {} {} | {} | {} | {} | {ratios} |",
                line.what,
                line.how,
                number(line.samples.median()),
                line.unit,
                number(line.samples.quantile(0.0)),
                number(line.samples.quantile(1.0)),
                line.samples.count(),
            );
        }
        for note in &self.notes {
            let _ = writeln!(out, "\n{note}");
        }
        out
    }

    /// All of it as JSON.
    pub(crate) fn json(&self, config: &Config) -> String {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                json!({
                    "workspaces": line.workspaces,
                    "what": line.what,
                    "how": line.how,
                    "unit": line.unit,
                    "median": line.samples.median(),
                    "least": line.samples.quantile(0.0),
                    "most": line.samples.quantile(1.0),
                    "n": line.samples.count(),
                    "ratios": line.ratios.iter()
                        .map(|(ratio, to)| json!({"ratio": ratio, "to": to}))
                        .collect::<Vec<_>>(),
                })
            })
            .collect();
        let all = json!({
            "processors": std::thread::available_parallelism().map_or(0, |n| n.get()),
            "repetitions": config.repeat,
            "results": lines,
            "notes": self.notes,
        });
        format!("{all:#}\n")
    }
}

/// Three digits that matter.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
