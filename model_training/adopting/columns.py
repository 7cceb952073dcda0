"""A sample of rows -> what its columns are: types, ranges, choices, gaps, and names that Python can have."""

from __future__ import annotations

import csv
import keyword
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twotier.datasets import csv_dataset, truth
from twotier.errors import ConfigurationError
from twotier.family import Row

MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null")
"""Cells that are read as no value."""

MAX_CHOICES = 20
"""Text with more different values than this, or hardly a value twice, is free text."""

MAX_TEXT = 1_000
"""Most characters that free text is allowed, unless the sample has longer."""

# What float() and int() would also read, such as 1_000 or inf, is text here. A leading nought is a sign of a code, such as 00123.
_WHOLE = re.compile(r"\s*[+-]?(0|[1-9][0-9]{0,17})\s*\Z")
_NUMBER = re.compile(r"\s*[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*\Z")
_TRUTH = re.compile(r"(true|false)\Z", re.IGNORECASE)

_TAKEN = frozenset({"bool", "feature", "float", "int", "str", "Literal", *keyword.kwlist, *keyword.softkwlist})
"""Names that a field of the family file may not have, beside those of every row."""


@dataclass(frozen=True, slots=True)
class Column:
    """One feature, as the sample shows it."""

    name: str
    """As in the sample's header."""

    field: str
    """As in Python."""

    kind: type[bool | int | float | str]
    nullable: bool

    values: Sequence[Any]
    """One per row of the sample, read; None where there is none."""

    choices: tuple[str, ...] = ()
    """The values that text may have, if they are few."""

    @property
    def known(self) -> list[Any]:
        """The values that are not missing: at least one."""
        return [value for value in self.values if value is not None]

    @property
    def bounds(self) -> tuple[float, float]:
        """What a number may be: the sample's span and as much again on either side, but no other sign than it has in the sample."""
        least, most = min(self.known), max(self.known)
        room = most - least or abs(most) or 1
        low, high = _outward(least - room, math.floor), _outward(most + room, math.ceil)
        low, high = (max(low, 0) if least >= 0 else low), (min(high, 0) if least < most <= 0 else high)
        return (int(low), int(high)) if self.kind is int else (low, high)


def header(path: Path) -> list[str]:
    """Give the names of a CSV file's columns. Raises ConfigurationError if it has none, or one twice."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            names = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"the sample {path} cannot be read as CSV: {error}") from None
    if not names or len(set(names)) < len(names):
        raise ConfigurationError(f"the sample {path} must begin with a line of names, each once")
    return names


def cells(path: Path, names: Sequence[str]) -> Mapping[str, list[str | None]]:
    """Read some columns of a CSV file as text; None is a missing value. Raises ConfigurationError."""
    if lacking := set(names) - set(header(path)):
        raise ConfigurationError(f"the sample {path} has no column {', '.join(sorted(lacking))}, and the model wants it: see its header")
    dataset = csv_dataset(path.name, target="", columns=dict.fromkeys(names, str), missing=MISSING)
    made: dict[str, list[str | None]] = {name: [] for name in names}
    for batch in dataset.batches(path.parent):
        for name, column in batch.items():
            made[name] += column
    return made


def columns(given: Mapping[str, Sequence[str | None]], known: Mapping[str, Collection[str]]) -> list[Column]:
    """Infer what each column is; `known` has further choices of some, which the model has learnt. Raises ConfigurationError."""
    fields = python_names(given)
    return [_column(name, field, texts, known.get(name, ())) for (name, texts), field in zip(given.items(), fields, strict=True)]


def _column(name: str, field: str, texts: Sequence[str | None], further: Collection[str]) -> Column:
    present = [text for text in texts if text is not None]
    if not present:
        raise ConfigurationError(f"column {name} has no value in the sample: add rows that have one")
    kind, read = kind_of(present)
    values = [None if text is None else read(text) for text in texts]
    few = len(set(present)) <= min(MAX_CHOICES, max(len(present) / 2, 1))
    choices = tuple(sorted({*present, *further})) if kind is str and few else ()
    return Column(name, field, kind, len(present) < len(texts), values, choices)


def kind_of(texts: Collection[str]) -> tuple[type[bool | int | float | str], Callable[[str], Any]]:
    """The narrowest type that all of these texts are of, and how one of them is read."""
    if all(map(_TRUTH.match, texts)):
        return bool, truth
    if all(map(_WHOLE.match, texts)):
        return int, int
    if all(map(_NUMBER.match, texts)) and all(math.isfinite(float(text)) for text in texts):
        return float, float
    return str, str


def python_names(names: Iterable[str]) -> list[str]:
    """Names that a row's fields may have, each once, as near to the given ones as can be."""
    made: list[str] = []
    for name in names:
        plain = re.sub("[^0-9A-Za-z_]+", "_", name).strip("_")
        if not plain or plain[0].isdigit() or plain in _TAKEN or hasattr(Row, plain):
            plain = f"column_{plain or len(made) + 1}"
        candidate, number = plain, 2
        while candidate in made:
            candidate, number = f"{plain}_{number}", number + 1
        made.append(candidate)
    return made


def _outward(value: float, rounded: Callable[[float], int]) -> float:
    """Round to two significant digits."""
    if value == 0:
        return value
    step = 1 - math.floor(math.log10(abs(value)))
    return float(f"{rounded(value * 10.0**step)}e{-step}")
