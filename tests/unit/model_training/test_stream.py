"""The stream engine makes the model that scikit-learn makes of the same rows, in memory that does not grow with them."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from model_training.pipelines import describe, stream
from model_training.pipelines.fit import fit
from model_training.pipelines.read import Labelled, read
from model_training.pipelines.split import SEED
from model_training.pipelines.trained import Trained
from tests.examples import CoinRow, family, grid, rows_in_memory
from tests.folders import DATA
from twotier.errors import ConfigurationError
from twotier.families import discover
from twotier.families.outcome import generate
from twotier.family import Batch, Family, feature
from twotier.scorer import matrix

ROOT = Path(__file__).parents[3]
FAMILIES = discover()
IRIS = FAMILIES["iris"]
OUTCOME = FAMILIES["outcome"]
CUSTOMERS = replace(OUTCOME, dataset=replace(OUTCOME.dataset, batches=lambda data: _quarters(generate(SEED, 2_000))))

PEAK = """
import sys
from pathlib import Path
from dataclasses import replace
from model_training.training import ENGINES
from tests.examples import LABELS, family
from twotier.family import Cutoff

engine, rows, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])

def batches(data):
    for start in range(0, rows, 10_000):
        numbers = range(start, start + 10_000)
        yield {
            "a": [number % 199 / 2 - 49 for number in numbers],
            "b": [number % 83 - 41 for number in numbers],
            "label": [LABELS[number % 199 / 2 - 49 + number % 83 - 41 + number % 17 > 8] for number in numbers],
        }

coin = family(cutoff=Cutoff(positive="high", quantile=0.75))
coin = replace(coin, dataset=replace(coin.dataset, batches=batches))
trained = ENGINES[engine](coin, "log_reg", folder, lambda step, done: None)
facts = trained.draft.data
assert rows == facts.train_rows + facts.test_rows
# Of the process as it is since it runs this: what `getrusage` tells begins with its parent.
print(*(int(line.split()[1]) * 1024 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


class Gap(CoinRow):
    """A coin of which a number may be missing."""

    a: float | None = feature("First number", example=1.0, default=None)  # type: ignore[assignment]


def _quarters(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Each batch in four."""
    for batch in batches:
        size = len(batch["x0"]) // 4
        yield from ({name: column[at * size : (at + 1) * size] for name, column in batch.items()} for at in range(4))


def _run(of: Family, estimator: str = "log_reg") -> tuple[Trained, list[tuple[str, float]]]:
    told: list[tuple[str, float]] = []
    return stream.run(of, estimator, DATA, lambda step, done: told.append((step, done))), told


def _split(of: Family) -> tuple[Labelled, Labelled]:
    """Rows to learn from and rows held out: those to which chance gives less than the share."""
    every = read(of, DATA)
    drawn = np.random.RandomState(SEED).random_sample(len(every.rows))
    return _taken(every, drawn >= 0.25), _taken(every, drawn < 0.25)


def _taken(of: Labelled, chosen: NDArray[np.bool_]) -> Labelled:
    places = np.flatnonzero(chosen).tolist()
    return Labelled([of.rows[place] for place in places], [of.labels[place] for place in places])


def _weights(model: Any) -> NDArray[np.float64]:
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    return np.column_stack([last.coef_, last.intercept_])


@pytest.mark.parametrize("of", [CUSTOMERS, FAMILIES["credit"]], ids=lambda of: of.name)
def test_the_model_is_the_one_that_memory_makes_of_the_same_rows(of: Family) -> None:
    """It is the same pipeline of the same classes, its coefficients differ by less than 1e-9, and its cut-off by less than 1e-9."""
    (trained, _), (train, test) = _run(of), _split(of)
    exact: Any = fit(of, "log_reg", train)
    np.testing.assert_allclose(_weights(trained.model), _weights(exact), rtol=0, atol=1e-9)
    assert repr(exact) == repr(trained.model)
    assert [type(step) for _, step in exact.steps] == [type(step) for _, step in getattr(trained.model, "steps")]
    assert of.cutoff is not None
    scores = exact.predict_proba(matrix(of, train.rows))[:, list(map(str, exact.classes_)).index(of.cutoff.positive)]
    assert pytest.approx(np.quantile(scores, 0.75), abs=1e-9) == trained.draft.cutoff
    assert (len(train.rows), len(test.rows)) == (trained.draft.data.train_rows, trained.draft.data.test_rows)
    assert sorted(map(repr, test.rows)) == sorted(map(repr, trained.held_out.rows))
    ranges = describe.ranges(of, train)
    assert list(ranges) == list(trained.draft.ranges)
    for name, spread in ranges.items():
        assert spread.model_dump() == pytest.approx(trained.draft.ranges[name].model_dump(), rel=1e-12, abs=1e-9)


def test_iris_differs_no_more_than_from_itself_in_another_order() -> None:
    """The search stops on the way to the best coefficients, so that rounding shows, as it does if scikit-learn has the rows reordered.

    Where it is told to go on, it comes to the same.
    """
    train, _ = _split(IRIS)
    exact, made = fit(IRIS, "log_reg", train), _run(IRIS)[0].model
    np.testing.assert_allclose(_weights(made), _weights(exact), rtol=0, atol=2e-2)
    rows = matrix(IRIS, train.rows)
    np.testing.assert_allclose(made.predict_proba(rows), exact.predict_proba(rows), rtol=0, atol=1e-3)
    long = replace(IRIS, estimators={"log_reg": lambda: LogisticRegression(C=0.1, tol=1e-9, max_iter=1_000)})
    np.testing.assert_allclose(_weights(_run(long)[0].model), _weights(fit(long, "log_reg", train)), rtol=0, atol=1e-6)


def test_same_data_makes_the_same_version() -> None:
    """Two trainings on the same data give the same draft and the same pickled model, to the byte."""
    (first, _), (second, _) = _run(IRIS), _run(IRIS)
    assert dataclasses.asdict(first.draft) == dataclasses.asdict(second.draft)
    assert pickle.dumps(first.model) == pickle.dumps(second.model)
    assert ("stream", 42) == (first.draft.data.engine, first.draft.data.seed)
    assert len(read(IRIS, DATA).rows) == first.draft.data.train_rows + first.draft.data.test_rows


def test_progress_grows() -> None:
    """It tells how many rows have been read after each batch, and each step of the search."""
    _, told = _run(family(dataset=rows_in_memory(grid() * 20)))
    steps, shares = [step for step, _ in told], [done for _, done in told]
    assert ["read", "read, 1,210 rows", "read, 2,420 rows", "prepare", "fit, step 1", "fit, step 2"] == steps[:6]
    assert "evaluate" == steps[-1]
    assert sorted(shares) == shares


def test_many_rows_are_held_out_no_more_than_a_gate_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more rows than a quarter of which would be too many, about the most are held out and in the sample, and no row is lost."""
    monkeypatch.setattr(stream, "MOST", 200)
    trained, _ = _run(family(dataset=rows_in_memory(grid() * 20)))
    facts = trained.draft.data
    assert 2_420 == facts.train_rows + facts.test_rows
    assert facts.test_rows == len(trained.held_out.rows) == pytest.approx(200, abs=45)
    assert 201 == pytest.approx(len(trained.draft.reference.splitlines()), abs=45)


def test_held_out_rows_are_in_no_order() -> None:
    """They come in an order that chance made, so that the first of them, which become golden rows, are any."""
    held_out = _run(IRIS)[0].held_out
    assert sorted(map(str, held_out.labels)) != list(map(str, held_out.labels))
    assert set(held_out.labels) == set(held_out.labels[:12])


@pytest.mark.parametrize(
    ("of", "estimator", "what"), [("iris", "decision_tree", "DecisionTreeClassifier"), ("sentiment", "log_reg", "TfidfVectorizer")]
)
def test_what_cannot_be_streamed_is_refused_at_once(of: str, estimator: str, what: str) -> None:
    """The refusal says what stands in the way and what to do, before anything is read."""
    told: list[str] = []
    with pytest.raises(ConfigurationError, match=f"cannot train {estimator} of {of}: it does not know how to fit {what}.*engine memory"):
        stream.run(FAMILIES[of], estimator, Path("nowhere"), lambda step, done: told.append(step))
    assert [] == told


@pytest.mark.parametrize("labels", [["a"] * 60 + ["b"], ["a"] * 60])
def test_rare_label_is_refused(labels: list[str]) -> None:
    """A label that would be in one part only is an error that names it, and so is one that is alone."""
    rows = [{"a": float(at), "b": 0.0, "label": label} for at, label in enumerate(labels)]
    with pytest.raises(ConfigurationError, match="no row with label b would be held out|all rows have the label a"):
        _run(family(dataset=rows_in_memory(rows)))


def test_a_batch_may_have_one_row_and_columns_may_be_sparse() -> None:
    """Batches of one row, some of which are wholly held out, and one-hot columns that scikit-learn makes sparse, train too."""
    rows = grid()
    single = rows_in_memory(rows)
    alone = replace(single, batches=lambda data: iter([{name: [row[name]] for name in row} for row in rows]))
    sparse = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    coin = family(dataset=alone, estimators={"log_reg": lambda: sparse})
    train, _ = _split(coin)
    np.testing.assert_allclose(_weights(_run(coin)[0].model), _weights(fit(coin, "log_reg", train)), rtol=0, atol=1e-9)


def test_what_is_not_finite_is_refused_as_scikit_learn_does() -> None:
    """A missing value that reaches the classifier is an error, not a model of NaN."""
    _run(family(row=Gap))
    bare = family(row=Gap, dataset=rows_in_memory([{**row, "a": None} for row in grid()]))
    with pytest.raises(ValueError, match="contains NaN"):
        _run(bare)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "flat"), [("stream", True), ("memory", False)])
def test_memory_is_flat_as_rows_grow(tmp_path: Path, engine: str, flat: bool) -> None:
    """Beyond 50,000 rows, another takes less than 40 bytes of memory, where the memory engine takes five times that."""
    few, many = 50_000, 200_000
    peaks = [
        int(subprocess.run([sys.executable, "-c", PEAK, engine, str(rows), tmp_path], cwd=ROOT, check=True, capture_output=True).stdout)
        for rows in (few, many)
    ]
    per_row = (peaks[1] - peaks[0]) / (many - few)
    assert flat is (per_row < 40)
    assert flat or per_row > 200
