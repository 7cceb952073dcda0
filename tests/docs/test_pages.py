"""What the documentation says about the code is what the code says, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.tables import ALL_SETTINGS, pages
from tests.shell import ROOT
from twotier.settings import SECTIONS

PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/*.md"), *ROOT.glob("data/*.md"), *ROOT.glob("loadtest/*.md")]


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_a_page_that_is_made_from_the_code(path: Path) -> None:
    """The page is what the code makes now; if not: python -m tests.docs.tables."""
    assert pages()[path] == path.read_text(encoding="utf-8")


def test_every_setting_is_described() -> None:
    """Each table of the file is on the page, and each setting says what it means."""
    assert list(SECTIONS) == [settings.section() for settings in ALL_SETTINGS]
    assert [] == [name for settings in ALL_SETTINGS for name, field in settings.model_fields.items() if not field.description]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link of the page is a file or folder of the repository."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    assert [] == [link for link in links if not (page.parent / link).exists()]


def test_every_decision_is_listed() -> None:
    """The list of decisions has each of them, in order, and each has the four parts."""
    decisions = sorted((ROOT / "docs/decisions").glob("0*.md"))
    listed = re.findall(r"\]\((0[^)]+)\)", (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8"))

    assert [decision.name for decision in decisions] == listed
    for decision in decisions:
        parts = re.findall(r"^## (.+)$", decision.read_text(encoding="utf-8"), re.MULTILINE)
        assert ["Context", "Decision", "Consequences", "Alternatives"] == parts, decision.name


def test_the_changelog_knows_this_version() -> None:
    """What changed is written under the next version, or under this one."""
    from twotier import __version__

    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert headings[0] in ("Unreleased", __version__)
