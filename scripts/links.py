"""Checks the links of a site of HTML files: `links.py FOLDER`.

Every link and picture that doesn't lead into the web has to lead to a file of the folder,
and to an element of it where one is named.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.names = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name"):
                self.names.add(value)


def main():
    folder = Path(sys.argv[1]).resolve()
    pages = {path: Page(path.read_text()) for path in folder.rglob("*.html")}
    count, lost = 0, []
    for path, page in sorted(pages.items()):
        # All pages again, for printing; and what a web server shows for a page that it lacks.
        if path.name in ("print.html", "404.html"):
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            target = path
            if parts.path:
                target = (path.parent / unquote(parts.path)).resolve()
            if target.is_dir():
                target = target / "index.html"
            there = target.is_file() and target.is_relative_to(folder)
            if there and parts.fragment and target in pages:
                there = unquote(parts.fragment) in pages[target].names
            if not there:
                lost.append(f"{path.relative_to(folder)}: {link}")
    for line in lost:
        print(line, file=sys.stderr)
    print(f"{len(pages)} pages, {count} links, {len(lost)} of them lead nowhere")
    return 1 if lost or not count else 0


if __name__ == "__main__":
    sys.exit(main())
