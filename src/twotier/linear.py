"""Logistic regression without what scikit-learn does around the arithmetic.

For a few rows, scikit-learn spends ten times as long on checking its input and on looking up its configuration as on the model. The rows
that a scorer is given have been checked already, so the model is taken apart once, at load, and then only its arithmetic is done: the
same operations in the same order, so that no digit changes. Scales are therefore not multiplied into the coefficients: that would save a
few microseconds and, where a feature's mean is large beside its spread, cost digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from twotier.transforming import Matrix, own_name, transform

__all__ = ["TOLERANCE", "Predict", "fast"]

Predict = Callable[[NDArray[Any]], Matrix]
"""(rows, features) -> (rows, classes), each row adding up to 1, as `predict_proba`. The given matrix stays as it is."""

TOLERANCE = 1e-12
"""How far a probability may be from scikit-learn's."""


def fast(model: Any, probe: NDArray[Any]) -> Predict | None:
    """Give what predicts as `model.predict_proba` does, or None if nothing here does that.

    A LogisticRegression qualifies, alone or in a Pipeline behind transformers that `transforming` knows, if its answers to the rows of
    `probe` are scikit-learn's.
    """
    try:
        predict = _take_apart(model)
        agrees = predict is not None and np.allclose(predict(probe), model.predict_proba(probe), rtol=0, atol=TOLERANCE, equal_nan=True)
    except Exception:
        # Whatever is odd about the model, scikit-learn will say it better.
        return None
    return predict if agrees else None


def _take_apart(model: Any) -> Predict | None:
    """Raises whatever is wrong with its transformers."""
    from sklearn.linear_model import LogisticRegression

    *before, last = [step for _, step in model.steps] if own_name(model) == "Pipeline" else [model]
    # A subclass may do anything, unless it is a classifier that predicts by what it inherited.
    if not all(getattr(type(last), name, None) is getattr(LogisticRegression, name) for name in ("predict_proba", "decision_function")):
        return None
    transforms = [transform(each) for each in before]
    weights, intercept = last.coef_.T, last.intercept_
    finish = _two_classes if len(last.classes_) == 2 else _softmax

    def predict(X: NDArray[Any]) -> Matrix:
        for each in transforms:
            X = each(X)
        return finish(X @ weights + intercept)

    return predict


def _two_classes(decisions: Matrix) -> Matrix:
    positive = expit(decisions)
    return np.concatenate([1 - positive, positive], axis=1)


def _softmax(decisions: Matrix) -> Matrix:
    # Less its largest number, no row can overflow.
    decisions -= decisions.max(axis=1, keepdims=True)
    np.exp(decisions, out=decisions)
    decisions /= decisions.sum(axis=1, keepdims=True)
    return decisions
