"""Logistic regression whose sums are made block by block is scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier

from model_training.pipelines import logistic

RANDOM = np.random.default_rng(2)
X = RANDOM.normal(size=(300, 5))
CODES = np.clip(np.round(X @ [0.5, 0.4, -0.3, 0.2, 0] + RANDOM.normal(size=300) * 0.7), -1, 1).astype(np.intp) + 1


def _fitted(model: LogisticRegression, classes: int) -> tuple[LogisticRegression, list[int]]:
    labels = np.minimum(CODES, classes - 1)
    told: list[int] = []
    blocks = [(X[:10], labels[:10]), (X[10:], labels[10:])]
    names = np.array(["high", "low", "mid"][:classes])
    return logistic.fitted(model, names, np.bincount(labels), blocks, told.append), told


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "parameters", [{}, {"C": 0.1}, {"C": np.inf}, {"fit_intercept": False}, {"class_weight": "balanced"}, {"max_iter": 3}], ids=str
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_it_is_what_scikit_learn_makes(classes: int, parameters: dict[str, Any]) -> None:
    """Coefficients, intercepts, and the number of steps are the same, and so is every other attribute's name and shape."""
    made, told = _fitted(LogisticRegression(**parameters), classes)
    exact = LogisticRegression(**parameters).fit(X, made.classes_[np.minimum(CODES, classes - 1)])
    np.testing.assert_allclose(made.coef_, exact.coef_, rtol=0, atol=1e-9)
    np.testing.assert_allclose(made.intercept_, exact.intercept_, rtol=0, atol=1e-9)
    assert {name: np.shape(value) for name, value in vars(exact).items()} == {name: np.shape(value) for name, value in vars(made).items()}
    assert list(exact.classes_) == list(made.classes_)
    assert exact.n_iter_.tolist() == made.n_iter_.tolist()
    assert list(range(1, exact.n_iter_[0] + 1)) == told


def test_not_converged_is_warned_of() -> None:
    """As scikit-learn does, it warns of a search that was cut short, and not of any other."""
    with pytest.warns(ConvergenceWarning, match="logistic regression has not converged: .*ITERATIONS"):
        _fitted(LogisticRegression(max_iter=1), 2)
    _fitted(LogisticRegression(), 2)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (SGDClassifier(), "SGDClassifier"),
        (LogisticRegression(solver="saga"), "LogisticRegression with another"),
        (LogisticRegression(class_weight={"low": 2}), "LogisticRegression with another"),
        (LogisticRegression(l1_ratio=1.0, solver="saga"), "LogisticRegression with another"),
        (LogisticRegression(class_weight="balanced"), None),
    ],
    ids=str,
)
def test_others_are_unknown(model: Any, told: str | None) -> None:
    """Another classifier, and another objective, are told by name."""
    found = logistic.unknown(model)
    assert found is told is None or str(found).startswith(str(told))
