"""What is known of an adopted model, as its family file and its card say it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_training.adopting.code import Code, Unwritable, written
from model_training.adopting.family_file import Description
from model_training.adopting.pickles import Adoptee
from model_training.adopting.sample import Sample, label_kind
from model_training.pipelines import describe
from model_training.pipelines.evaluate import evaluate
from model_training.pipelines.fit import parameters
from model_training.pipelines.read import Labelled, accept
from model_training.pipelines.trained import preliminary
from twotier.card import DataFacts
from twotier.family import Family
from twotier.registry import Draft
from twotier.scorer import Scorer

MAX_EXAMPLES = 4

TARGET = "target"
"""What the column of right labels is called until somebody names it."""


def estimator_name(model: Any) -> str:
    """What the last step is, as an estimator is called: `LogisticRegression` -> `logistic_regression`."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    return re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(last).__name__).lower().strip("_")[:40]


def description(
    name: str, pickle: Path, adoptee: Adoptee, model: Any, sample: Sample, likeliest: Sequence[Any], target: str | None
) -> Description:
    """What a new family's file says. `likeliest` are the labels that the model gives the rows of the sample."""
    code: Code | str
    try:
        code = written(model, 1)
    except Unwritable as error:
        code = str(error)
    known = adoptee.model.classes_.tolist()
    shares = Counter(sample.labels or known)
    chance = 0.5 if len(known) == 2 else int(100 * max(shares.values()) / shares.total()) / 100
    # One row per label, as far as there are; golden rows are at least two.
    first = [likeliest.index(label) for label in known[:MAX_EXAMPLES] if label in likeliest]
    rows = first if len(first) > 1 else [0, 1]
    return Description(
        name=name,
        pickle=pickle.name,
        columns=sample.columns,
        target=target or TARGET,
        label=label_kind(adoptee),
        source=f"raw/{name}.csv",
        estimator=estimator_name(model),
        model=code,
        metric="auc" if len(known) == 2 else "accuracy",
        floor=chance,
        examples=[(dict(zip(sample.names, sample.values[row], strict=True)), likeliest[row]) for row in rows],
    )


def scorer_of(family: Family, model: Any, sample: Sample) -> Scorer:
    """The model, ready to answer as a version of the family that has no number yet."""
    facts = DataFacts(source=sample.path.name, sha256=sample.sha256, train_rows=0, test_rows=len(sample.values))
    return Scorer(family, preliminary(family, estimator_name(model), model, facts), model)


def labelled(family: Family, sample: Sample) -> Labelled:
    """The sample's rows, as the family accepts them, and their labels, if they are known. Raises ConfigurationError."""
    rows = [
        family.values(accept(family, dict(zip(sample.names, values, strict=True)), f"{sample.path}, row {number}"))
        for number, values in enumerate(sample.values, 1)
    ]
    return Labelled(rows, sample.labels or [])


def draft(scorer: Scorer, model: Any, known: Labelled, adoptee: Adoptee, pickle: Path, file: Path) -> Draft:
    """What the version's card is made of."""
    family = scorer.family
    return Draft(
        classes=scorer.card.classes,
        parameters=parameters(model),
        metrics={"sample": evaluate(scorer, known)} if known.labels else {},
        data=scorer.card.data,
        ranges=describe.ranges(family, known),
        golden=describe.golden(scorer, known),
        reference=describe.reference(family, known),
        adopted=adoptee.sha256,
        sources={f"families/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest(), pickle.name: adoptee.sha256},
    )
