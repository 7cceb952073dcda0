"""How the credit estimators behave: how well they rank, and which way they must be swayed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from model_training import train_all
from model_training.gate import predictor
from model_training.pipelines.fit import fit
from model_training.pipelines.read import Labelled, read
from model_training.pipelines.split import split
from tests.folders import DATA, registry_over, with_raw_data
from twotier.families.credit import FAMILY, CreditAnswer, applicant
from twotier.family import Predict
from twotier.registry import Registry
from twotier.scorer import Scorer, matrix


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry in which both estimators were trained by one command."""
    data = with_raw_data(tmp_path_factory.mktemp("credit") / "data")
    with registry_over(data) as opened:
        train_all(opened, FAMILY, data=data)
        yield opened


@pytest.fixture(scope="module", params=["log_reg_1", "boosted_trees_1"])
def scorer(request: pytest.FixtureRequest, registry: Registry) -> Scorer:
    """Either version."""
    return registry.load("credit", request.param)


@pytest.fixture(scope="module")
def predict(scorer: Scorer) -> Predict:
    """Ask it."""
    return predictor(scorer)


def test_log_reg_ranks_as_well_as_the_reference() -> None:
    """Over five stratified folds the mean area under the ROC curve is at least 0.835."""
    data = read(FAMILY, DATA)
    areas = []
    for learnt, asked in StratifiedKFold(5, shuffle=True, random_state=42).split(data.rows, data.labels):
        train, test = (Labelled([data.rows[at] for at in part], [data.labels[at] for at in part]) for part in (learnt, asked))
        model = fit(FAMILY, "log_reg", train)
        areas.append(roc_auc_score([label == "bad" for label in test.labels], model.predict_proba(matrix(FAMILY, test.rows))[:, 0]))
    assert fmean(areas) >= 0.835


def test_the_better_one_is_champion(registry: Registry) -> None:
    """One command trained both; the one that ranks the held-out rows better is champion, and its history says by how much."""
    areas = {version.name: version.metrics["test"]["auc"] for version in registry.versions("credit")}
    assert {"log_reg_1", "boosted_trees_1"} == areas.keys()
    best = max(areas, key=areas.__getitem__)
    assert best == registry.aliases("credit")["champion"]
    move = registry.history("credit", "champion")[0]
    assert best == move.to_version
    if move.from_version is not None:
        assert all(f"{name} {area:.4f}" in move.why for name, area in areas.items())


def test_probabilities_are_better_than_the_share(registry: Registry) -> None:
    """On average over the held-out rows the squared error is below that of telling everybody the same."""
    assert all(version.metrics["test"]["brier"] < 0.282 * (1 - 0.282) * 0.75 for version in registry.versions("credit"))


def test_probabilities_are_calibrated(scorer: Scorer) -> None:
    """In each fifth of the held-out rows by probability, as many loans went bad as were told to, give or take 8 in 100.

    That is no matter of ranking: the same probabilities pushed apart, or together, rank alike and fail it.
    """
    _, held_out = split(read(FAMILY, DATA))
    shares = np.array(scorer.probabilities(held_out.rows))[:, scorer.card.classes.index("bad")]
    bad = np.array([label == "bad" for label in held_out.labels])
    order = np.argsort(shares, kind="stable")

    def worst(told: NDArray[Any]) -> float:
        return float(max(abs(told[fifth].mean() - bad[fifth].mean()) for fifth in np.array_split(order, 5)))

    apart, together = shares**2 / (shares**2 + (1 - shares) ** 2), (shares + bad.mean()) / 2
    assert worst(shares) < 0.08 < min(worst(apart), worst(together))
    assert np.mean((apart - bad) ** 2) < 0.282 * (1 - 0.282) * 0.75


def test_cut_off_is_the_models_own(scorer: Scorer) -> None:
    """The cut-off on the card is the 75th percentile of what the loaded model gives its training rows, and it decides from there on."""
    learnt, _ = split(read(FAMILY, DATA))
    at = scorer.card.classes.index("bad")
    cutoff = scorer.card.cutoff
    assert cutoff is not None
    assert math.isclose(np.quantile([row[at] for row in scorer.probabilities(learnt.rows)], 0.75), cutoff, rel_tol=1e-12)
    below = math.nextafter(cutoff, 0)
    decided = [FAMILY.decide([share, 1 - share] if at == 0 else [1 - share, share], scorer.card) for share in (below, cutoff)]
    assert [CreditAnswer(decision="good", phat=below), CreditAnswer(decision="bad", phat=cutoff)] == decided


def _shares(predict: Predict, *rows: dict[str, object]) -> list[float]:
    return [getattr(answer, "phat") for answer in predict(rows)]


@settings(max_examples=25)
@given(st.integers(18, 68), st.integers(0, 40), st.integers(100, 5000))
def test_records_are_never_a_good_sign(predict: Predict, age: int, seniority: int, amount: int) -> None:
    """Records of unpaid debts, all else equal, never make a loan safer."""
    clean, recorded = (applicant(Age=age, Seniority=seniority, Amount=amount, Records=records) for records in ("no", "yes"))
    safe, risky = _shares(predict, clean, recorded)
    assert risky >= safe


def test_what_is_missing_may_be_left_out(predict: Predict) -> None:
    """A fact that is null and one that is left out are the same, and such a row is answered."""
    without = applicant()
    del without["Income"]
    left_out, null = _shares(predict, without, applicant(Income=None))
    assert left_out == null
    assert 0 < null < 1
