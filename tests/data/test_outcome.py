"""What is expected of the generated rows of `outcome`: they are spread and written as their file and data/README.md say."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from tests.folders import DATA
from twotier.families.outcome import EVEN, FAMILY, NORMAL, ROWS, TARGET, WORDS, generate
from twotier.family import Batch

SAMPLE = 4_000


@pytest.fixture(scope="module")
def batch() -> Batch:
    """Some rows of a seed of their own."""
    (made,) = generate(7, SAMPLE)
    return made


def _there(batch: Batch, name: str) -> list[Any]:
    return [value for value in batch[name] if value is not None]


def test_there_are_a_hundred_columns() -> None:
    """The row's fields are x0 to x99 in this order, and every plain number is told once how it is spread."""
    assert [f"x{column}" for column in range(100)] == list(FAMILY.features)
    told = [column for spreads in (NORMAL, EVEN) for columns in spreads.values() for column in columns]
    assert 94 == len(told) == len(set(told))


def test_numbers_are_spread_as_told(batch: Batch) -> None:
    """Each plain number has the mean and deviation, or the limits, that its family of columns has; some of each are missing."""
    for (mean, deviation), columns in NORMAL.items():
        for column in columns:
            values = _there(batch, f"x{column}")
            assert abs(statistics.fmean(values) - mean) < deviation / 10
            assert 0.9 < statistics.stdev(values) / deviation < 1.1
    for (least, most), columns in EVEN.items():
        for column in columns:
            values = _there(batch, f"x{column}")
            assert least <= min(values) and max(values) <= most
            assert abs(statistics.fmean(values) - (least + most) / 2) < (most - least) / 20
    assert all(0 < batch[f"x{column}"].count(None) < SAMPLE / 20 for columns in (*NORMAL.values(), *EVEN.values()) for column in columns)


def test_money_percent_and_words(batch: Batch) -> None:
    """Money and percent are text as spreadsheets write it; words are of their lists, and only regions are missing."""
    assert all(value[0] in "$(" and value[-1] in " )" for value in batch["x12"])
    assert {"$", "("} == {value[0] for value in batch["x12"]}
    assert all(value.endswith("%") for value in batch["x63"])
    for name, words in WORDS.items():
        assert {*words, *([None] if name == "x31" else [])} == {*batch[name]}


def test_half_of_them_buy(batch: Batch) -> None:
    """The labels are 0 and 1, and about balanced."""
    assert {0, 1} == set(batch[TARGET])
    assert 0.45 < statistics.fmean(batch[TARGET]) < 0.55


def test_there_are_as_many_rows_as_told() -> None:
    """40,000 rows come in batches, so that they need not be in memory at once."""
    sizes = [len(made[TARGET]) for made in FAMILY.dataset.batches(DATA)]
    assert 40_000 == ROWS == sum(sizes)
    assert len(sizes) > 1


def test_seed_decides() -> None:
    """The same seed gives the same rows, another gives others."""
    assert list(generate(1, 20)) == list(generate(1, 20)) != list(generate(2, 20))
