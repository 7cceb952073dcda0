"""Raw data -> rows that the family's own `Row` has accepted, so that training and serving see the same types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from twotier.errors import ConfigurationError
from twotier.family import Batch, Family, Row


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows whose answers are known."""

    rows: list[list[Any]]
    """(rows, features): each row's values in feature order, as the family's `Row` has read them."""

    labels: list[Any]
    """As many as there are rows, in the same order."""


def read(family: Family, data: Path) -> Labelled:
    """Read all raw data of the family from the data folder. Raises what `batches` raises."""
    every = Labelled([], [])
    for batch in batches(family, data):
        every.rows.extend(batch.rows)
        every.labels.extend(batch.labels)
    return every


def batches(family: Family, data: Path) -> Iterator[Labelled]:
    """Read the raw data of the family batch by batch; none of them is empty.

    Raises ConfigurationError, which names the source, the row (counted from 1) and the column, for the first row that a caller would
    not be allowed to send, or that has no label; and if there are no rows.
    """
    source = data / family.dataset.source
    done = 0
    for batch in family.dataset.batches(data):
        made = Labelled([], [])
        for number, (raw, label) in enumerate(_pairs(family, batch, source), done + 1):
            # A `Row` takes several times the memory of its values, and there may be many.
            made.rows.append(family.values(accept(family, raw, f"{source}, row {number}")))
            made.labels.append(label)
            if label is None:
                raise ConfigurationError(f"{source}, row {number}, column {family.dataset.target}: a label is missing")
        if made.rows:
            yield made
        done += len(made.rows)
    if not done:
        raise ConfigurationError(f"{source} has no rows: there is nothing to train {family.name} on")


def _pairs(family: Family, batch: Batch, source: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each row of a batch of columns, and its label."""
    wanted = (*family.features, family.dataset.target)
    if lacking := [name for name in wanted if name not in batch]:
        raise ConfigurationError(f"{source}: the dataset of {family.name} yields no column {', '.join(lacking)}")
    if len({len(batch[name]) for name in wanted}) > 1:
        raise ConfigurationError(f"{source}: the dataset of {family.name} yields columns of unequal length")
    for *values, label in zip(*(batch[name] for name in wanted), strict=True):
        yield dict(zip(family.features, values, strict=True)), label


def accept(family: Family, raw: Mapping[str, Any], where: str) -> Row:
    """Check one row as a caller would send it. Raises ConfigurationError, which says where the row is, its column and what is wrong."""
    try:
        return family.row.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        column = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{where}, column {column}: {first['msg']}") from None
