#!/usr/bin/env bash
# jiff 1.0.1, and the zone file of Berlin in the PyPI package pytz 2025.2.
#
# A zone file of version 1 (RFC 9636) has no footer: after its last transition, in 2037, its
# last offset is all that it says, and no transition follows. Asked for the transitions that
# follow a time after that, jiff answers with the last one, which is long past, and with the
# same one again for each further item that is taken. A caller who takes the first as the end
# of the present offset gets an end that lies before its beginning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest . pytz==2025.2
python3 -m zipfile -e ./*.whl wheel
# The file's first part is a file of version 1 by itself, but for the byte that says so.
python3 - <<'PYTHON'
import struct
data = open("wheel/pytz/zoneinfo/Europe/Berlin", "rb").read()
isutc, isstd, leap, times, types, chars = struct.unpack(">6I", data[20:44])
length = 44 + 5 * times + 6 * types + chars + 8 * leap + isstd + isutc
assert times > 100 and data[length:length + 4] == b"TZif"
open("berlin", "wb").write(data[:4] + b"\0" + data[5:length])
PYTHON

mkdir -p ask/src
cat >ask/Cargo.toml <<'TOML'
[package]
name = "ask"
version = "0.0.0"
edition = "2024"

[dependencies]
jiff = { version = "=1.0.1", default-features = false, features = ["std"] }
TOML
cat >ask/src/main.rs <<'RUST'
fn main() {
    let file = std::fs::read("berlin").expect("the file");
    let zone = jiff::tz::TimeZone::tzif("Berlin", &file).expect("a zone");
    for after in ["2025-07-01T00:00:00Z", "2050-01-01T00:00:00Z"] {
        let after: jiff::Timestamp = after.parse().expect("a time");
        let next = zone.following(after).take(3).map(|t| t.timestamp().to_string());
        println!("after {after}: {}", next.collect::<Vec<_>>().join(", "));
    }
}
RUST
cargo build --quiet --manifest-path ask/Cargo.toml
answer=$(ask/target/debug/ask)
echo "$answer"
[ "$answer" = "after 2025-07-01T00:00:00Z: 2025-10-26T01:00:00Z, 2026-03-29T01:00:00Z, 2026-10-25T01:00:00Z
after 2050-01-01T00:00:00Z: 2037-10-25T01:00:00Z, 2037-10-25T01:00:00Z, 2037-10-25T01:00:00Z" ]
