"""Logistic regression on plain numbers, without what scikit-learn does around the arithmetic.

For a few rows, scikit-learn spends ten times as long on checking its input and on looking up its configuration as on the model. The rows
that a scorer is given have been checked already, so the model is taken apart once, at load, and then only its arithmetic is done: the
same operations in the same order, so that no digit changes. Scales are therefore not multiplied into the coefficients: that would save a
few microseconds and, where a feature's mean is large beside its spread, cost digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

if TYPE_CHECKING:
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

__all__ = ["TOLERANCE", "Matrix", "Predict", "fast"]

Matrix = NDArray[np.float64]

Predict = Callable[[Matrix], Matrix]
"""(rows, features) -> (rows, classes), each row adding up to 1, as `predict_proba`. The given matrix stays as it is."""

Operation = tuple[Callable[[Matrix, Any], Matrix], Any]
"""A function of a (rows, features) matrix and of the second argument that stands beside it."""

TOLERANCE = 1e-12
"""How far a probability may be from scikit-learn's."""


def fast(model: Any, probe: Matrix) -> Predict | None:
    """Give what predicts as `model.predict_proba` does, or None if nothing here does that.

    A LogisticRegression qualifies, alone or behind the scalers and imputers below in a Pipeline, if its answers to the rows of `probe`
    are scikit-learn's.
    """
    try:
        predict = _take_apart(model)
        agrees = predict is not None and np.allclose(predict(probe), model.predict_proba(probe), rtol=0, atol=TOLERANCE, equal_nan=True)
    except Exception:
        # Whatever is odd about the model, scikit-learn will say it better.
        return None
    return predict if agrees else None


def _take_apart(model: Any) -> Predict | None:
    from sklearn.linear_model import LogisticRegression

    *transformers, last = [step for _, step in model.steps] if _own_name(model) == "Pipeline" else [model]
    # A subclass may do anything, unless it is a classifier that predicts by what it inherited.
    inherited = all(getattr(type(last), name, None) is getattr(LogisticRegression, name) for name in ("predict_proba", "decision_function"))
    if not inherited or not all(_own_name(each) in _OPERATIONS for each in transformers):
        return None
    operations = [operation for each in transformers for operation in _OPERATIONS[_own_name(each)](each)]
    weights, intercept = last.coef_.T, last.intercept_
    finish = _two_classes if len(last.classes_) == 2 else _softmax

    def predict(X: Matrix) -> Matrix:
        for function, operand in operations:
            X = function(X, operand)
        return finish(X @ weights + intercept)

    return predict


def _own_name(model: Any) -> str:
    """What scikit-learn calls it; nothing for a class that is not scikit-learn's own."""
    # By name, since importing them all costs a quarter of a second and memory for what no model here may use.
    kind = type(model)
    return kind.__name__ if kind.__module__.startswith("sklearn.") else ""


def _two_classes(decisions: Matrix) -> Matrix:
    positive = expit(decisions)
    return np.concatenate([1 - positive, positive], axis=1)


def _softmax(decisions: Matrix) -> Matrix:
    # Less its largest number, no row can overflow.
    decisions -= decisions.max(axis=1, keepdims=True)
    np.exp(decisions, out=decisions)
    decisions /= decisions.sum(axis=1, keepdims=True)
    return decisions


def _standard(scaler: StandardScaler) -> Iterator[Operation]:
    if scaler.with_mean:
        yield np.subtract, scaler.mean_
    if scaler.with_std:
        yield np.divide, scaler.scale_


def _min_max(scaler: MinMaxScaler) -> Iterator[Operation]:
    yield np.multiply, scaler.scale_
    yield np.add, scaler.min_
    if scaler.clip:
        yield np.maximum, scaler.feature_range[0]
        yield np.minimum, scaler.feature_range[1]


def _max_abs(scaler: MaxAbsScaler) -> Iterator[Operation]:
    yield np.divide, scaler.scale_
    if scaler.clip:
        yield np.maximum, -1.0
        yield np.minimum, 1.0


def _robust(scaler: RobustScaler) -> Iterator[Operation]:
    if scaler.with_centering:
        yield np.subtract, scaler.center_
    if scaler.with_scaling:
        yield np.divide, scaler.scale_


def _impute(imputer: SimpleImputer) -> Iterator[Operation]:
    fill = np.asarray(imputer.statistics_, dtype=np.float64)
    if not np.isnan(imputer.missing_values) or imputer.add_indicator or not np.isfinite(fill).all():
        # It would add columns, or leave out those of which nothing is known.
        raise NotImplementedError
    yield lambda X, statistics: np.where(np.isnan(X), statistics, X), fill


_OPERATIONS: Mapping[str, Callable[[Any], Iterator[Operation]]] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
    "RobustScaler": _robust,
    "SimpleImputer": _impute,
}
"""What each kind of transformer does to a matrix."""
