"""Ready-made `Dataset` values for family files, free of numpy and pandas."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from twotier.errors import ConfigurationError
from twotier.family import Batch, Dataset

ROWS_PER_BATCH = 10_000


def csv_dataset(
    source: str,
    *,
    target: str,
    columns: Mapping[str, Callable[[str], Any]],
    table: str | None = None,
    header: Sequence[str] | None = None,
    delimiter: str = ",",
    quotes: bool = True,
    missing: tuple[str, ...] = ("", "NA"),
) -> Dataset:
    """Describe a delimited text file with a header; `header` gives the names of all columns of a file that has none.

    `source` is relative to the data folder. `columns` maps each feature and the target to the function that reads its cell; other
    columns are left out. Without `quotes`, a quotation mark is a character like any other. A cell that is one of `missing` is read as
    None. Rows are counted from 1, the header not among them.
    """

    def batches(data: Path) -> Iterator[Batch]:
        path = data / source
        with _open(path) as file:
            reader = csv.DictReader(file, header, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE)
            try:
                if lacking := columns.keys() - set(reader.fieldnames or ()):
                    raise ConfigurationError(f"{path} has no column {', '.join(sorted(lacking))}: see its header")
                done = 0
                while rows := list(islice(reader, ROWS_PER_BATCH)):
                    yield {name: _column(path, name, read, missing, rows, done + 1) for name, read in columns.items()}
                    done += len(rows)
            except (csv.Error, UnicodeDecodeError) as error:
                raise ConfigurationError(f"{path}, after line {reader.line_num}, is not delimited UTF-8 text: {error}") from None

    def fingerprint(data: Path) -> str:
        with _open(data / source, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return Dataset(source=source, target=target, batches=batches, fingerprint=fingerprint, table=table)


def truth(cell: str) -> bool:
    """Read a cell that says true or false, in whichever case. Raises ValueError for any other."""
    try:
        return {"true": True, "false": False}[cell.lower()]
    except KeyError:
        raise ValueError("neither true nor false") from None


def _column(
    path: Path, name: str, read: Callable[[str], Any], missing: tuple[str, ...], rows: Sequence[Mapping[Any, Any]], first: int
) -> list[Any]:
    """Read one column of some rows; `first` is the number of the first of them."""
    values = []
    for number, row in enumerate(rows, first):
        # csv.DictReader gives a row that is too short None for what it lacks, and one that is too long a key None for what is left over.
        if row[name] is None or None in row:
            raise ConfigurationError(f"{path}, row {number}, has not as many cells as the header")
        try:
            values.append(None if row[name] in missing else read(row[name]))
        except ValueError as error:
            raise ConfigurationError(f"{path}, row {number}, column {name}: {error}") from None
    return values


def _open(path: Path, mode: str = "r") -> Any:
    try:
        return path.open(mode) if "b" in mode else path.open(mode, newline="", encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(
            f"there is no raw data at {path}: run where it is, or set TWOTIER_DATA;"
            " to do without the families that come with twotier, set TWOTIER_SHIPPED=false"
        ) from None
