"""What a caller sent -> rows that keep their schema, or what is wrong with them, cell by cell.

One rule decides the shape. A list is a list of rows. An object is one row if any of its names is a feature or an alias of one; otherwise,
if any of its values is an object, it is a keyed object of rows; otherwise it is one row (whose names are all unknown).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import ValidationError

from twotier.errors import Fault, InputRefused
from twotier.family import Family
from twotier.gateway.pointers import MAX_FAULTS, clean, pointer

__all__ = ["Path", "Refusal", "Rows", "RowReader", "Shape", "Where", "keyed", "refusal"]

_MAX_DETAIL = 200

Path = tuple[str | int, ...]
"""Names and indexes, from the outside in."""

Where = Callable[..., str]
"""Gives the JSON pointer to a row (nothing given), or to what a path leads to in it."""


class Shape(Enum):
    """How rows came, and so how their answers go."""

    ONE = "one row"
    LIST = "a list of rows"
    KEYED = "a keyed object of rows"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as they came, not yet validated."""

    shape: Shape
    items: Iterable[Any]
    """In order. Those that came in a form of their own are made while they are read, and so are read once."""

    count: int
    keys: Sequence[str] = ()
    """The caller's keys, if the rows are keyed."""

    place: Callable[[int, Path], Path] | None = None
    """Where what a row has under a name (no name: the row itself) stands in what was sent, if it was sent in a form of its own."""

    def pointer(self, index: int, *inner: str | int) -> str:
        """The JSON pointer to a row, or to something in it, in what was sent."""
        if self.place is not None:
            return pointer(self.place(index, inner))
        if self.shape is Shape.KEYED:
            return pointer((self.keys[index], *inner))
        return pointer((index, *inner) if self.shape is Shape.LIST else inner)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is wrong with one row: the first few faults, and how many there are."""

    faults: list[Fault]
    count: int


def keyed(document: Mapping[str, Any]) -> Rows:
    """Rows by key."""
    return Rows(Shape.KEYED, document.values(), len(document), list(document))


class RowReader:
    """Reads rows of one family."""

    def __init__(self, family: Family, max_rows: int) -> None:
        self._values = family.values
        self._validate = family.row.__pydantic_validator__.validate_python
        self._features = frozenset(family.features)
        self._aliases = family.aliases
        self._names = [*family.features, *family.aliases]
        self._max_rows = max_rows

    def check_count(self, rows: Rows) -> None:
        """Raise InputRefused if there is no row, or too many: their number is part of the schema."""
        if not rows.count:
            raise _whole(f"{rows.shape.value} with no row in it: send at least one row")
        if rows.count > self._max_rows:
            raise _whole(f"{rows.count} rows are too many for one call: send at most {self._max_rows}")

    def rows(self, document: Any) -> Rows:
        """Tell the shape. Raises InputRefused for what holds no row in any shape."""
        if isinstance(document, list):
            return Rows(Shape.LIST, document, len(document))
        if not isinstance(document, dict):
            words = "rows are objects: send one, a list of them, or an object of them"
            raise InputRefused(words, [Fault("", "must be an object or a list")])
        if not document:
            raise _whole("an empty object is no row, and holds none: send at least one row")
        if document.keys().isdisjoint(self._names) and any(isinstance(value, dict) for value in document.values()):
            return keyed(document)
        return Rows(Shape.ONE, [document], 1)

    def read(self, row: Any, where: Where) -> list[Any] | Refusal:
        """The row's values in feature order, or what is wrong with it; `where` is the pointer to it, or to something in it."""
        # This is the path of every good row: no name needs looking at if all of them are features.
        if isinstance(row, dict) and row.keys() <= self._features:
            try:
                return self._values(self._validate(row))
            except ValidationError as error:
                return refusal(error, where, {})
        return self._read_renamed(row, where)

    def _read_renamed(self, row: Any, where: Where) -> list[Any] | Refusal:
        """Read a row some of whose names are aliases or unknown."""
        if not isinstance(row, dict):
            return Refusal([Fault(where(), "must be an object: one row, with its features by name")], 1)
        renamed: dict[str, Any] = {}
        spelled: dict[str, str] = {}
        faults: list[Fault] = []
        count = 0
        for name, value in row.items():
            feature = name if name in self._features else self._aliases.get(name)
            if feature is not None and feature not in renamed:
                renamed[feature] = value
                spelled[feature] = name
                continue
            count += 1
            if count <= MAX_FAULTS:
                detail = self._unknown(name) if feature is None else f"is given twice, also as {spelled[feature]}"
                faults.append(Fault(where(name), detail))
        try:
            read = self._values(self._validate(renamed))
        except ValidationError as error:
            others = refusal(error, where, spelled)
            return Refusal([*faults, *others.faults][:MAX_FAULTS], count + others.count)
        return Refusal(faults, count) if count else read

    def _unknown(self, name: str) -> str:
        # Comparing is quadratic in length, so what was sent is shortened first.
        near = difflib.get_close_matches(clean(name), self._names, n=1)
        return f"is no feature; did you mean {near[0]}?" if near else "is no feature"


def _whole(detail: str) -> InputRefused:
    """What is wrong is the body as a whole."""
    return InputRefused(detail, [Fault("", detail)])


def refusal(error: ValidationError, where: Where, spelled: dict[str, str]) -> Refusal:
    """What pydantic found, at the names that the caller used."""
    return Refusal(list(_faults(error, where, spelled)), error.error_count())


def _faults(error: ValidationError, where: Where, spelled: dict[str, str]) -> Iterator[Fault]:
    for found in error.errors(include_url=False, include_input=False, include_context=False)[:MAX_FAULTS]:
        # What a validator of the whole row finds is at no name.
        named = [spelled.get(str(feature), feature) for feature in found["loc"][:1]]
        yield Fault(where(*named, *found["loc"][1:]), found["msg"].replace("Input should", "should", 1)[:_MAX_DETAIL])
