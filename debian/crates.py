#!/usr/bin/python3
"""Writes debian/copyright: debian/copyright.in and a paragraph for each crate that is linked
into the library. With --check it only says whether the file is what it would write."""

import os
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "scripts"))
sys.dont_write_bytecode = True
from licenses import linked, texts  # noqa: E402

# How Debian's machine-readable format names a licence that Cargo names otherwise.
NAMES = {"MIT": "Expat", "OR": "or", "AND": "and"}


def holders(package):
    """Whose a crate is, as its licences say; or else as its Cargo.toml does."""
    found = set()
    for line in "\n".join(texts(package)).splitlines():
        said = re.match(r"\s*(?:Portions )?(Copyright (?:\(c\)|©|\d).*|©.*)", line, re.IGNORECASE)
        if said and not re.search(r"[\[{<]y", line):
            found.add(re.sub(r"(?i)^(copyright|\(c\)|©|,|\s)+|[.\s]*all rights reserved\.?", "", said[1]).strip())
    # Some say a year and nobody's name; what is under two licences is of two holders.
    if any(re.search("[A-Za-z]", holder) for holder in found) and "AND" not in package["license"]:
        return sorted(found)
    authors = package["authors"] or [f"the authors of {package['name']}, {package['repository']}"]
    return sorted(found) + authors


def licence(package):
    expression = re.sub(r"\s*/\s*", " OR ", package["license"])
    expression = re.sub(r"[\w.-]+", lambda word: NAMES.get(word[0], word[0]), expression)
    # The format has no brackets: a comma binds last.
    return re.sub(r"\(([^()]*)\) and", r"\1, and", expression)


def paragraph(package):
    return (f"Files: vendor/{package['name']}-{package['version']}/*\n"
            f"Copyright: {(chr(10) + '           ').join(holders(package))}\n"
            f"License: {licence(package)}\n")


os.chdir(TOP)
# The server's version changes nothing in the list.
crates = "\n".join(paragraph(package) for package in linked("pg15"))
text = (TOP / "debian/copyright.in").read_text().replace("@crates@\n", crates)
explained = set(re.findall(r"^License: ([\w.-]+)$", text, re.M))
named = {word for line in re.findall(r"^License: (.*)$", text, re.M) for word in re.split(r",? (?:or|and) ", line)}
if named - explained:
    sys.exit(f"debian/copyright.in has no paragraph for the licence {', '.join(sorted(named - explained))}")
target = TOP / "debian/copyright"
if sys.argv[1:] != ["--check"]:
    target.write_text(text)
elif not target.exists() or target.read_text() != text:
    sys.exit("debian/copyright is not what Cargo.lock links. Run: debian/crates.py")
