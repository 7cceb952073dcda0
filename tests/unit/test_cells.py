"""Cells as spreadsheets write them are read as what they mean, and what means nothing is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError, create_model

from twotier.cells import Money, Number, Percent, choice
from twotier.family import Row, feature


class NumberCells(Row):
    """One cell of each kind of number."""

    number: Number = feature("A number", example=1.5, default=None)
    money: Money = feature("A sum", example="$1", default=None)
    percent: Percent = feature("A share", example="1%", default=None)


Cells = create_model("Cells", __base__=NumberCells, word=(choice(("red", "green")), feature("A word", example="red", default=None)))

NONSENSE: tuple[Any, ...] = ("x", "nan", "inf", "1_0", "1 2", "٣", "1\n", True, [], {})

PATTERNS = {
    name: re.compile(next(part["pattern"] for part in told["anyOf"] if "pattern" in part))
    for name, told in Cells.model_json_schema()["properties"].items()
    if name != "word"
}


@pytest.mark.parametrize(
    ("name", "sent", "meant"),
    [
        ("number", -1.018506, -1.018506),
        ("number", 5, 5.0),
        ("number", "-1.018506", -1.018506),
        ("number", " +1.5e3 ", 1500.0),
        ("number", ".5", 0.5),
        ("number", "2.", 2.0),
        ("number", "", None),
        ("number", "   ", None),
        ("number", None, None),
        ("money", 12.5, 12.5),
        ("money", "$6,882.34 ", 6882.34),
        ("money", "($5,032.58)", -5032.58),
        ("money", "($12.00)", -12.0),
        ("money", "(12)", -12.0),
        ("money", "-$12.50", -12.5),
        ("money", "$ 1,234,567", 1234567.0),
        ("money", "1234.56", 1234.56),
        ("money", "-1e3", -1000.0),
        ("money", "", None),
        ("percent", "62.59%", 62.59),
        ("percent", "12.5 %", 12.5),
        ("percent", "-3", -3.0),
        ("percent", 62.59, 62.59),
        ("percent", "", None),
        ("word", "red", "red"),
        ("word", "", None),
        ("word", None, None),
    ],
)
def test_is_read_as_it_is_meant(name: str, sent: Any, meant: Any) -> None:
    """Each way of writing a cell gives its value; what is empty is missing."""
    assert meant == getattr(Cells.model_validate({name: sent}), name)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        *((name, sent) for name in ("number", "money", "percent") for sent in NONSENSE),
        *((name, "9" * 41) for name in ("number", "money", "percent")),
        *((name, "1e999") for name in ("number", "money", "percent")),
        *(("number", sent) for sent in ("$1", "1%", "1,234", "(1)", "--1")),
        *(("money", sent) for sent in ("1%", "$1,23", "$12,34.5", "($1", "$1)", "-($1)", "€1", "$", "()", "$-1")),
        *(("percent", sent) for sent in ("$1", "%", "1%%", "1,234%", "(1%)")),
        *(("word", sent) for sent in ("blue", "Red", " red", 1, True)),
    ],
)
def test_is_refused(name: str, sent: Any) -> None:
    """What is no number, sum, share or word of the list is refused."""
    with pytest.raises(ValidationError) as caught:
        Cells.model_validate({name: sent})
    faults = caught.value.errors(include_input=False)
    assert {name} == {fault["loc"][0] for fault in faults}


def test_refusal_does_not_repeat_what_was_sent() -> None:
    """The message says what a cell should be."""
    with pytest.raises(ValidationError) as caught:
        Cells.model_validate({"number": "secret"})
    assert ["Input should be a number, such as -1.5, the same as text, or empty"] == [fault["msg"] for fault in caught.value.errors()]


@given(st.text(alphabet="0123456789.,-+eE$()% x", max_size=14))
def test_the_schema_says_what_is_read(text: str) -> None:
    """Text is taken exactly if it fits the pattern that the JSON Schema tells."""
    for name, pattern in PATTERNS.items():
        try:
            Cells.model_validate({name: text})
        except ValidationError as error:
            # A number may be written well and still be more than a float holds.
            assert not pattern.search(text) or "finite_number" == error.errors()[0]["type"]
        else:
            assert pattern.search(text)


@given(st.floats(-1e15, 1e15), st.booleans())
def test_money_survives_being_written(value: float, spaced: bool) -> None:
    """Any sum that is written to the cent, with thousands and parentheses, is read back as it was."""
    cents = round(value, 2) + 0.0
    written = f"(${-cents:,.2f})" if cents < 0 else f"${cents:,.2f}" + " " * spaced
    assert float(f"{cents:.2f}") == Cells.model_validate({"money": written}).money


def test_a_row_that_was_read_is_a_row() -> None:
    """What was read can be sent again: a golden row is such a row."""
    read = Cells.model_validate({"number": "1.5", "money": "($2)", "percent": "3%", "word": ""})
    assert read == Cells.model_validate(read.model_dump())
