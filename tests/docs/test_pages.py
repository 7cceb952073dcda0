"""What the documentation says about the code is what the code says, and its links lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from loadtest.compare.headline import BEGIN, END, headline
from loadtest.compare.report import markdown
from tests.docs.tables import ALL_SETTINGS, pages
from tests.shell import ROOT
from twotier.settings import SECTIONS

FOLDERS = (".", ".github", "data", "deploy/**", "docs/**", "loadtest", "model_training/**")
PAGES = [page for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md")]


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_a_page_that_is_made_from_the_code(path: Path) -> None:
    """The page is what the code makes now; if not: python -m tests.docs.tables."""
    assert pages()[path] == path.read_text(encoding="utf-8")


def test_the_published_comparison_is_what_was_measured() -> None:
    """The page and the README's table are those of the raw values; if not: make compare."""
    run = json.loads((ROOT / "loadtest/RESULTS.json").read_text(encoding="utf-8"))

    assert markdown(run) == (ROOT / "loadtest/RESULTS.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n{headline(run)}\n\n{END}" in (ROOT / "README.md").read_text(encoding="utf-8")


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
