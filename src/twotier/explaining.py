"""Exact reasons of a linear model: what each input adds to the logit, whatever columns the pipeline made of it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from twotier.reasons import Reasons

__all__ = ["Explainer"]

_MARK = re.compile("\0([0-9]+)\0")
"""Inputs are given names like this one: a name that comes out of the pipeline then tells which input its column was made of."""


class Explainer:
    """Gives the reasons of one fitted model with two classes, of which `positive` (0 or 1) is the one to explain.

    Raises ValueError, with why, if the model has none: it does not end in a logistic regression, or makes a column of several inputs.
    """

    def __init__(self, model: Any, features: tuple[str, ...], positive: int) -> None:
        last = model[-1] if isinstance(model, Pipeline) else model
        if not isinstance(last, LogisticRegression) or len(last.coef_) != 1:
            raise ValueError(f"{type(last).__name__} does not weigh its inputs for one of two classes")
        self._before = model[:-1] if last is not model and len(model) > 1 else None
        owners = list(range(len(features))) if self._before is None else _owners(self._before, len(features))
        sign = 1.0 if positive else -1.0
        # (columns, features): a column's weight, under the input that it was made of.
        self._weights = np.zeros((len(owners), len(features)))
        self._weights[np.arange(len(owners)), owners] = sign * last.coef_[0]
        self._intercept = float(sign * last.intercept_[0])
        self._features = features

    def reasons(self, made: NDArray[Any]) -> list[Reasons]:
        """Reasons of each row of a (rows, features) matrix."""
        columns = made if self._before is None else self._before.transform(made)
        return [
            Reasons(intercept=self._intercept, inputs=dict(zip(self._features, parts, strict=True)))
            for parts in (columns @ self._weights).tolist()
        ]


def _owners(before: Pipeline, width: int) -> list[int]:
    """The input of each column that the pipeline's first steps make."""
    try:
        names = before.get_feature_names_out(np.array([f"\0{index}\0" for index in range(width)], dtype=object))
    except AttributeError as error:
        raise ValueError(f"a step does not say what its columns are made of: {error}") from error
    owners = [_MARK.findall(name) for name in names]
    if any(len(found) != 1 for found in owners):
        raise ValueError("a column is made of several inputs, or of parts of one")
    return [int(found[0]) for found in owners]
