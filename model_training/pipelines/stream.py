"""The stream engine: rows on disk, and a few of them in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array

from model_training.pipelines import describe, logistic, transformers
from model_training.pipelines.read import Labelled, batches
from model_training.pipelines.split import SEED, TEST_SHARE
from model_training.pipelines.spool import Spool
from model_training.pipelines.trained import Progress, Trained, described
from twotier.card import DataFacts, Spread
from twotier.errors import ConfigurationError
from twotier.family import Family
from twotier.scorer import matrix
from twotier.transforming import Matrix, own_name

MOST = 10_000
"""Most rows that are held out, and most of those that training metrics are of: more would hardly change a metric, and fill memory."""

Rows = tuple[NDArray[np.float64], NDArray[Any], NDArray[Any]]
"""Of each row of a batch: a number from 0 to 1 that chance gave it, its features, and its label."""

Columns = tuple[Matrix, NDArray[np.intp]]
"""Of each training row of a batch: what the classifier sees, and the place of its label."""


def run(family: Family, estimator: str, data: Path, progress: Progress) -> Trained:
    """Train one estimator on the raw data in the data folder. The same data gives the same draft.

    Raises ConfigurationError for an estimator that cannot be fitted in this way, before anything is read, and for raw data that cannot be
    trained on; and whatever the estimator raises.
    """
    model: Any = clone(family.estimators[estimator]())
    steps = model.steps if own_name(model) == "Pipeline" else [("", model)]
    before, (name, last) = Pipeline(steps[:-1]), steps[-1]
    if unknown := transformers.unknown(before) or logistic.unknown(last):
        raise ConfigurationError(
            f"the engine stream cannot train {estimator} of {family.name}: it does not know how to fit {unknown} to a few rows at a time."
            " Have the engine memory train it, on as many rows as fit there"
        )
    progress("read", 0.0)
    fingerprint = family.dataset.fingerprint(data)
    with Spool[Rows](data) as rows, Spool[Columns](data) as columns:
        split = _Split(family, data, rows, progress)
        progress("prepare", 0.3)
        before = transformers.fitted(before, lambda: (X for X, _ in split.train()))
        for X, labels in split.train():
            made: Any = X
            for _, step in before.steps:
                made = step.transform(made)
            dense = check_array(made.toarray() if issparse(made) else made, dtype=np.float64)
            columns.add((dense, np.searchsorted(split.classes, labels)))
        last = logistic.fitted(last, split.classes, split.counts, columns, lambda step: progress(f"fit, step {step}", 0.5))
        if name:
            model.steps = [*before.steps, (name, last)]
        progress("evaluate", 0.6)
        facts = DataFacts(
            source=family.dataset.source,
            sha256=fingerprint,
            train_rows=int(split.counts.sum()),
            test_rows=len(split.test.rows),
            seed=SEED,
            engine="stream",
        )
        return described(
            family,
            estimator,
            model if name else last,
            facts,
            train=split.sample,
            test=split.test,
            ranges=split.ranges(),
            scores=lambda scorer: np.concatenate([last.predict_proba(X)[:, scorer.positive] for X, _ in columns]),
        )


class _Split:
    """Rows on disk, and which of them are held out: a share of them by chance, or, of very many, about `MOST`.

    Raises ConfigurationError if a label is too rare to be both learnt and judged.
    """

    def __init__(self, family: Family, data: Path, rows: Spool[Rows], progress: Progress) -> None:
        self._family, self._rows = family, rows
        # This generator's numbers are promised to stay the same for ever.
        chance = np.random.RandomState(SEED)
        counts: Counter[Any] = Counter()
        held_out, learnt = _Sample(TEST_SHARE), _Sample(1 - TEST_SHARE)
        for batch in batches(family, data):
            drawn = chance.random_sample(len(batch.rows))
            rows.add((drawn, matrix(family, batch.rows), np.asarray(batch.labels)))
            counts.update(batch.labels)
            held_out.add(drawn, batch, counts.total())
            # No row is in both samples, as the two shares make a whole.
            learnt.add(1 - drawn, batch, counts.total())
            progress(f"read, {counts.total():,} rows", 0.0)
        self.test, self.sample = held_out.labelled(), learnt.labelled()
        self._share = held_out.share(counts.total())
        if len(counts) < 2:
            raise ConfigurationError(f"all rows have the label {', '.join(map(str, counts))}: there is nothing to tell apart")
        counts.subtract(held := Counter(self.test.labels))
        if rare := sorted(str(label) for label in counts if not (held[label] and counts[label])):
            raise ConfigurationError(
                f"no row with label {', '.join(rare)} would be held out to judge by, or none be left to learn from: give more of them"
            )
        self.classes = np.unique(np.asarray(list(counts)))
        self.counts = np.array([counts[label] for label in self.classes.tolist()])
        """How many training rows there are of each class."""

    def train(self) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """The training rows anew, in blocks: features and labels."""
        for drawn, X, labels in self._rows:
            learnt = drawn >= self._share
            if learnt.any():
                yield X[learnt], labels[learnt]

    def ranges(self) -> dict[str, Spread]:
        """Spread of each feature that has numbers in the sample, over all training rows."""
        names = list(describe.ranges(self._family, self.sample))
        places = [self._family.features.index(name) for name in names]
        least, most = np.full(len(names), np.inf), np.full(len(names), -np.inf)
        for X, _ in self.train():
            cells = X[:, places].astype(np.float64)
            least, most = np.fmin(least, np.fmin.reduce(cells)), np.fmax(most, np.fmax.reduce(cells))
        mean = transformers.means(X[:, places] for X, _ in self.train())
        spreads = zip(least.tolist(), most.tolist(), mean.tolist(), strict=True)
        return {name: Spread(minimum=low, maximum=high, mean=middle) for name, (low, high, middle) in zip(names, spreads, strict=True)}


class _Sample:
    """The rows to which chance gave the least numbers: a share of all or, if that is more than `MOST`, about so many."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._kept: list[tuple[float, list[Any], Any]] = []

    def share(self, seen: int) -> float:
        """Which share of so many rows is in the sample: a row is in it if its number is less."""
        return min(self._share, MOST / seen)

    def add(self, drawn: NDArray[np.float64], batch: Labelled, seen: int) -> None:
        """Add those rows of a batch that are in the sample, and let go of those that are no longer; `seen` rows have been read."""
        self._kept += zip(drawn.tolist(), batch.rows, batch.labels, strict=True)
        self._kept = [each for each in self._kept if each[0] < self.share(seen)]

    def labelled(self) -> Labelled:
        """The sample, in an order that chance made too."""
        ordered = sorted(self._kept, key=lambda each: each[0])
        return Labelled([row for _, row, _ in ordered], [label for _, _, label in ordered])
