"""Hold README and docs/ to their limits, and every link between them to a file.

Standard library only.

python3 infra/docs.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README_BYTES, README_LINES, LINE_LENGTH = 7_168, 130, 300
PICTURE_BYTES = 200_000
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def main() -> int:
    """Print what is wrong; 1 where something is."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    pages += sorted((ROOT / ".github").glob("*.md"))
    problems = [
        *readme_problems(ROOT / "README.md"),
        *(each for page in pages for each in dead_links(page)),
    ]
    linked = {path for page in pages for path in links(page)}
    problems += [
        f"{page.relative_to(ROOT)}: no page links to it"
        for page in pages
        if page.is_relative_to(ROOT / "docs") and page not in linked
    ]
    print("\n".join(problems), file=sys.stderr, end="\n" * bool(problems))
    return 1 if problems else 0


def readme_problems(readme: Path) -> list[str]:
    """Return which limits the README breaks."""
    content = readme.read_bytes()
    lines = content.decode().splitlines()
    pictures = [path for path in links(readme) if path.suffix == ".png"]
    measured = [
        ("bytes", len(content), README_BYTES),
        ("lines", len(lines), README_LINES),
        ("characters in its longest line", max(map(len, lines)), LINE_LENGTH),
        *(("bytes of a picture", path.stat().st_size, PICTURE_BYTES) for path in pictures),
    ]
    problems = [
        f"README.md: {value:,} {what}; expected at most {most:,}"
        for what, value, most in measured
        if value > most
    ]
    return problems if pictures else [*problems, "README.md: shows no picture"]


def links(page: Path) -> list[Path]:
    """Return the files that a page links to; addresses on the web are left out."""
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    return [(page.parent / target).resolve() for target in targets]


def dead_links(page: Path) -> list[str]:
    """Return a page's links to what isn't there."""
    return [
        f"{page.relative_to(ROOT)}: links to {path}, which isn't there"
        for path in links(page)
        if not path.exists()
    ]


if __name__ == "__main__":
    sys.exit(main())
