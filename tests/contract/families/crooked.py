"""A family with as many faults as one file can have and still be trained."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import ConfigDict, Field

from tests.examples import decide, grid, rows_in_memory
from twotier.family import Answer, Example, Family, Gate, Row, on_request


class CrookedRow(Row):
    """Takes what it should not, and does not say what it is."""

    model_config = ConfigDict(extra="ignore", strict=False, allow_inf_nan=True)

    a: float = Field()
    b: float = Field(default=0.0)


class CrookedAnswer(Answer):
    """Has a field whose name the gateway uses itself."""

    label: str
    share: float
    partial: str | None = on_request("")


def crooked(probabilities: Any, card: Any) -> CrookedAnswer:
    """Answer as coin does."""
    return CrookedAnswer(label=(answer := decide(probabilities, card)).label, share=answer.share or 0.0)


class Huddler:
    """Forgets its seed, and lets a row's place in a large batch shift its answer."""

    def get_params(self) -> dict[str, Any]:
        """None."""
        return {}

    def fit(self, X: Any, y: Any) -> Huddler:
        """Add chance to what there is to learn."""
        self.classes_ = np.unique(y)
        self.shift_ = np.random.default_rng().uniform(0.1, 0.2)
        return self

    def predict_proba(self, X: Any) -> Any:
        """(rows, 2) -> (rows, 2)."""
        place = np.arange(len(X)) * 1e-3 if len(X) > 8 else 0.0
        high = 1 / (1 + np.exp(-X.sum(axis=1) + self.shift_ + place))
        return np.column_stack([high, 1 - high])


FAMILY = Family(
    name="crooked",
    summary="Nothing to imitate",
    row=CrookedRow,
    answer=CrookedAnswer,
    estimators={"huddler": Huddler},
    dataset=rows_in_memory(grid()),
    decide=crooked,
    gate=Gate(metric="accuracy", floor=0.1, checks={"never": lambda predict: False}),
    examples=(
        Example(row={"a": 4.0, "b": 4.0}, answer={"label": "low"}),
        Example(row={"a": -4.0, "b": -4.0}, answer={"label": "low", "colour": "red"}),
    ),
)
