"""The tables of costs can be made anew, and are for every estimator of the families that they are made for."""

from __future__ import annotations

import re

import pytest

from tests.docs.costs import HEADS, table
from twotier.families import discover

IRIS = discover()["iris"]

pytestmark = pytest.mark.slow


def _cells(lines: list[str]) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in lines]


@pytest.mark.parametrize("what", ["versions", "models"])
def test_every_estimator_has_a_line(what: str) -> None:
    """Below the head there is a line for each, with a figure in each cell."""
    head, _, *lines = _cells(list(table(what, {}, [IRIS])))
    assert list(HEADS[what]) == head
    assert len(IRIS.estimators) == len(lines)
    for estimator, cells in zip(IRIS.estimators, lines, strict=True):
        assert re.fullmatch(rf"iris {estimator}(_\d+)?", cells[0])
        assert len(head) - 1 == len([cell for cell in cells[1:] if re.search(r"\d", cell)])


def test_training_has_a_line_for_each_engine_and_number_of_rows() -> None:
    """Each training is by the engine, and of the number of rows, that was asked for."""
    head, _, *lines = _cells(list(table("training", {"memory": [600], "stream": [600, 1_200]}, [])))
    assert list(HEADS["training"]) == head
    assert [["600", "`memory`"], ["600", "`stream`"], ["1,200", "`stream`"]] == [cells[:2] for cells in lines]
    assert all(re.fullmatch(r"[\d,]+ MiB", cells[2]) for cells in lines)
