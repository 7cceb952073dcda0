"""What is told about a version besides its metrics: the spread of its training rows, a sample of them, and golden rows."""

from __future__ import annotations

import csv
import hashlib
import inspect
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_training.pipelines.read import Labelled, accept
from twotier.card import Golden, Spread
from twotier.family import Family
from twotier.scorer import Scorer

REFERENCE_ROWS = 1_000
"""Most rows of the reference sample."""

GOLDEN_HELD_OUT = 4
"""How many held-out rows join the family's examples as golden rows."""


def ranges(family: Family, train: Labelled) -> dict[str, Spread]:
    """Spread of each feature whose values are all numbers; missing values do not count."""
    spreads = {}
    for name, column in zip(family.features, zip(*train.rows, strict=True), strict=True):
        values = [value for value in column if value is not None]
        if values and {type(value) for value in values} <= {float, int}:
            spreads[name] = Spread(minimum=min(values), maximum=max(values), mean=math.fsum(values) / len(values))
    return spreads


def reference(family: Family, train: Labelled) -> str:
    """CSV text with a header: the first training rows, which the split has shuffled, so that they are a random sample."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(family.features)
    writer.writerows(train.rows[:REFERENCE_ROWS])
    return text.getvalue()


def golden(scorer: Scorer, held_out: Labelled) -> list[Golden]:
    """The family's examples and a few held-out rows, each with what the version makes of it.

    Raises ConfigurationError for an example that breaks the family's own row schema, and whatever makes a row unanswerable.
    """
    family = scorer.family
    rows = [
        (example.row, family.values(accept(family, example.row, f"example {number} of family {family.name}")))
        for number, example in enumerate(family.examples, 1)
    ]
    rows += [(dict(zip(family.features, row, strict=True)), row) for row in held_out.rows[:GOLDEN_HELD_OUT]]
    return [_golden(scorer, *each) for each in rows]


def _golden(scorer: Scorer, sent: Mapping[str, Any], row: list[Any]) -> Golden:
    (answer,) = scorer.answers([row])
    if isinstance(answer, Exception):
        raise answer
    (probabilities,) = scorer.probabilities([row])
    return Golden(row=dict(sent), probabilities=probabilities, answer=answer.model_dump(mode="json"))


def sources(family: Family) -> dict[str, str]:
    """SHA-256 of the family's file and of every module of training, by name."""
    package = Path(__file__).parents[1]
    family_file = Path(inspect.getfile(family.row))
    files = {f"families/{family_file.name}": family_file}
    files |= {f"{package.name}/{path.relative_to(package).as_posix()}": path for path in sorted(package.rglob("*.py"))}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
