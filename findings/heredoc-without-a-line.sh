#!/usr/bin/env bash
# hcl-edit 0.10.0 (the parser of hcl-rs) and the PyPI packages python-hcl2 7.3.1 and pygohcl
# 1.2.9, which holds HashiCorp's own parser.
#
# A heredoc without a line is the empty text to HashiCorp's parser: its end follows its
# beginning. The two others take that end for a line of the text and read on to the next line
# that looks like it. If the file has another heredoc with the same word, all attributes between
# the two become text, and the file parses without an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

printf 'first = <<END\nEND\nsecond = "there"\nthird = <<END\nlast line\nEND\n' >three.hcl

mkdir -p read/src
cat >read/Cargo.toml <<'TOML'
[package]
name = "read"
version = "0.0.0"
edition = "2024"

[dependencies]
hcl-edit = "=0.10.0"
TOML
cat >read/src/main.rs <<'RUST'
fn main() {
    let text = std::fs::read_to_string("three.hcl").expect("the file");
    match hcl_edit::parser::parse_body(&text) {
        Ok(body) => {
            let names = body.attributes().map(|attribute| attribute.key.as_str().to_owned());
            println!("hcl-edit: {}", names.collect::<Vec<_>>().join(" "));
        }
        Err(error) => println!("hcl-edit: line {}", error.location().line()),
    }
}
RUST
cargo build --quiet --manifest-path read/Cargo.toml
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check python-hcl2==7.3.1 pygohcl==1.2.9
answer=$(
  read/target/debug/read
  python/bin/python -c 'import hcl2; print("python-hcl2:", *hcl2.load(open("three.hcl")))'
  python/bin/python -c 'import pygohcl; print("pygohcl:", *pygohcl.loads(open("three.hcl").read()))'
)
echo "$answer"
[ "$answer" = "hcl-edit: first
python-hcl2: first
pygohcl: first second third" ]
