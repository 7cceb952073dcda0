"""The memory engine: all rows in memory at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from model_training.pipelines import describe, plots
from model_training.pipelines.evaluate import evaluate
from model_training.pipelines.fit import fit, parameters
from model_training.pipelines.read import Labelled, read
from model_training.pipelines.split import SEED, split
from twotier.card import Card, DataFacts
from twotier.errors import ConfigurationError
from twotier.family import Family
from twotier.registry import Draft
from twotier.scorer import Model, Scorer

Progress = Callable[[str, float], None]
"""Told before each step what it is, and which share of the whole is done."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What an engine makes."""

    model: Model
    draft: Draft
    held_out: Labelled
    """The rows that the model has not learnt from, for the gate to judge it by."""


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
    facts = DataFacts(
        source=family.dataset.source, sha256=fingerprint, train_rows=len(train.rows), test_rows=len(test.rows), seed=SEED
    )
    card = preliminary(family, estimator, model, facts)
    card = card.model_copy(update={"cutoff": _cutoff(Scorer(family, card, model), train)})
    scorer = Scorer(family, card, model)
    draft = Draft(
        classes=card.classes,
        cutoff=card.cutoff,
        parameters=parameters(model),
        metrics={"train": evaluate(scorer, train), "test": evaluate(scorer, test)},
        data=facts,
        ranges=describe.ranges(family, train),
        golden=describe.golden(scorer, test),
        reference=describe.reference(family, train),
        sources=describe.sources(family),
        figures=plots.figures(scorer, test),
    )
    return Trained(model, draft, test)


def _cutoff(scorer: Scorer, train: Labelled) -> float | None:
    """The cut-off that the family declares: a quantile of what this very model gives the rows that it has learnt from.

    Raises ConfigurationError if there are other than two labels, or the positive one is not among them.
    """
    cutoff, classes = scorer.family.cutoff, scorer.card.classes
    if cutoff is None:
        return None
    if len(classes) != 2 or cutoff.positive not in classes:
        raise ConfigurationError(
            f"the cut-off of {scorer.family.name} wants two labels, one of them {cutoff.positive!r}, and there are: {', '.join(classes)}"
        )
    scores = [row[scorer.positive] for row in scorer.probabilities(train.rows)]
    return float(np.quantile(scores, cutoff.quantile))


def preliminary(family: Family, estimator: str, model: Model, facts: DataFacts) -> Card:
    """As much of a card as it takes to get probabilities, for a version that has no number yet."""
    return Card(
        family=family.name,
        version=f"{estimator}_0",
        estimator=estimator,
        created_at=datetime.now(UTC),
        features=list(family.features),
        classes=[str(label) for label in model.classes_],
        options=family.options.model_dump(mode="json"),
        parameters={},
        metrics={},
        data=facts,
        ranges={},
        libraries={},
        golden=[],
        row_schema={},
        answer_schema={},
    )
