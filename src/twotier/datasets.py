"""Ready-made `Dataset` values for family files, free of numpy and pandas."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping
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
    delimiter: str = ",",
    missing: tuple[str, ...] = ("", "NA"),
) -> Dataset:
    """Describe a delimited text file with a header.

    `source` is relative to the data folder. `columns` maps each feature and the target to the function that reads its cell; other
    columns are left out. A cell that is one of `missing` is read as None.
    """

    def batches(data: Path) -> Iterator[Batch]:
        with _open(data / source) as file:
            reader = csv.DictReader(file, delimiter=delimiter)
            if lacking := columns.keys() - set(reader.fieldnames or ()):
                raise ConfigurationError(f"{data / source} has no column {', '.join(sorted(lacking))}: see its header")
            while rows := list(islice(reader, ROWS_PER_BATCH)):
                yield {name: [None if row[name] in missing else read(row[name]) for row in rows] for name, read in columns.items()}

    def fingerprint(data: Path) -> str:
        with _open(data / source, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return Dataset(source=source, target=target, batches=batches, fingerprint=fingerprint, table=table)


def _open(path: Path, mode: str = "r") -> Any:
    try:
        return path.open(mode) if "b" in mode else path.open(mode, newline="", encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"there is no raw data at {path}: run from the repository's root, or set TWOTIER_DATA") from None
