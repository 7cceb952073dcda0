"""How the iris champion behaves: what it must know, what must not sway it, and which way it must be swayed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_training.gate import predictor
from model_training.pipelines.read import read
from tests.folders import DATA, registry_over
from twotier.families.iris import FAMILY
from twotier.family import Predict
from twotier.scorer import matrix

TYPICAL = {
    "Iris-setosa": (5.0, 3.4, 1.5, 0.2),
    "Iris-versicolor": (5.9, 2.8, 4.3, 1.3),
    "Iris-virginica": (6.6, 3.0, 5.6, 2.0),
}
"""The median flower of each species."""

LENGTHS = st.tuples(st.floats(4.3, 7.9), st.floats(2.0, 4.4), st.floats(1.0, 6.9), st.floats(0.1, 2.5))
"""Flowers within the ranges of the raw data."""

quick = settings(max_examples=50)


def _flower(*lengths: float) -> Mapping[str, float]:
    return dict(zip(FAMILY.features, lengths, strict=True))


def _species(predict: Predict, *flowers: Mapping[str, float]) -> list[str]:
    return [getattr(answer, "output") for answer in predict(flowers)]


def _shares(predict: Predict, *flowers: Mapping[str, float]) -> list[dict[str, Any]]:
    return [getattr(answer, "probabilities") for answer in predict(flowers)]


@pytest.fixture(scope="module")
def predict(trained_data: Path) -> Iterator[Predict]:
    """Ask the champion."""
    with registry_over(trained_data) as registry:
        yield predictor(registry.load("iris", "champion"))


def test_the_fast_way_gives_scikit_learns_probabilities(trained_data: Path) -> None:
    """On every flower of the raw data; the champion, a logistic regression, is not asked any more."""
    with registry_over(trained_data) as registry:
        scorer = registry.load("iris", "champion")
    rows, model = read(FAMILY, DATA).rows, cast(Any, scorer._model)
    expected = model.predict_proba(matrix(FAMILY, rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model), "predict_proba", None)
        np.testing.assert_allclose(scorer.probabilities(rows), expected, rtol=0, atol=1e-12)


# Minimum functionality: what anybody who knows irises would know


@pytest.mark.parametrize("species", TYPICAL)
def test_typical_flower_is_known(predict: Predict, species: str) -> None:
    """The median flower of each species is recognised, with more than two thirds of the probability."""
    assert [species] == _species(predict, _flower(*TYPICAL[species]))
    assert _shares(predict, _flower(*TYPICAL[species]))[0][species] > 2 / 3


def test_setosa_is_never_taken_for_another(predict: Predict) -> None:
    """All flowers with petals shorter than 2 cm and narrower than 0.7 cm are setosa, whatever their sepals."""
    sepals = [(length, width) for length in (4.3, 5.0, 5.8) for width in (2.3, 3.4, 4.4)]
    flowers = [_flower(*sepal, *petal) for sepal in sepals for petal in ((1.0, 0.1), (1.5, 0.2), (1.9, 0.6))]
    assert ["Iris-setosa"] * len(flowers) == _species(predict, *flowers)


def test_readme_flower(predict: Predict) -> None:
    """The flower of the README is virginica."""
    assert ["Iris-virginica"] == _species(predict, _flower(5, 2, 3, 4))


@quick
@given(LENGTHS)
def test_probabilities_are_a_distribution(predict: Predict, lengths: tuple[float, ...]) -> None:
    """Each species has a probability from 0 to 1, they add up to 1, and the answer is the likeliest."""
    (shares,) = _shares(predict, _flower(*lengths))
    assert list(TYPICAL) == list(shares)
    assert all(0 <= share <= 1 for share in shares.values())
    assert pytest.approx(1, abs=1e-9) == sum(shares.values())
    assert [max(shares, key=shares.__getitem__)] == _species(predict, _flower(*lengths))


# Invariance: what must not sway it


@pytest.mark.parametrize("species", TYPICAL)
def test_measuring_error_does_not_change_a_typical_flower(predict: Predict, species: str) -> None:
    """A millimetre more or less on any one length of a typical flower leaves its species."""
    typical = TYPICAL[species]
    flowers = [
        _flower(*(value + error * (index == place) for index, value in enumerate(typical)))
        for place in range(4)
        for error in (-0.1, 0.1)
    ]
    assert {species} == set(_species(predict, *flowers))


@quick
@given(LENGTHS)
def test_whole_numbers_are_numbers(predict: Predict, lengths: tuple[float, ...]) -> None:
    """A length sent as a whole number is answered as the same length with a point."""
    rounded = [max(1, round(length)) for length in lengths]
    assert _shares(predict, _flower(*rounded)) == _shares(predict, _flower(*map(float, rounded)))


# Direction: which way it must be swayed


@quick
@given(LENGTHS, st.floats(0.05, 2))
def test_longer_petals_are_less_setosa(predict: Predict, lengths: tuple[float, ...], more: float) -> None:
    """Petals that are longer, or wider, and all else equal, never make setosa likelier."""
    sepal_length, sepal_width, petal_length, petal_width = lengths
    flowers = [
        _flower(*lengths),
        _flower(sepal_length, sepal_width, petal_length + more, petal_width),
        _flower(sepal_length, sepal_width, petal_length, petal_width + more),
    ]
    small, longer, wider = (shares["Iris-setosa"] for shares in _shares(predict, *flowers))
    assert small >= max(longer, wider)


@quick
@given(LENGTHS, st.floats(0.05, 2))
def test_longer_petals_are_more_virginica_than_versicolor(predict: Predict, lengths: tuple[float, ...], more: float) -> None:
    """Longer petals shift the balance of virginica to versicolor towards virginica."""
    sepal_length, sepal_width, petal_length, petal_width = lengths
    longer = _flower(sepal_length, sepal_width, petal_length + more, petal_width)
    before, after = _shares(predict, _flower(*lengths), longer)
    assert after["Iris-virginica"] * before["Iris-versicolor"] >= before["Iris-virginica"] * after["Iris-versicolor"]
