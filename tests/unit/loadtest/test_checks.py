"""What the load test takes for a right answer."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.checks import why_wrong, why_wrong_keyed, why_wrong_list
from twotier.families.iris import FAMILY

VIRGINICA, SETOSA = FAMILY.examples[:2]
RIGHT = {"output": "Iris-virginica", "model_name": "log_reg_12"}
OTHER = {"output": "Iris-setosa", "model_name": "log_reg_12"}


def test_a_right_answer() -> None:
    """The documented answer by a version of the family is right; further fields do not matter."""
    assert why_wrong(FAMILY, VIRGINICA, {**RIGHT, "probabilities": None}) is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (OTHER, "output should be 'Iris-virginica', not 'Iris-setosa'"),
        ({"model_name": "log_reg_1"}, "output should be 'Iris-virginica', not None"),
        ({"output": "Iris-virginica"}, "model_name should be a version of iris, not None"),
        ({**RIGHT, "model_name": "champion"}, "model_name should be a version of iris, not 'champion'"),
        ({**RIGHT, "model_name": "log_reg_0"}, "model_name should be a version of iris, not 'log_reg_0'"),
        (["Iris-virginica"], "an answer is an object, not ['Iris-virginica']"),
    ],
)
def test_a_wrong_answer(answer: Any, reason: str) -> None:
    """Another species, no species, or no version that could have answered is wrong, and it is said why."""
    assert reason == why_wrong(FAMILY, VIRGINICA, answer)


def test_a_list() -> None:
    """A list is right if every answer is, in order."""
    assert why_wrong_list(FAMILY, [VIRGINICA, SETOSA], [RIGHT, OTHER]) is None


@pytest.mark.parametrize("answers", [[RIGHT], [RIGHT, OTHER, OTHER], {"0": RIGHT}, [OTHER, RIGHT]], ids=["few", "many", "keyed", "swapped"])
def test_a_wrong_list(answers: Any) -> None:
    """Too few or too many answers, another shape, or another order is wrong."""
    assert why_wrong_list(FAMILY, [VIRGINICA, SETOSA], answers)


def test_rows_by_key() -> None:
    """Answers by key are right under the same keys in the same order."""
    assert why_wrong_keyed(FAMILY, {"a": VIRGINICA, "b": SETOSA}, {"a": RIGHT, "b": OTHER}) is None


@pytest.mark.parametrize("answers", [{"b": OTHER, "a": RIGHT}, {"a": RIGHT}, [RIGHT, OTHER], {"a": OTHER, "b": RIGHT}])
def test_wrong_rows_by_key(answers: Any) -> None:
    """Other keys, another order, another shape or exchanged answers are wrong."""
    assert why_wrong_keyed(FAMILY, {"a": VIRGINICA, "b": SETOSA}, answers)
