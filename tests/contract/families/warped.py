"""A family with the faults that do not go together with those of `crooked`: all is described, and nothing can be relied on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from pydantic import field_serializer, model_validator

from tests.examples import grid, rows_in_memory
from twotier.card import Card
from twotier.family import Answer, Example, Family, Gate, Row, feature


class WarpedRow(Row):
    """Asks for the very label that is to be predicted, makes it up if it is missing, and takes numbers by their place."""

    a: float = feature("First number", example=1.0)
    b: float = feature("Second number", example=-2.0)
    label: str = feature("What is to be predicted", example="low")

    @model_validator(mode="before")
    @classmethod
    def by_place(cls, row: dict[str, Any]) -> dict[str, Any]:
        """The first of the two numbers is `a`, whatever it is called."""
        numbers = [name for name in row if name in ("a", "b")]
        return {"label": "low", **row, **{name: row[told] for name, told in zip(sorted(numbers), numbers, strict=True)}}


class WarpedAnswer(Answer):
    """Loses digits when it is sent."""

    label: str
    share: float

    @field_serializer("share")
    def rounded(self, share: float) -> float:
        """To one digit."""
        return round(share, 1)


def decide(probabilities: Sequence[float], card: Card) -> WarpedAnswer:
    """Answer the likeliest label."""
    best = max(range(len(card.classes)), key=probabilities.__getitem__)
    return WarpedAnswer(label=card.classes[best], share=probabilities[best])


class Wearing:
    """Weighs `a` more than `b`. Unpickled, it gives a probability too many from its third call on, when its golden rows were replayed."""

    calls = -1

    def get_params(self) -> dict[str, Any]:
        """None."""
        return {}

    def fit(self, X: Any, y: Any) -> Wearing:
        """Learn the labels' names."""
        import numpy as np

        self.classes_ = np.unique(y)
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = {**state, "calls": 0}

    def predict_proba(self, X: Any) -> Any:
        """(rows, 3) -> (rows, 2), or (rows, 3)."""
        import numpy as np

        self.calls += self.calls >= 0
        high = 1 / (1 + np.exp(-X[:, :2].astype(float) @ [1.0, 0.9]))
        return np.column_stack([high, 1 - high, np.zeros((len(X), int(self.calls > 2)))])


_fingerprints = count()

FAMILY = Family(
    name="warped",
    summary="Nothing to rely on",
    row=WarpedRow,
    answer=WarpedAnswer,
    estimators={"wearing": Wearing},
    dataset=replace(rows_in_memory(grid()), fingerprint=lambda data: f"{next(_fingerprints):064d}"),
    decide=decide,
    gate=Gate(metric="accuracy", floor=0.8),
    examples=(
        Example(row={"a": 4.0, "b": 3.0, "label": "high"}, answer={"label": "high"}),
        Example(row={"a": -4.0, "b": -3.0, "label": "low"}, answer={"label": "low"}),
    ),
)
