"""Raw data as a table of the ledger."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.registry.kit import IRIS, publish
from twotier.errors import ConfigurationError
from twotier.family import Batch, Family
from twotier.registry import Registry

RAW = Path(__file__).parents[3] / "data"


def family(batches: list[Batch], fingerprint: str = "1", table: str | None = "flowers") -> Family:
    """A family whose raw data is that."""
    dataset = replace(IRIS.dataset, batches=lambda _: iter(batches), fingerprint=lambda _: fingerprint, table=table)
    return replace(IRIS, dataset=dataset)


def read(data: Path, table: str) -> tuple[str, list[tuple[object, ...]]]:
    """The table's definition and rows, as anybody would read them."""
    with sqlite3.connect(data / "database.sqlite") as connection:
        (made,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    connection.close()
    return re.sub(r"\s+", " ", made), rows


def test_iris(registry: Registry, data: Path) -> None:
    """The raw flowers become the table `iris`: 150 rows, numbered from 1, numbers as FLOAT and the species as TEXT."""
    assert registry.mirror(IRIS, RAW)
    made, rows = read(data, "iris")
    columns = '"SepalLengthCm" FLOAT, "SepalWidthCm" FLOAT, "PetalLengthCm" FLOAT, "PetalWidthCm" FLOAT, "Species" TEXT'
    assert f'CREATE TABLE iris ( "Id" INTEGER NOT NULL, {columns}, PRIMARY KEY ("Id") )' == made
    assert (150, (1, 5.1, 3.5, 1.4, 0.2, "Iris-setosa"), 150) == (len(rows), rows[0], rows[-1][0])


def test_kept_while_current(registry: Registry, data: Path) -> None:
    """The copy is made once, made anew when the raw data or its columns change, and made again if it was dropped."""
    rows: list[Batch] = [{"x": [1.0]}]
    assert [True, False] == [registry.mirror(family(rows), data) for _ in range(2)]
    assert registry.mirror(family([{"x": [2.0]}], fingerprint="2"), data)
    assert [(1, 2.0)] == read(data, "flowers")[1]
    assert registry.mirror(family([{"y": [2.0]}], fingerprint="2"), data)
    with sqlite3.connect(data / "database.sqlite") as connection:
        connection.execute("DROP TABLE flowers")
    connection.close()
    assert registry.mirror(family([{"y": [2.0]}], fingerprint="2"), data)
    assert [(1, 2.0)] == read(data, "flowers")[1]


def test_kinds_and_batches(registry: Registry, data: Path) -> None:
    """Ids count on over batches; missing values are NULL; a column with no number in it is TEXT."""
    batches: list[Batch] = [{"a": [1, None], "b": ["u", None], "c": [None, None]}, {"a": [2.5], "b": ["v"], "c": ["w"]}]
    registry.mirror(family(batches), data)
    made, rows = read(data, "flowers")
    assert "a FLOAT, b TEXT, c TEXT" in made
    assert [(1, 1.0, "u", None), (2, None, None, None), (3, 2.5, "v", "w")] == rows


def test_no_table_wanted(registry: Registry, data: Path) -> None:
    """A family that names no table gets none."""
    assert not registry.mirror(family([{"x": [1.0]}], table=None), data)


def test_no_rows(registry: Registry, data: Path) -> None:
    """Without rows there is nothing to make a table of, and that is said."""
    with pytest.raises(ConfigurationError, match="no rows to make the table 'flowers' of"):
        registry.mirror(family([]), data)


@pytest.mark.parametrize("table", ["version", "alias", "mirror"])
def test_never_over_another_table(registry: Registry, data: Path, table: str) -> None:
    """A dataset whose table is called as one of the ledger's own is refused, and the ledger is as it was."""
    version = publish(registry)
    with pytest.raises(ConfigurationError, match=f"another table '{table}'"):
        registry.mirror(family([{"x": [1.0]}], table=table), data)
    assert [version] == registry.versions("iris")


def test_all_or_nothing(registry: Registry, data: Path) -> None:
    """If reading the raw data fails half-way, the former copy stays whole."""

    def broken(_: Path) -> Iterator[Batch]:
        yield {"x": [8.0]}
        raise ConfigurationError("the raw file ends early")

    registry.mirror(family([{"x": [1.0]}]), data)
    with pytest.raises(ConfigurationError, match="ends early"):
        registry.mirror(replace(IRIS, dataset=replace(family([], "2").dataset, batches=broken)), data)
    assert [(1, 1.0)] == read(data, "flowers")[1]
