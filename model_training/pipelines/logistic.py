"""Logistic regression over blocks: scikit-learn's own objective, minimised by its own method, with its sums made block by block."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from twotier.transforming import Matrix, own_name

__all__ = ["fitted", "unknown"]


def unknown(model: object) -> str | None:
    """Why a classifier cannot be fitted here; None if nothing is in the way."""
    if own_name(model) != "LogisticRegression":
        return type(model).__name__
    assert isinstance(model, LogisticRegression)
    plain = model.solver == "lbfgs" and model.penalty in ("deprecated", "l2") and not model.l1_ratio
    if not plain or model.class_weight not in (None, "balanced"):
        return "LogisticRegression with another solver, penalty or class_weight than lbfgs, l2 and none or balanced"
    return None


def fitted(
    model: LogisticRegression,
    classes: NDArray[np.generic],
    counts: NDArray[np.int64],
    blocks: Iterable[tuple[Matrix, NDArray[np.intp]]],
    told: Callable[[int], None],
) -> LogisticRegression:
    """A fresh classifier like `model`, of which nothing is `unknown`, fitted to the blocks: columns, and each row's place in `classes`.

    `counts` is how many rows of each class there are. `told` hears of each step that the search has made.
    """
    model = clone(model)
    width = next(iter(blocks))[0].shape[1]
    # With two classes, the second is weighed against nought.
    weighed = 1 if len(classes) == 2 else len(classes)
    weights = counts.sum() / (len(counts) * counts) if model.class_weight else np.ones(len(counts))
    total = float(weights @ counts)

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The mean loss of a row and the penalty, and their gradient."""
        found = flat.reshape(weighed, -1)
        coefficients = found[:, :width]
        slope = np.zeros_like(found)
        slope[:, :width] = coefficients / model.C
        loss = 0.5 * float((coefficients**2).sum()) / model.C
        for columns, labels in blocks:
            raw = np.zeros((len(labels), len(classes)))
            raw[:, -weighed:] = columns @ coefficients.T + (found[:, width] if model.fit_intercept else 0)
            told_apart = log_softmax(raw, axis=1)
            rows, weight = np.arange(len(labels)), weights[labels]
            loss -= float(weight @ told_apart[rows, labels])
            errors = np.exp(told_apart)
            errors[rows, labels] -= 1
            errors = errors[:, -weighed:] * weight[:, np.newaxis]
            slope[:, :width] += errors.T @ columns
            slope[:, width:] += errors.sum(axis=0)[:, np.newaxis]
        return loss / total, slope.ravel() / total

    steps = iter(range(1, model.max_iter + 1))
    result = minimize(
        objective,
        np.zeros(weighed * (width + model.fit_intercept)),
        method="L-BFGS-B",
        jac=True,
        # As scikit-learn has it.
        options={"maxiter": model.max_iter, "maxls": 50, "gtol": model.tol, "ftol": 64 * np.finfo(float).eps},
        callback=lambda _: told(next(steps)),
    )
    if not result.success:
        warnings.warn(f"logistic regression has not converged: {result.message}", ConvergenceWarning, stacklevel=2)
    found = result.x.reshape(weighed, -1)
    model.classes_, model.n_features_in_ = classes, width
    model.coef_ = found[:, :width].copy()
    model.intercept_ = found[:, width].copy() if model.fit_intercept else np.zeros(weighed)
    model.n_iter_ = np.array([result.nit], dtype=np.int32)
    return model
