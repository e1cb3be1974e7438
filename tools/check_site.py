"""Check that every link inside a built site leads somewhere.

    python tools/check_site.py FOLDER

Links to pages, anchors, pictures, styles and scripts are followed as far as the site reaches; other
hosts are not asked. `lite/` is an application of its own, `_static/` has parts of pages: they are
reached but not read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

NOT_READ = {"lite", "_static"}


class Page(HTMLParser):
    """What a page refers to, and where in it one can land."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.add(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


read = cache(Page)


def complaints(folder: Path) -> Iterator[str]:
    """Yield a line for each link that leads nowhere."""
    for path in sorted(folder.rglob("*.html")):
        if path.relative_to(folder).parts[0] not in NOT_READ:
            for link in sorted(read(path).links):
                if problem := _problem(path, link):
                    yield f"{path.relative_to(folder)}: {link}: {problem}"


def _problem(path: Path, link: str) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = path.parent / unquote(parts.path) if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    if anchor and target.suffix == ".html" and anchor not in read(target).anchors:
        return "no such anchor"
    return ""


def main() -> int:
    """Check the folder that the command line names; return how many complaints there are."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    if not (folder / "index.html").is_file():
        sys.exit(f"there is no site in {folder}: it has no index.html")
    found = list(complaints(folder))
    print(*found, sep="\n")
    return min(len(found), 99)


if __name__ == "__main__":
    sys.exit(main())
