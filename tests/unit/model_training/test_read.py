"""Raw data is read as callers' rows are, and what is wrong with it is named by source, row and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model_training.pipelines.read import accept, read
from tests.examples import CoinRow, family, grid, rows_in_memory
from tests.folders import DATA
from twotier.datasets import csv_dataset
from twotier.errors import ConfigurationError
from twotier.families import discover
from twotier.family import Dataset, feature

ANYWHERE = Path("data")


def _row(**changes: Any) -> dict[str, Any]:
    return {"a": 1.0, "b": 2.0, "label": "high"} | changes


def test_rows_and_labels_keep_their_order() -> None:
    """Every row of every batch is there, in the order of the source, beside its own label."""
    data = read(family(), ANYWHERE)
    assert [[row["a"], row["b"]] for row in grid()] == data.rows
    assert [row["label"] for row in grid()] == data.labels


def test_rows_are_of_the_family() -> None:
    """What is read is the very type that the gateway makes of a request, with the same conversions."""
    data = read(family(dataset=rows_in_memory([_row(a=3)])), ANYWHERE)
    assert [[3.0, 2.0]] == data.rows
    assert float is type(data.rows[0][0])


def test_iris_is_read_whole() -> None:
    """All 150 flowers are read, the first and the last as they stand in the file."""
    iris = discover()["iris"]
    data = read(iris, DATA)
    assert 150 == len(data.rows) == len(data.labels)
    assert [[5.1, 3.5, 1.4, 0.2], [5.9, 3.0, 5.1, 1.8]] == [data.rows[0], data.rows[-1]]
    assert ["Iris-setosa", "Iris-virginica"] == [data.labels[0], data.labels[-1]]


def test_missing_value_is_none_where_the_row_allows_it() -> None:
    """A cell that is missing reaches a field that may be absent as None."""

    class Gappy(CoinRow):
        gap: float | None = feature("May be absent", example=1.0, default=None)

    data = read(family(row=Gappy, dataset=rows_in_memory([_row(gap=None), _row(gap=1.5)])), ANYWHERE)
    assert [None, 1.5] == [row[2] for row in data.rows]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": None}, "data/memory, row 3, column a: Input should be a valid number"),
        ({"a": "1"}, "data/memory, row 3, column a: Input should be a valid number"),
        ({"b": 100.5}, "data/memory, row 3, column b: Input should be less than or equal to 100"),
        ({"b": float("nan")}, "data/memory, row 3, column b: Input should be"),
        ({"label": None}, "data/memory, row 3, column label: a label is missing"),
    ],
)
def test_bad_row_is_named(change: dict[str, Any], message: str) -> None:
    """A row that no caller might send, and a row without a label, are errors that name source, row and column."""
    rows = [_row(), _row(), _row(**change), _row()]
    with pytest.raises(ConfigurationError, match=message):
        read(family(dataset=rows_in_memory(rows)), ANYWHERE)
    assert 4 == len(read(family(dataset=rows_in_memory([_row()] * 4)), ANYWHERE).rows)


def test_bad_row_of_a_file_is_named(tmp_path: Path) -> None:
    """A file's bad row is named by the file and by its number below the header."""
    (tmp_path / "coin.csv").write_text("a,b,label\n1,2,high\n1,999,high\n", encoding="utf-8")
    coin = family(dataset=csv_dataset("coin.csv", target="label", columns={"a": float, "b": float, "label": str}))
    with pytest.raises(ConfigurationError, match=rf"{tmp_path}/coin\.csv, row 2, column b: .*less than or equal to 100"):
        read(coin, tmp_path)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "has no rows: there is nothing to train coin on"),
        ([{"a": [], "b": [], "label": []}], "has no rows"),
        ([{"a": [1.0]}], "the dataset of coin yields no column b, label"),
        ([{"a": [1.0], "b": [1.0, 2.0], "label": ["x"]}], "the dataset of coin yields columns of unequal length"),
    ],
)
def test_odd_dataset_is_named(batches: list[dict[str, list[Any]]], message: str) -> None:
    """A dataset that yields no rows, too few columns or ragged ones is an error that says whose it is."""
    dataset = Dataset(source="memory", target="label", batches=lambda data: iter(batches), fingerprint=lambda data: "0" * 64)
    with pytest.raises(ConfigurationError, match=message):
        read(family(dataset=dataset), ANYWHERE)


def test_accept_says_where() -> None:
    """A refused row is told by the caller's own name for its place."""
    assert CoinRow(a=1.0, b=1.0) == accept(family(), {"b": 1, "a": 1}, "here")
    with pytest.raises(ConfigurationError, match="^example 1, column b: Field required$"):
        accept(family(), {"a": 1}, "example 1")
