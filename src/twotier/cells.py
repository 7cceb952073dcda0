"""Field types for rows that are sent as spreadsheets write them: numbers as text, money, percent, and cells with nothing in them.

A type's parser and its JSON Schema share one pattern, so that what is documented is what is read. Missing values become None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

__all__ = ["Money", "Number", "Percent", "choice"]

_DIGITS = r"[0-9]+(\.[0-9]*)?|\.[0-9]+"
_PLAIN = rf"[-+]?({_DIGITS})([eE](-[0-9]{{1,3}}|\+?[0-9]{{1,2}}))?"
_SUM = rf"\$? ?([0-9]{{1,3}}(,[0-9]{{3}})+(\.[0-9]*)?|{_DIGITS})"
_MOST = 40

_NUMBER = rf"^ *({_PLAIN})? *$"
_MONEY = rf"^ *({_PLAIN}|-?{_SUM}|\(({_SUM})\))? *$"
_PERCENT = rf"^ *(({_PLAIN}) ?%?)? *$"

_WRITTEN = str.maketrans({"(": "-", ")": None, "$": None, ",": None, "%": None, " ": None})
"""What is left of a cell that fits its pattern is a number; parentheses make a sum negative."""


def _parser(pattern: str, such_as: str) -> BeforeValidator:
    # `\Z` where JSON Schema, whose `$` is strict, says `$`.
    fits: Callable[[str], Any] = re.compile(pattern.removesuffix("$") + r"\Z").match

    def parse(cell: Any) -> Any:
        """Text -> number or None; anything else is for the field's own type to judge."""
        if type(cell) is not str:
            return cell
        if len(cell) > _MOST or not fits(cell):
            raise PydanticCustomError("cell", "Input should be {such_as}", {"such_as": such_as})
        try:
            return float(cell)
        except ValueError:
            bare = cell.translate(_WRITTEN)
            return float(bare) if bare else None

    text = Annotated[str, Field(pattern=pattern, max_length=_MOST)]
    return BeforeValidator(parse, json_schema_input_type=float | text | None)


Number = Annotated[float | None, _parser(_NUMBER, "a number, such as -1.5, the same as text, or empty")]
"""A number, or text such as "-1.5"; null and "" are missing."""

Money = Annotated[float | None, _parser(_MONEY, 'a sum, such as 1234.56, "$1,234.56" or "($12.00)" for -12, or empty')]
"""A number, or text such as "$1,234.56", "($12.00)" for -12, or "12"; null and "" are missing."""

Percent = Annotated[float | None, _parser(_PERCENT, 'a percentage, such as 12.5 or "12.5%", or empty')]
"""A number of hundredths, or text such as "12.5%" or "12.5"; null and "" are missing."""


def choice(words: Iterable[str]) -> Any:
    """The type of one of these words; null and "" are missing, and any other word is refused."""
    literal: Any = Literal
    return Annotated[literal[("", *words)] | None, AfterValidator(lambda word: word or None)]
