#!/usr/bin/env bash
# rrule 0.14.0 (Rust), the crate for the recurrence rules of RFC 5545, beside the PyPI package
# python-dateutil 2.9.0.post0.
#
# What they make of plain rules, without an error but where it is said:
# - a step that passes over the hours of BYHOUR loses its beat in the crate: every 90 minutes in
#   the hour of 9 is 09:00 each day, since 16 such steps make a day; it goes to 09:30 and 09:00 in
#   turn. dateutil keeps the beat.
# - of 1MO and MO in one list of a year, which together mean every Monday, both take the first
#   Monday of the year alone.
# - what stands before a weekday's two letters is not read by the crate: a day by no name is a
#   Monday. dateutil refuses it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

mkdir -p src
cat >Cargo.toml <<'TOML'
[package]
name = "rules"
version = "0.0.0"
edition = "2024"

[dependencies]
rrule = "=0.14.0"
TOML
cat >src/main.rs <<'RUST'
fn main() {
    for (start, rule) in [
        ("20260101T000000Z", "FREQ=MINUTELY;INTERVAL=90;BYHOUR=9"),
        ("19960101T000000Z", "FREQ=YEARLY;BYDAY=1MO,MO"),
        ("20260101T000000Z", "FREQ=DAILY;BYDAY=someMO"),
    ] {
        let text = format!("DTSTART:{start}\nRRULE:{rule}");
        match text.parse::<rrule::RRuleSet>() {
            Ok(set) => {
                let dates = set.all(3).dates;
                let dates = dates.iter().map(|at| at.format("%a %Y-%m-%d %H:%M").to_string());
                println!("{rule}: {}", dates.collect::<Vec<_>>().join(", "));
            }
            Err(error) => println!("{rule}: {error}"),
        }
    }
}
RUST
cargo build --quiet
cat >rules.py <<'PYTHON'
from dateutil.rrule import rrulestr
for start, rule in (
    ("20260101T000000", "FREQ=MINUTELY;INTERVAL=90;BYHOUR=9"),
    ("19960101T000000", "FREQ=YEARLY;BYDAY=1MO,MO"),
    ("20260101T000000", "FREQ=DAILY;BYDAY=someMO"),
):
    try:
        times = rrulestr(f"DTSTART:{start}\nRRULE:{rule}")
        print(f"{rule}:", ", ".join(f"{time:%a %Y-%m-%d %H:%M}" for time, _ in zip(times, range(3))))
    except ValueError:
        print(f"{rule}: refused")
PYTHON
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check python-dateutil==2.9.0.post0
answer=$(
  echo rrule
  target/debug/rules
  echo dateutil
  python/bin/python rules.py
)
echo "$answer"
[ "$answer" = "rrule
FREQ=MINUTELY;INTERVAL=90;BYHOUR=9: Thu 2026-01-01 09:30, Fri 2026-01-02 09:00, Sat 2026-01-03 09:30
FREQ=YEARLY;BYDAY=1MO,MO: Mon 1996-01-01 00:00, Mon 1997-01-06 00:00, Mon 1998-01-05 00:00
FREQ=DAILY;BYDAY=someMO: Mon 2026-01-05 00:00, Mon 2026-01-12 00:00, Mon 2026-01-19 00:00
dateutil
FREQ=MINUTELY;INTERVAL=90;BYHOUR=9: Thu 2026-01-01 09:00, Fri 2026-01-02 09:00, Sat 2026-01-03 09:00
FREQ=YEARLY;BYDAY=1MO,MO: Mon 1996-01-01 00:00, Mon 1997-01-06 00:00, Mon 1998-01-05 00:00
FREQ=DAILY;BYDAY=someMO: refused" ]
