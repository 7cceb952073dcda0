"""The memory engine reproduces the reference, and itself."""

from __future__ import annotations

import dataclasses
import pickle

from model_training.pipelines import memory
from model_training.pipelines.trained import Trained
from tests.folders import DATA
from twotier.families import discover

IRIS = discover()["iris"]


def _run() -> tuple[Trained, list[tuple[str, float]]]:
    told: list[tuple[str, float]] = []
    return memory.run(IRIS, "log_reg", DATA, lambda step, done: told.append((step, done))), told


def test_iris_is_as_accurate_as_the_reference() -> None:
    """Logistic regression answers 109 of 112 training rows and 36 of 38 held-out rows rightly."""
    trained, _ = _run()
    assert {"train": {"accuracy": 109 / 112}, "test": {"accuracy": 36 / 38}} == trained.draft.metrics
    assert (0.97321, 0.94737) == (round(109 / 112, 5), round(36 / 38, 5))


def test_same_data_makes_the_same_version() -> None:
    """Two trainings on the same data give the same draft and the same pickled model, to the byte."""
    (first, _), (second, _) = _run(), _run()
    assert repr(first.draft.metrics).encode() == repr(second.draft.metrics).encode()
    assert dataclasses.asdict(first.draft) == dataclasses.asdict(second.draft)
    assert pickle.dumps(first.model) == pickle.dumps(second.model)


def test_draft_says_where_it_came_from() -> None:
    """The draft tells source, fingerprint, sizes and seed, and the labels in the order of the probabilities."""
    draft = _run()[0].draft
    assert IRIS.dataset.fingerprint(DATA) == draft.data.sha256
    assert ("raw/iris.csv", 112, 38, 42) == (draft.data.source, draft.data.train_rows, draft.data.test_rows, draft.data.seed)
    assert ["Iris-setosa", "Iris-versicolor", "Iris-virginica"] == draft.classes
    assert None is draft.cutoff
    assert 1.0 == draft.parameters["C"]
    assert list(IRIS.features) == list(draft.ranges)
    assert 113 == len(draft.reference.splitlines())
    assert len(IRIS.examples) + 4 == len(draft.golden)


def test_held_out_rows_are_handed_on() -> None:
    """The gate gets the 38 rows that the model has not learnt from."""
    assert 38 == len(_run()[0].held_out.rows)


def test_progress_grows() -> None:
    """Each step is told once, in order, with a growing share."""
    _, told = _run()
    assert [("read", 0.0), ("fit", 0.2), ("evaluate", 0.6)] == told
