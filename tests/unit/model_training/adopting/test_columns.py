"""What a sample's columns are inferred to be."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_training.adopting.columns import Column, cells, columns, header, kind_of, python_names
from twotier.errors import ConfigurationError
from twotier.family import Row


@pytest.mark.parametrize(
    ("texts", "kind", "read"),
    [
        (["1", "-2", " +30"], int, [1, -2, 30]),
        (["1", "2.5", ".5", "1e3"], float, [1.0, 2.5, 0.5, 1000.0]),
        (["True", "false"], bool, [True, False]),
        (["yes", "no"], str, ["yes", "no"]),
        (["007", "12"], str, ["007", "12"]),
        (["1_000", "2"], str, ["1_000", "2"]),
        (["1", "inf"], str, ["1", "inf"]),
        (["1e999"], str, ["1e999"]),
    ],
)
def test_the_narrowest_type_that_fits_all(texts: list[str], kind: type, read: list[Any]) -> None:
    """Whole numbers, numbers, truth values, else text; a code with a leading nought and what is not finite is text."""
    found, reader = kind_of(texts)
    assert (kind, read) == (found, [reader(text) for text in texts])


@pytest.mark.parametrize(
    ("kind", "values", "bounds"),
    [
        (float, [1.0, 3.0], (0, 5)),
        (float, [-5.0, -1.0], (-9, 0)),
        (int, [-5, 17], (-27, 39)),
        (int, [3, 3], (0, 6)),
        (int, [0, 0], (0, 1)),
        (float, [12345.6, 99999.0], (0, 190000)),
        (float, [0.001, 0.4], (0, 0.8)),
    ],
)
def test_bounds_leave_room(kind: type, values: list[float], bounds: tuple[float, float]) -> None:
    """The sample's span on either side, rounded outward, and no other sign than in the sample."""
    assert bounds == Column("a", "a", kind, False, values).bounds


@given(st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), min_size=1, max_size=5), st.sampled_from([int, float]))
def test_bounds_hold_the_sample(values: Sequence[float], kind: type) -> None:
    """Whatever the numbers, each lies within the bounds."""
    given = [kind(value) for value in values]
    low, high = Column("a", "a", kind, False, given).bounds
    assert low <= min(given) and max(given) <= high


def test_columns_are_described() -> None:
    """Each has its type, its gaps, and, where its text has few values, these and what the model knows besides."""
    given: dict[str, list[str | None]] = {"age": ["1", None], "plan": ["a", "b"] * 2, "note": ["x", "y", "z"]}
    age, plan, note = columns(given, {"plan": {"c"}, "note": {"q"}})
    assert (int, True, [1, None], [1], ()) == (age.kind, age.nullable, age.values, age.known, age.choices)
    assert (str, False, ("a", "b", "c")) == (plan.kind, plan.nullable, plan.choices)
    assert () == note.choices


def test_column_without_a_value_is_refused() -> None:
    """Nothing can be inferred of it, and the message says what to do."""
    with pytest.raises(ConfigurationError, match="column age has no value in the sample: add rows"):
        columns({"age": [None, None]}, {})


def test_python_names() -> None:
    """What Python can have stays; the rest comes as near as it can, each name once."""
    names = ["age", "mean radius", "mean-radius", "class", "copy", "1", "", "float", "_x", "model_fields", "match"]
    wanted = ["age", "mean_radius", "mean_radius_2", "column_class", "column_copy", "column_1", "column_7", "column_float", "x"]
    assert [*wanted, "column_model_fields", "column_match"] == python_names(names)


@given(st.lists(st.text(max_size=12), max_size=8))
def test_python_names_can_be_fields(names: list[str]) -> None:
    """Whatever the names, there is one per column, none twice, and a row may have each of them."""
    made = python_names(names)
    assert len(names) == len(set(made)) == len(made)
    assert all(name.isidentifier() and not keyword.iskeyword(name) and not hasattr(Row, name) for name in made)


def test_cells(tmp_path: Path) -> None:
    """Wanted columns are read as text, and what stands for no value as None."""
    path = tmp_path / "rows.csv"
    path.write_text("\ufeffa,b,c\n1,NA,x\n2,,NaN\n", encoding="utf-8")
    assert {"b": [None, None], "c": ["x", None]} == cells(path, ["b", "c"])
    with pytest.raises(ConfigurationError, match="has no column d, and the model wants it"):
        cells(path, ["a", "d"])


@pytest.mark.parametrize(("text", "words"), [(None, "No such file"), ("", "line of names"), ("a,a\n1,2\n", "each once")])
def test_sample_without_a_header_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    """A sample that is not there, or does not begin with names, is refused by its path."""
    path = tmp_path / "rows.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"rows.csv.*{words}"):
        header(path)
