"""Reasons of a linear model add up to its logit, whatever its pipeline makes of the inputs; other models have none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.examples import CoinAnswer, card, family
from twotier.errors import NotExplainable
from twotier.explaining import Explainer
from twotier.family import Cutoff
from twotier.reasons import Explained
from twotier.scorer import Scorer

NUMBERS = np.random.RandomState(1).normal(size=(200, 3))
MIXED = NUMBERS.astype(object)
MIXED[::7, 0] = None
MIXED[:, 1] = np.array(["red", "green", "blue"], dtype=object)[np.arange(200) % 3]
MIXED[::11, 1] = None
LABELS = (NUMBERS.sum(axis=1) + np.arange(200) % 3 > 1).astype(int)
NAMES = ("one", "two", "three")


def _columns(**options: Any) -> Any:
    return make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), [2, 0]), (OneHotEncoder(**options), [1])
    )


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize(
    ("model", "made"),
    [
        (LogisticRegression(), NUMBERS),
        (make_pipeline(LogisticRegression(fit_intercept=False)), NUMBERS),
        (make_pipeline(StandardScaler(), LogisticRegression(C=100.0)), NUMBERS),
        (make_pipeline(_columns(sparse_output=False), LogisticRegression()), MIXED),
        (make_pipeline(_columns(drop="first"), StandardScaler(with_mean=False), LogisticRegression()), MIXED),
        (make_pipeline(_columns(handle_unknown="ignore"), LogisticRegression()), MIXED),
    ],
)
def test_reasons_add_up(model: Any, made: NDArray[Any], positive: int) -> None:
    """Intercept and inputs add up to the logit of the positive class, for either class, and every input has its share."""
    model.fit(made, LABELS)
    for reasons, probability in zip(Explainer(model, NAMES, positive).reasons(made), model.predict_proba(made)[:, positive], strict=True):
        assert NAMES == tuple(reasons.inputs)
        logit = math.log(probability / (1 - probability))
        assert math.isclose(logit, reasons.intercept + math.fsum(reasons.inputs.values()), rel_tol=1e-9, abs_tol=1e-9)


def test_each_input_has_its_own() -> None:
    """A change of one input changes that input's share alone."""
    model = make_pipeline(_columns(sparse_output=False), LogisticRegression()).fit(MIXED, LABELS)
    changed = MIXED[:2].copy()
    changed[:, 1] = "blue"
    before, after = (Explainer(model, NAMES, 1).reasons(rows) for rows in (MIXED[:2], changed))
    for was, now in zip(before, after, strict=True):
        assert (was.inputs["one"], was.inputs["three"], was.intercept) == (now.inputs["one"], now.inputs["three"], now.intercept)
        assert was.inputs["two"] != now.inputs["two"]


@pytest.mark.parametrize(
    ("model", "labels", "why"),
    [
        (DecisionTreeClassifier(), LABELS, "DecisionTreeClassifier does not weigh its inputs"),
        (LogisticRegression(), np.arange(200) % 3, "for one of two classes"),
        (make_pipeline(PCA(2), LogisticRegression()), LABELS, "a column is made of several inputs, or of parts of one"),
        (make_pipeline(PolynomialFeatures(2, include_bias=False), LogisticRegression()), LABELS, "a column is made of several inputs"),
        (make_pipeline(FunctionTransformer(np.abs), LogisticRegression()), LABELS, "a step does not say what its columns are made of"),
    ],
)
def test_other_models_have_none(model: Any, labels: NDArray[Any], why: str) -> None:
    """A model that is not linear in each input, or not for two classes, says so instead of making something up."""
    with pytest.raises(ValueError, match=why):
        Explainer(model.fit(NUMBERS, labels), NAMES, 1)


class Because(Explained):
    """The label of a coin, with reasons."""

    label: str


def _scorer(model: Any, **changes: Any) -> Scorer:
    side = np.array([[a, b] for a in (-2.0, -1.0, 1.0, 2.0) for b in (-2.5, 0.0, 2.5)])
    model.fit(side, np.where(side.sum(axis=1) > 0, "high", "low"))
    coin = family(answer=Because, decide=lambda probabilities, card: Because(label="any"), **changes)
    return Scorer(coin, card(), model)


def test_reasons_come_only_when_wanted() -> None:
    """An answer has no reasons unless they are asked for; then they are those of the cut-off's label, or of the last."""
    plain, decisive = _scorer(LogisticRegression()), _scorer(LogisticRegression(), cutoff=Cutoff(positive="high", quantile=0.5))
    (without,), (low,), (high,) = plain.answers([[1, 2]]), plain.answers([[1, 2]], explain=True), decisive.answers([[1, 2]], explain=True)
    assert isinstance(without, Because) and isinstance(low, Because) and isinstance(high, Because)
    assert without.reasons is None
    assert low.reasons is not None and high.reasons is not None
    assert {name: -value for name, value in low.reasons.inputs.items()} == high.reasons.inputs
    assert high.reasons.inputs["a"] > 0 > low.reasons.inputs["a"]


def test_bad_row_fails_alone() -> None:
    """A row that cannot be scored does not take its neighbours' reasons away."""
    first, bad, last = _scorer(LogisticRegression()).answers([[1.0, 2.0], [1.0], [2.0, 1.0]], explain=True)
    assert isinstance(bad, ValueError)
    assert all(isinstance(answer, Because) and answer.reasons is not None for answer in (first, last))


def test_version_without_reasons_says_so() -> None:
    """The refusal names the version and why, and comes every time; without reasons the version answers."""
    scorer = _scorer(DecisionTreeClassifier())
    for _ in range(2):
        with pytest.raises(NotExplainable, match="coin log_reg_1 has no reasons to give: DecisionTreeClassifier does not weigh"):
            scorer.answers([[1.0, 2.0]], explain=True)
    assert isinstance(scorer.answers([[1.0, 2.0]])[0], Because)


def test_only_some_families_explain() -> None:
    """Whether there is a place for reasons is said by the family's answer."""
    assert [True, False] == [
        _scorer(LogisticRegression()).explains,
        Scorer(family(answer=CoinAnswer), card(classes=["0", "1"]), LogisticRegression().fit([[0, 0], [1, 1]], [0, 1])).explains,
    ]
