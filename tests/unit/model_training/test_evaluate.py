"""Metrics are what their names say, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_training.pipelines.evaluate import decided, evaluate, likeliest
from model_training.pipelines.read import Labelled
from tests.examples import card, family
from twotier.family import Cutoff
from twotier.scorer import Scorer


class Told:
    """A model that is told its probabilities: the first feature is that of the first class, the rest is shared by the others."""

    def __init__(self, *classes: Any) -> None:
        self.classes_ = np.array(classes)

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """(rows, 2) -> (rows, classes)."""
        others = len(self.classes_) - 1
        return np.column_stack([X[:, 0], *[(1 - X[:, 0]) / others] * others])


def _scorer(*classes: Any) -> Scorer:
    return Scorer(family(), card(classes=[str(label) for label in classes]), Told(*classes))


def _data(first: list[float], labels: list[Any]) -> Labelled:
    return Labelled([[share, 0.0] for share in first], labels)


def test_two_labels() -> None:
    """With two labels there are also the area under the curve of the second, and two errors of its probability."""
    metrics = evaluate(_scorer("bad", "good"), _data([0.9, 0.6, 0.2, 0.7], ["bad", "bad", "good", "good"]))
    assert {"accuracy", "auc", "brier", "log_loss"} == metrics.keys()
    assert 0.75 == metrics["accuracy"]
    # The scores of `good` are 0.1 and 0.4 where it is bad, 0.8 and 0.3 where it is good: three of the four pairs are in order.
    assert 0.75 == metrics["auc"]
    assert pytest.approx((0.1**2 + 0.4**2 + 0.2**2 + 0.7**2) / 4) == metrics["brier"]
    assert pytest.approx(-sum(map(math.log, (0.9, 0.6, 0.8, 0.3))) / 4) == metrics["log_loss"]
    assert {float} == {type(value) for value in metrics.values()}


def test_cut_off() -> None:
    """With a cut-off rows are decided by it, not by what is likelier, and there are precision and recall, of the positive label."""
    decisive = family(cutoff=Cutoff(positive="bad", quantile=0.5))
    scorer = Scorer(decisive, card(classes=["bad", "good"], cutoff=0.3), Told("bad", "good"))
    assert ["bad", "bad", "good"] == decided(scorer, [[0.9, 0.1], [0.3, 0.7], [0.29, 0.71]])
    metrics = evaluate(scorer, _data([0.9, 0.4, 0.2, 0.35], ["bad", "good", "bad", "bad"]))
    assert (0.5, 2 / 3, 2 / 3) == (metrics["accuracy"], metrics["precision"], metrics["recall"])
    # The scores of `bad` are 0.9, 0.2 and 0.35 where it is bad, 0.4 where it is good: one of the three pairs is in order.
    assert pytest.approx(1 / 3) == metrics["auc"]


def test_no_positive_decision() -> None:
    """Where nothing is decided to be positive, no positive decision is right, and none of the positive rows is found."""
    decisive = family(cutoff=Cutoff(positive="b", quantile=0.5))
    scorer = Scorer(decisive, card(classes=["a", "b"], cutoff=0.99), Told("a", "b"))
    metrics = evaluate(scorer, _data([0.9, 0.4], ["a", "b"]))
    assert (0.5, 0.0, 0.0) == (metrics["accuracy"], metrics["precision"], metrics["recall"])


def test_many_labels() -> None:
    """With three labels there is accuracy alone."""
    assert {"accuracy": 2 / 3} == evaluate(_scorer("a", "b", "c"), _data([0.9, 0.8, 0.1], ["a", "b", "b"]))


def test_labels_may_be_numbers() -> None:
    """Labels are compared as the card spells them, whatever type they are of in the raw data."""
    assert 1.0 == evaluate(_scorer(0, 1), _data([0.9, 0.1], [0, 1]))["accuracy"]


def test_first_of_equally_likely_labels() -> None:
    """Where two labels are equally likely the first is taken."""
    assert ["a", "b"] == likeliest(["a", "b"], [[0.5, 0.5], [0.4, 0.6]])
