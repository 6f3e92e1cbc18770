"""The pages that people read, and what stands in them: tables, headings, links, code."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.conftest import REPOSITORY

README = REPOSITORY / "README.md"
REFERENCE = sorted((REPOSITORY / "docs").glob("*.md"))
RUNBOOK = REPOSITORY / "deploy" / "RUNBOOK.md"
CARDS = sorted((REPOSITORY / "model_store" / "models").glob("*/README.md"))
PAGES = [README, *REFERENCE, *sorted((REPOSITORY / "deploy").rglob("*.md")), *CARDS]
CHANGES = REPOSITORY / "CHANGELOG.md"
"""It tells of what was, too."""

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")


def name_of(page: Path) -> str:
    """The page as a test is called by it."""
    return str(page.relative_to(REPOSITORY))


def rows(head: str) -> Iterator[Sequence[str]]:
    """The cells of each row of every table with that head, on whatever page."""
    for page in PAGES:
        for table in page.read_text().split(f"{head}\n")[1:]:
            for line in table.split("\n\n", 1)[0].splitlines()[1:]:
                yield [cell.strip() for cell in line.strip("|").split(" | ")]


def anchors(page: Path) -> set[str]:
    """Where a link into the page may lead, as GitHub makes it of headings."""
    titles = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text()), re.MULTILINE)
    seen: Counter[str] = Counter()
    found: set[str] = set()
    for title in titles:
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def links(page: Path) -> list[str]:
    """The targets of the page's links."""
    return re.findall(r"\]\(([^)\s]+)\)", _CODE.sub("", _FENCED.sub("", page.read_text())))


def fenced(page: Path, language: str) -> list[str]:
    """The page's blocks of that language."""
    return [block for told, block in _FENCED.findall(page.read_text()) if told == language]


def spans(page: Path) -> list[str]:
    """What stands between backticks within the page's sentences, each on one line."""
    return [" ".join(span.split()) for span in _CODE.findall(_FENCED.sub("", page.read_text()))]
