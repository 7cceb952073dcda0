"""How the outcome champion behaves: what must not sway it, its cut-off, and its reasons."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_training import train
from model_training.gate import predictor
from model_training.pipelines.read import read
from model_training.pipelines.split import split
from tests.folders import registry_over
from twotier.families.outcome import FAMILY, TARGET, OutcomeAnswer, generate
from twotier.family import Predict
from twotier.registry import Registry
from twotier.scorer import Scorer, matrix


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder without any raw data: these rows are generated."""
    return tmp_path_factory.mktemp("outcome")


@pytest.fixture(scope="module")
def registry(data: Path) -> Iterator[Registry]:
    """A registry in which the family is trained."""
    with registry_over(data) as opened:
        train(opened, FAMILY, data=data)
        yield opened


@pytest.fixture(scope="module")
def scorer(registry: Registry) -> Scorer:
    """The champion."""
    return registry.load("outcome", "champion")


@pytest.fixture(scope="module")
def predict(scorer: Scorer) -> Predict:
    """Ask the champion."""
    return predictor(scorer)


@pytest.fixture(scope="module")
def fresh() -> list[dict[str, Any]]:
    """10,000 rows as callers send them, from a seed that training has not seen."""
    (batch,) = generate(2027, 10_000)
    names = [name for name in batch if name != TARGET]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*(batch[name] for name in names), strict=True)]


def _shares(predict: Predict, *rows: Mapping[str, Any]) -> list[float]:
    return [getattr(answer, "phat") for answer in predict(rows)]


def test_the_fast_way_gives_scikit_learns_probabilities(scorer: Scorer, fresh: list[dict[str, Any]]) -> None:
    """On every fresh row, and whatever is missing in it; the champion is not asked any more."""
    rows = [FAMILY.values(FAMILY.row.model_validate(row)) for row in (*fresh, {}, {"x5": "monday"}, {"x12": "1e9"})]
    model: Any = scorer._model
    expected = model.predict_proba(matrix(FAMILY, rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model), "predict_proba", None)
        np.testing.assert_allclose(scorer.probabilities(rows), expected, rtol=0, atol=1e-12)


def test_a_quarter_of_fresh_rows_is_positive(predict: Predict, fresh: list[dict[str, Any]]) -> None:
    """The cut-off was learnt from this very model: of rows that it has never seen about a quarter is at or above it."""
    answers = predict(fresh)
    assert 0.23 < sum(getattr(answer, "business_outcome") for answer in answers) / len(answers) < 0.27


def test_cut_off_is_the_models_own(scorer: Scorer, data: Path) -> None:
    """The cut-off on the card is the 75th percentile of what the loaded model gives its training rows, and it decides from there on."""
    learnt, _ = split(read(FAMILY, data))
    scores = [row[1] for row in scorer.probabilities(learnt.rows)]
    cutoff = scorer.card.cutoff
    assert cutoff is not None
    assert math.isclose(np.quantile(scores, 0.75), cutoff, rel_tol=1e-12)
    below = math.nextafter(cutoff, 0)
    decided = [FAMILY.decide([1 - score, score], scorer.card) for score in (below, cutoff)]
    assert [OutcomeAnswer(business_outcome=0, phat=below), OutcomeAnswer(business_outcome=1, phat=cutoff)] == decided


def test_row_among_others_is_the_row_alone(predict: Predict, fresh: list[dict[str, Any]]) -> None:
    """A row has the same probability alone as among 9,999 others, to 1e-12."""
    together = _shares(predict, *fresh)
    for at in random.Random(1).sample(range(len(fresh)), 50):
        assert math.isclose(together[at], _shares(predict, fresh[at])[0], rel_tol=0, abs_tol=1e-12)


def test_order_of_keys_and_missing_keys_change_nothing(predict: Predict, fresh: list[dict[str, Any]]) -> None:
    """A row with its keys in another order, or without those that are null, is the same row; so is one whose numbers are text."""
    rows = fresh[:50]
    turned = [dict(reversed(row.items())) for row in rows]
    bare = [{name: value for name, value in row.items() if value is not None} for row in rows]
    written = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    assert _shares(predict, *rows) == _shares(predict, *turned) == _shares(predict, *bare) == _shares(predict, *written)


@pytest.mark.parametrize(
    ("name", "ways"),
    [
        ("x0", (-1.5, "-1.5", " -1.50 ", "-15e-1")),
        ("x12", (-1234.5, "($1,234.50)", "-1234.5", "-$1,234.50")),
        ("x63", (12.5, "12.5%", "12.5 %", "12.50")),
        ("x81", (None, "")),
    ],
)
def test_ways_of_writing_are_alike(predict: Predict, name: str, ways: tuple[Any, ...]) -> None:
    """However a cell is written, it means the same."""
    assert 1 == len(set(_shares(predict, *({name: way} for way in ways))))


def test_each_word_counts(predict: Predict) -> None:
    """A lone row's words are not lost: each day gives another probability, and none of them that of a missing one."""
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    assert 8 == len(set(_shares(predict, {}, *({"x5": day} for day in days))))


def test_reasons_add_up(scorer: Scorer, fresh: list[dict[str, Any]]) -> None:
    """The reasons of a row, by input, add up with the intercept to the logit of its probability, to 1e-9."""
    rows = [FAMILY.values(FAMILY.row.model_validate(row)) for row in fresh[:200]]
    for answer in scorer.answers(rows, explain=True):
        assert isinstance(answer, OutcomeAnswer) and answer.reasons is not None
        assert FAMILY.features == tuple(answer.reasons.inputs)
        logit = math.log(answer.phat / (1 - answer.phat))
        assert math.isclose(logit, answer.reasons.intercept + math.fsum(answer.reasons.inputs.values()), rel_tol=0, abs_tol=1e-9)
