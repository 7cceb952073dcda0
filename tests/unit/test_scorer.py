"""Rows become answers; a row that cannot be scored fails alone, wherever it stands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.linear_model import LogisticRegression

from tests.examples import CoinAnswer, CoinRow, card, family
from twotier.errors import SchemaMismatch
from twotier.family import feature
from twotier.scorer import Scorer, matrix

POISON = 13.0


class Slope:
    """A model in closed form: the more a + b, the likelier `high`. It cannot bear POISON, and answers NaN with NaN."""

    classes_ = np.array(["high", "low"])

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """(rows, 2) -> (rows, 2)."""
        if (X == POISON).any():
            raise ArithmeticError("thirteen")
        high: NDArray[np.float64] = 1 / (1 + np.exp(-X.sum(axis=1)))
        return np.column_stack([high, 1 - high])


class Trusting(Slope):
    """Sees that scikit-learn is told to trust what it is given."""

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """(rows, 2) -> (rows, 2)."""
        settings = get_config()
        assert settings["assume_finite"] and settings["skip_parameter_validation"]
        return super().predict_proba(X)


SCORER = Scorer(family(), card(), Slope())

FINE = st.floats(-12, 12)
ROWS = st.lists(st.lists(FINE, min_size=2, max_size=2), min_size=1, max_size=40)
BAD = st.sampled_from([[POISON, 0.0], [1.0], [1.0, 2.0, 3.0], ["x", 0.0], [], [float("nan"), 0.0], [None, 0.0]])


def test_what_only_calculates_is_quick() -> None:
    """Of any other model nothing is known."""
    model = LogisticRegression().fit([[0.0, 0.0], [1.0, 1.0]], ["high", "low"])
    assert [True, False] == [Scorer(family(), card(), model).quick, SCORER.quick]


def test_matrix_is_in_feature_order() -> None:
    """Numbers make a float matrix of (rows, features), whole numbers among them."""
    made = matrix(family(), [[1, 2.5], [3, 4]])
    assert np.float64 == made.dtype
    assert [[1.0, 2.5], [3.0, 4.0]] == made.tolist()


def test_matrix_of_other_kinds_is_of_objects() -> None:
    """With a field that is no plain number, every value stays what it was."""

    class Worded(CoinRow):
        word: str = feature("A word", example="yes")

    made = matrix(family(row=Worded), [[1, 2.5, "x"]])
    assert object == made.dtype
    assert [[1, 2.5, "x"]] == made.tolist()


def test_what_is_missing_is_nan() -> None:
    """Among numbers and beside text, a missing value is NaN, as scikit-learn's imputers want it."""

    class Gappy(CoinRow):
        word: str | None = feature("A word", example="yes")

    assert np.isnan(matrix(family(), [[1.0, None]])[0, 1])
    words = matrix(family(row=Gappy), [[1.0, None, "x"], [1.0, 2.5, None]])
    assert [[False, True, False], [False, False, True]] == [[value != value for value in row] for row in words]


@pytest.mark.parametrize("rows", [[], [[]], [[1.0]], [[1.0, 2.0, 3.0]], [[1.0, 2.0], [1.0]], [[["deep"], 1.0]], 1.0, [["x", 1.0]]])
def test_matrix_refuses_rows_of_another_width(rows: Any) -> None:
    """Rows that do not have the family's width, or hold no numbers, are no matrix."""
    with pytest.raises((ValueError, TypeError)):
        matrix(family(), rows)


def test_matrix_of_objects_has_the_width_too() -> None:
    """Ragged rows are refused for families of every kind."""

    class Worded(CoinRow):
        word: str = feature("A word", example="yes")

    with pytest.raises(ValueError, match="3 values make a row of 'coin'"):
        matrix(family(row=Worded), [[1, 2.5, "x"], [1, 2.5]])


def test_probabilities_are_plain_floats() -> None:
    """Probabilities come in the order of the card's classes, as numbers that JSON knows."""
    (row,) = SCORER.probabilities([[0.0, 0.0]])
    assert [0.5, 0.5] == row
    assert [float, float] == [type(value) for value in row]


def test_rows_are_not_checked_a_second_time() -> None:
    """While a model predicts, scikit-learn trusts the rows; before and after, it checks what others give it."""
    assert [[0.5, 0.5]] == Scorer(family(), card(), Trusting()).probabilities([[0.0, 0.0]])
    assert not get_config()["assume_finite"] and not get_config()["skip_parameter_validation"]
    with pytest.raises(AssertionError):
        Trusting().predict_proba(matrix(family(), [[0.0, 0.0]]))


def test_answers_are_decided_by_the_family() -> None:
    """Each row is answered by what the family makes of its probabilities."""
    assert [CoinAnswer(label="high", share=0.5), "low"] == [
        SCORER.answers([[0.0, 0.0]])[0],
        getattr(SCORER.answers([[-1.0, -1.0]])[0], "label"),
    ]


def test_no_rows_have_no_answers() -> None:
    """A block of no rows is answered by nothing, and does not run for ever."""
    assert [] == SCORER.answers([])


def test_result_that_is_not_finite_is_no_answer() -> None:
    """A model that answers NaN has not answered that row, even if the decision would hide it; its neighbour has its answer."""
    hiding = Scorer(family(decide=lambda probabilities, card: CoinAnswer(label="high")), card(), Slope())
    for scorer in (SCORER, hiding):
        answers = scorer.answers([[float("nan"), 0.0], [1.0, 1.0]])
        assert isinstance(answers[0], ValueError)
        assert "high" == getattr(answers[1], "label")


def test_lone_bad_row_says_why() -> None:
    """The exception in a row's place is the one the model raised for it."""
    (error,) = SCORER.answers([[POISON, 0.0]])
    assert isinstance(error, ArithmeticError)
    assert "thirteen" == str(error)


@given(rows=ROWS, bad=st.lists(st.tuples(st.integers(0, 40), BAD), max_size=5))
def test_poison_fails_alone(rows: list[list[float]], bad: list[tuple[int, list[Any]]]) -> None:
    """Wherever bad rows stand among good ones, each good row is answered as if it were alone, and each bad one by an exception."""
    mixed: list[tuple[bool, list[Any]]] = [(True, row) for row in rows]
    for place, row in bad:
        mixed.insert(place, (False, row))
    answers = SCORER.answers([row for _, row in mixed])
    assert len(mixed) == len(answers)
    for (good, row), answer in zip(mixed, answers, strict=True):
        assert good == isinstance(answer, CoinAnswer)
        if good:
            assert [answer] == SCORER.answers([row])


@given(rows=ROWS, data=st.data())
def test_order_of_rows_does_not_matter(rows: list[list[float]], data: st.DataObject) -> None:
    """Rows in another order have the same answers in that order."""
    order = data.draw(st.permutations(range(len(rows))))
    answers = SCORER.answers(rows)
    assert [answers[index] for index in order] == SCORER.answers([rows[index] for index in order])


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"features": ["b", "a"]}, r"coin log_reg_1 was trained on \['b', 'a'\], and the family now has \['a', 'b'\]: train again"),
        ({"classes": ["low", "high"]}, r"coin log_reg_1: the model's classes are not the card's \['low', 'high'\]"),
    ],
)
def test_version_of_another_schema_is_refused(facts: dict[str, Any], message: str) -> None:
    """A version with other features, or with other classes than its card, never becomes a scorer."""
    with pytest.raises(SchemaMismatch, match=message):
        Scorer(family(), card(**facts), Slope())
