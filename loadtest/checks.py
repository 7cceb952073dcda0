"""What a right answer looks like. A load test that looks at statuses alone would praise a server for being quick and wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from twotier.family import Example, Family


def why_wrong(family: Family, example: Example, answer: Any) -> str | None:
    """Why this cannot be the answer to the example's row, or None if it can."""
    if not isinstance(answer, Mapping):
        return f"an answer is an object, not {answer!r:.80}"
    for name, expected in example.answer.items():
        if answer.get(name) != expected:
            return f"{name} should be {expected!r}, not {answer.get(name)!r:.80}"
    model = answer.get("model_name")
    if not isinstance(model, str) or not re.fullmatch(f"({'|'.join(family.estimators)})_[1-9][0-9]*", model):
        return f"model_name should be a version of {family.name}, not {model!r:.80}"
    return None


def why_wrong_list(family: Family, examples: Sequence[Example], answers: Any) -> str | None:
    """Why these cannot be the answers to a list of rows."""
    if not isinstance(answers, list) or len(answers) != len(examples):
        return f"{len(examples)} rows should have a list of {len(examples)} answers"
    reasons = (why_wrong(family, example, answer) for example, answer in zip(examples, answers, strict=True))
    return next(filter(None, reasons), None)


def why_wrong_keyed(family: Family, examples: Mapping[str, Example], answers: Any) -> str | None:
    """Why these cannot be the answers to rows by key."""
    if not isinstance(answers, dict) or list(answers) != list(examples):
        return f"{len(examples)} rows by key should have {len(examples)} answers by the same keys, in the same order"
    return why_wrong_list(family, list(examples.values()), list(answers.values()))
