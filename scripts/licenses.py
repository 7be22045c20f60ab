#!/usr/bin/python3
"""What is linked into the library besides our own code, and under which licences.

`licenses.py pg18` writes it for the library that is built with that feature: a line for
each crate, then the texts that the crates bring, each once. Packages give it along.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

NAMES = re.compile(r"(licen[cs]es?|copying|unlicense|copyright|notices?)\b", re.IGNORECASE)

# For crates that bring no text of their own. All of them say MIT, or leave the choice of it;
# another licence stops us.
MIT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def linked(feature):
    """The crates that the library is made of, and those whose macros wrote parts of it."""
    options = ["--locked", "--no-default-features", "--features", feature]
    cargo = ["cargo", "metadata", "--format-version=1", *options]
    metadata = json.loads(subprocess.run(cargo, stdout=subprocess.PIPE, check=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    # What cargo would compile here; the metadata has every target's.
    tree = ["cargo", "tree", "--edges=normal", "--prefix=none", "--format={p}", *options]
    lines = subprocess.run(tree, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    used = {tuple(line.replace(" v", " ", 1).split(" ")[:2]) for line in lines}
    ours = metadata["workspace_members"]
    found = [p for p in packages.values() if (p["name"], p["version"]) in used and p["id"] not in ours]
    return sorted(found, key=lambda package: (package["name"], package["version"]))


def texts(package):
    """Its licences as they lie beside its Cargo.toml."""
    folder = Path(package["manifest_path"]).parent
    files = []
    for entry in sorted(folder.iterdir()):
        if not NAMES.match(entry.name) or entry.suffix == ".toml":
            continue
        files += sorted(entry.iterdir()) if entry.is_dir() else [entry]
    if files:
        return [file.read_text(errors="replace").replace("\r\n", "\n").strip("\n") + "\n" for file in files]
    if "MIT" not in package["license"].split(" OR "):
        sys.exit(f"{package['name']} {package['version']} brings no text of its licence ({package['license']})")
    lines = set()
    for source in folder.rglob("*.rs"):
        for line in source.read_text(errors="replace").splitlines():
            if said := re.match(r"\W*LICENSE\s+(.*Copyright.*)", line):
                lines.add(said[1])
    lines = sorted(lines) or ["Copyright " + ", ".join(package["authors"])]
    return ["\n".join(lines) + "\n\n" + MIT]


def main():
    if len(sys.argv) != 2 or not re.fullmatch(r"pg\d+", sys.argv[1]):
        sys.exit(__doc__)
    packages = linked(sys.argv[1])
    of_text = {}
    print("workspace-autobuild is under the Apache License, version 2.0. Its library is linked with Rust's")
    print("standard library (MIT or Apache-2.0, the Rust project's contributors) and with these crates:\n")
    for package in packages:
        # An old way to write "OR".
        licence = re.sub(r"\s*/\s*", " OR ", package["license"])
        print(f"  {package['name']} {package['version']}: {licence}; {package['repository'] or 'crates.io'}")
        for text in texts(package):
            of_text.setdefault(text, []).append(f"{package['name']} {package['version']}")
    for text, names in of_text.items():
        print(f"\n{'=' * 100}\n{', '.join(names)}\n{'-' * 100}\n\n{text}", end="")


if __name__ == "__main__":
    main()
