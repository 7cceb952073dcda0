"""What is expected of data/raw/iris.csv, as its datasheet data/README.md tells it."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter

import pytest

from tests.folders import DATA
from twotier.families.iris import FAMILY

PATH = DATA / "raw" / "iris.csv"

with PATH.open(newline="", encoding="utf-8") as _file:
    ROWS = {int(row["Id"]): row for row in csv.DictReader(_file)}

LENGTHS = FAMILY.features


def _lengths(number: int) -> tuple[float, ...]:
    return tuple(float(ROWS[number][name]) for name in LENGTHS)


def test_file_is_the_very_file() -> None:
    """The file is, to the byte, the one that the reference accuracies were measured on."""
    assert "717820ef0af287ff346c5cabfb4c612c" == hashlib.md5(PATH.read_bytes(), usedforsecurity=False).hexdigest()


def test_header_and_rows() -> None:
    """There are 150 rows, numbered from 1, with an id, the family's features in their order, and the species."""
    with PATH.open(encoding="utf-8") as file:
        assert ["Id", *LENGTHS, FAMILY.dataset.target] == file.readline().strip().split(",")
    assert list(range(1, 151)) == list(ROWS)


def test_species_are_balanced() -> None:
    """There are 50 flowers of each species, one species after the other."""
    species = [row["Species"] for row in ROWS.values()]
    assert {"Iris-setosa": 50, "Iris-versicolor": 50, "Iris-virginica": 50} == Counter(species)
    assert sorted(species) == species


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("SepalLengthCm", 4.3, 7.9), ("SepalWidthCm", 2.0, 4.4), ("PetalLengthCm", 1.0, 6.9), ("PetalWidthCm", 0.1, 2.5)],
)
def test_lengths_are_within_their_ranges(name: str, least: float, most: float) -> None:
    """Each length is a whole number of millimetres, and goes from the documented least to the documented most."""
    values = [float(row[name]) for row in ROWS.values()]
    assert (least, most) == (min(values), max(values))
    assert [value for value in values if round(value * 10) / 10 != value] == []


def test_nothing_is_missing() -> None:
    """Every cell is filled."""
    assert [] == [(number, name) for number, row in ROWS.items() for name, cell in row.items() if not cell]


def test_errata_are_left_as_they_are() -> None:
    """The two rows that differ from Fisher's paper, 35 and 38, are as in the UCI copy."""
    assert ((4.9, 3.1, 1.5, 0.1), (4.9, 3.1, 1.5, 0.1)) == (_lengths(35), _lengths(38))


def test_duplicates_are_known() -> None:
    """Flowers 10, 35 and 38 are alike, and so are 102 and 143; no others are."""
    alike: dict[tuple[float, ...], list[int]] = {}
    for number in ROWS:
        alike.setdefault(_lengths(number), []).append(number)
    assert [[10, 35, 38], [102, 143]] == [numbers for numbers in alike.values() if len(numbers) > 1]


def test_setosa_stands_apart() -> None:
    """Setosa's petals are all shorter than those of the others: a model that cannot tell it apart is broken."""
    petals: dict[str, list[float]] = {row["Species"]: [] for row in ROWS.values()}
    for row in ROWS.values():
        petals[row["Species"]].append(float(row["PetalLengthCm"]))
    assert (1.9, 3.0) == (max(petals["Iris-setosa"]), min(petals["Iris-versicolor"] + petals["Iris-virginica"]))
