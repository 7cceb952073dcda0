"""Fitting is reproducible, and the parameters on the card are plain values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from model_training.pipelines.fit import fit, parameters
from model_training.pipelines.read import Labelled, read
from tests.examples import LABELS, family
from tests.folders import DATA
from twotier.scorer import matrix


def test_model_learns_the_rows() -> None:
    """A fitted model knows the labels and puts a row on its right side."""
    coin = family()
    model = fit(coin, "log_reg", read(coin, DATA))
    assert sorted(LABELS) == list(model.classes_)
    assert [0, 1] == np.argmax(model.predict_proba(matrix(coin, [[5.0, 5.0], [-5.0, -5.0]])), axis=1).tolist()


def test_every_fit_starts_afresh() -> None:
    """A second fit learns nothing from the first, and gives the same probabilities to the last bit."""
    coin = family()
    data = read(coin, DATA)
    first, second = fit(coin, "log_reg", data), fit(coin, "log_reg", data)
    rows = matrix(coin, data.rows)
    assert first is not second
    assert first.predict_proba(rows).tobytes() == second.predict_proba(rows).tobytes()


def test_labels_may_be_numbers() -> None:
    """Labels that are whole numbers stay so for the estimator."""
    coin = family()
    rows = Labelled([[float(a), 0.0] for a in (-2, -1, 1, 2)], [0, 0, 1, 1])
    assert [0, 1] == fit(coin, "log_reg", rows).classes_.tolist()


def test_parameters_of_a_pipeline_are_told_by_step() -> None:
    """A step is told by its own parameters, not by an object's printed form, and all of it is JSON."""
    pipeline = make_pipeline(FunctionTransformer(np.log1p), StandardScaler(), LogisticRegression(C=0.5))
    told = parameters(pipeline)
    assert 0.5 == told["logisticregression__C"]
    assert True is told["standardscaler__with_mean"]
    assert {"steps", "standardscaler", "functiontransformer__func"}.isdisjoint(told)
    assert told == json.loads(json.dumps(told, allow_nan=False))


@pytest.mark.parametrize(("value", "told"), [(float("inf"), False), (float("nan"), False), (0.5, True), (None, True)])
def test_parameters_are_finite(value: float | None, told: bool) -> None:
    """A parameter that JSON cannot tell is left out."""
    assert told == ("max_df" in parameters(TfidfVectorizer(max_df=value)))


def test_parameters_may_be_lists() -> None:
    """A parameter of several plain values is told."""
    assert (1, 2) == parameters(TfidfVectorizer(ngram_range=(1, 2)))["ngram_range"]
