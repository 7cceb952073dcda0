"""The page about models is about the estimators that there are, and its figures are those of today's code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.limits import TABLES, tables
from tests.folders import registry_over
from tests.shell import ROOT
from twotier.families import discover

PAGE = (ROOT / "docs/explanation/models.md").read_text(encoding="utf-8")
FAMILIES = discover()

_NUMBER = re.compile(r"\d+(?:\.\d+)?")

AS_GOOD_AS_EQUAL = 0.005
"""Another processor rounds otherwise; what has changed in the code is more."""


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _costs() -> dict[str, str]:
    """The held-out metrics of the page's first table, by estimator."""
    _, first = PAGE.split("| estimator |", 1)
    lines = first.partition("\n\n")[0].splitlines()[2:]
    return {cells[0]: cells[1] for cells in map(_cells, lines)}


def _alike(one: str, other: str) -> bool:
    """Whether both say the same, with numbers that are as good as equal."""
    numbers, others = ([float(number) for number in _NUMBER.findall(text)] for text in (one, other))
    return _NUMBER.sub("#", one) == _NUMBER.sub("#", other) and numbers == pytest.approx(others, abs=AS_GOOD_AS_EQUAL)


def test_every_estimator_is_on_the_page() -> None:
    """Each has a line, in the order of the code, and there is no other."""
    assert [f"{name} {estimator}" for name, family in FAMILIES.items() for estimator in family.estimators] == list(_costs())


@pytest.mark.parametrize("family", FAMILIES)
def test_held_out_metrics_are_those_of_the_code(all_trained: Path, family: str) -> None:
    """What a training has just found on held-out rows is what the page says of that estimator."""
    with registry_over(all_trained) as registry:
        (version,) = registry.versions(family)
    told = ", ".join(f"{metric} {value:.3f}" for metric, value in version.metrics["test"].items())
    said = _costs()[f"{family} {version.estimator}"]
    assert _alike(said, told), (said, told)
    assert not _alike(said, told.replace("accuracy 0.", "accuracy 1.")), "the comparison would let anything pass"


@pytest.mark.slow
@pytest.mark.parametrize("family", TABLES)
def test_limits_are_those_of_the_code(family: str) -> None:
    """Each line of the tables of where the family's models stop serving well is on the page."""
    on_page = [line for line in PAGE.splitlines() if line.startswith("|")]
    made = [line for table in tables(family) for line in table.splitlines()]
    assert [] == [line for line in made if not any(_alike(line, other) for other in on_page)]


def test_every_family_has_limits() -> None:
    """A family whose models are on the page has a table of where they stop serving well."""
    assert set(FAMILIES) == set(TABLES)
