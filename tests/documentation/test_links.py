"""Every link leads somewhere, and every page of reference is found from the README."""

from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.documentation.pages import CHANGES, PAGES, README, REFERENCE, anchors, links, name_of


def leads(page: Path, target: str) -> bool:
    """Whether a link of that page leads to a file of ours, and to a heading in it; other servers are not asked."""
    if "://" in target:
        return True
    file, _, anchor = target.partition("#")
    there = (page.parent / file).resolve() if file else page
    return there.is_relative_to(REPOSITORY) and there.exists() and (not anchor or anchor in anchors(there))


@pytest.mark.parametrize("page", [*PAGES, CHANGES], ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [target for target in links(page) if not leads(page, target)] == []


@pytest.mark.parametrize("target", ["docs/nowhere.md", "#nothing-so-called", "docs/http.md#nothing", "../outside.md"])
def test_a_link_that_leads_nowhere_is_found(target: str) -> None:
    assert not leads(README, target)


def test_every_page_of_reference_is_linked_from_the_readme() -> None:
    linked = {(README.parent / target.partition("#")[0]).resolve() for target in links(README)}
    assert [name_of(page) for page in REFERENCE if page not in linked] == []
