"""The memory engine: all rows in memory at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from model_training.pipelines import describe
from model_training.pipelines.fit import fit
from model_training.pipelines.read import read
from model_training.pipelines.split import SEED, split
from model_training.pipelines.trained import Progress, Trained, described
from twotier.card import DataFacts
from twotier.family import Family


def run(family: Family, estimator: str, data: Path, progress: Progress) -> Trained:
    """Train one estimator on the raw data in the data folder. The same data gives the same draft.

    Raises ConfigurationError for raw data that cannot be trained on, and whatever the estimator raises.
    """
    progress("read", 0.0)
    fingerprint = family.dataset.fingerprint(data)
    train, test = split(read(family, data))
    progress("fit", 0.2)
    model = fit(family, estimator, train)
    progress("evaluate", 0.6)
    return described(
        family,
        estimator,
        model,
        DataFacts(
            source=family.dataset.source,
            sha256=fingerprint,
            train_rows=len(train.rows),
            test_rows=len(test.rows),
            seed=SEED,
            engine="memory",
        ),
        train=train,
        test=test,
        ranges=describe.ranges(family, train),
        scores=lambda scorer: np.array([row[scorer.positive] for row in scorer.probabilities(train.rows)]),
    )
