"""Estimators are written as code that makes them anew."""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from model_training.adopting.code import Unwritable, filled, quoted, written

COLUMNS = ColumnTransformer(
    [("numbers", make_pipeline(SimpleImputer(), StandardScaler()), [0, 2]), ("text", OneHotEncoder(handle_unknown="ignore"), [1])],
    remainder="passthrough",
)


class Named(BaseEstimator):  # type: ignore[misc]
    """Takes parameters that its signature does not tell, as some libraries' estimators do."""

    def __init__(self, known: int = 1, **others: Any) -> None:
        self.known = known
        self.others = others

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Both kinds."""
        return {"known": self.known, **self.others}


def _made(value: Any) -> Any:
    """What the code makes."""
    code = written(value, 1)
    names: dict[str, Any] = {}
    exec("\n".join(code.lines), names)
    return eval(code.expression, names)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -0.5, 1e-9, "text", 'a "quoted" \\ one', "new\nline", [1, "a"], (1,), (1, 2), [], {"a": [1, None]}, {1: (2, 3)},
        np.int64(3), np.float32(0.5), int, np.float64,
    ],
)
def test_values(value: Any) -> None:
    """Plain values, and numpy's scalars, come back as what they are."""
    assert value == _made(value)


def test_values_that_are_no_literals() -> None:
    """NaN, infinity and arrays have a form too."""
    assert math.isnan(_made(math.nan)) and -math.inf == _made(-math.inf)
    assert [[1, 2]] == _made(np.array([[1, 2]])).tolist()


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        LogisticRegression(C=0.1, max_iter=1000),
        SimpleImputer(missing_values=math.nan),
        SimpleImputer(missing_values=-1),
        RandomForestClassifier(np.int64(20), random_state=0, class_weight={0: 1, 1: 2.5}),
        Pipeline([("columns", COLUMNS), ("model", LogisticRegression())]),
        GridSearchCV(make_pipeline(COLUMNS, LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=3),
        Named(known=2, other="x"),
    ],
    ids=lambda model: type(model).__name__,
)
def test_estimators_come_back(model: Any) -> None:
    """The code makes an estimator of the same parameters, and writing that gives the same code."""
    made = _made(model)
    assert type(model) is type(made)
    assert repr(written(model)) == repr(written(made))


def test_defaults_are_left_out() -> None:
    """What is as it would be anyway is not written, and lines are short."""
    code = written(Pipeline([("columns", COLUMNS), ("model", LogisticRegression(C=2))]), 1)
    assert 'LogisticRegression(C=2)' in code.expression
    assert max(map(len, code.expression.splitlines())) < 120
    assert "from sklearn.preprocessing import OneHotEncoder, StandardScaler" in code.lines
    assert "LogisticRegression()" == written(LogisticRegression()).expression


@pytest.mark.parametrize("value", [lambda x: x, FunctionTransformer(np.log1p), np.random.RandomState(0)])
def test_what_cannot_be_written(value: Any) -> None:
    """A function or a generator has no form, and the error says what it was."""
    with pytest.raises(Unwritable, match="has no form|function"):
        written(value)


def test_class_of_nowhere_cannot_be_written() -> None:
    """An estimator that cannot be imported by its name is not written."""

    class Local(BaseEstimator):  # type: ignore[misc]
        """Made inside a function."""

    with pytest.raises(Unwritable, match="Local is not importable"):
        written(Local())


def test_quoted_and_filled() -> None:
    """Text is quoted as the house does, and items fill lines."""
    assert ["plain", 'say "so"', "a\\b"] == [ast.literal_eval(quoted(text)) for text in ("plain", 'say "so"', "a\\b")]
    lines = filled((f"item {number}" for number in range(40)), 2).splitlines()
    assert 140 >= max(map(len, lines)) and 40 == "".join(lines).count(",") and 2 < len(lines)
