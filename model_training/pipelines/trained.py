"""What every engine makes of a fitted model: the draft of its card, and rows for the gate to judge it by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from model_training.pipelines import describe, plots
from model_training.pipelines.evaluate import evaluate
from model_training.pipelines.fit import parameters
from model_training.pipelines.read import Labelled
from twotier.card import Card, DataFacts, Spread
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


def described(
    family: Family,
    estimator: str,
    model: Model,
    facts: DataFacts,
    *,
    train: Labelled,
    test: Labelled,
    ranges: Mapping[str, Spread],
    scores: Callable[[Scorer], NDArray[np.float64]],
) -> Trained:
    """Describe a fitted model. `train` is what its training metrics are of: all training rows, or a sample of them.

    `scores` gives what the model gives each of all training rows, as `scorer.positive`: it is asked if there is a cut-off to learn.
    """
    card = preliminary(family, estimator, model, facts)
    card = card.model_copy(update={"cutoff": _cutoff(Scorer(family, card, model), scores)})
    scorer = Scorer(family, card, model)
    draft = Draft(
        classes=card.classes,
        cutoff=card.cutoff,
        parameters=parameters(model),
        metrics={"train": evaluate(scorer, train), "test": evaluate(scorer, test)},
        data=facts,
        ranges=ranges,
        golden=describe.golden(scorer, test),
        reference=describe.reference(family, train),
        sources=describe.sources(family),
        figures=plots.figures(scorer, test),
    )
    return Trained(model, draft, test)


def _cutoff(scorer: Scorer, scores: Callable[[Scorer], NDArray[np.float64]]) -> float | None:
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
    return float(np.quantile(scores(scorer), cutoff.quantile, overwrite_input=True))


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
