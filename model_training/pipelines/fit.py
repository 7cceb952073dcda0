"""Fit an estimator, and say what it was set to."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_training.pipelines.read import Labelled
from twotier.family import Family
from twotier.scorer import Model, matrix, one_thread


def fit(family: Family, estimator: str, train: Labelled) -> Model:
    """A fresh estimator, fitted to the rows."""
    model: Any = family.estimators[estimator]()
    with one_thread():
        fitted: Model = model.fit(matrix(family, train.rows), np.asarray(train.labels))
    return fitted


def parameters(model: Any) -> dict[str, Any]:
    """The hyper-parameters that JSON can tell.

    A pipeline's steps are told by the parameters of each (`scaler__with_mean`), never by an object's printed form, which may hold an
    address and so differ from run to run.
    """
    return {name: value for name, value in sorted(model.get_params().items()) if _plain(value)}


def _plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_plain(part) for part in value)
    return value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and bool(np.isfinite(value)))
