"""The memory engine: all rows in memory at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from model_training.pipelines import describe
from model_training.pipelines.evaluate import evaluate
from model_training.pipelines.fit import fit, parameters
from model_training.pipelines.read import Labelled, read
from model_training.pipelines.split import SEED, split
from twotier.card import Card, DataFacts
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
    scorer = Scorer(family, _preliminary(family, estimator, model, facts), model)
    draft = Draft(
        classes=scorer.card.classes,
        parameters=parameters(model),
        metrics={"train": evaluate(scorer, train), "test": evaluate(scorer, test)},
        data=facts,
        ranges=describe.ranges(family, train),
        golden=describe.golden(scorer, test),
        reference=describe.reference(family, train),
        sources=describe.sources(family),
    )
    return Trained(model, draft, test)


def _preliminary(family: Family, estimator: str, model: Model, facts: DataFacts) -> Card:
    """As much of a card as it takes to score, for a version that has no number yet."""
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
