"""The card: the facts about one version, written once by training and read by every tier."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Fact(BaseModel):
    """A frozen, closed value: a card never changes and holds no key that this module does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataFacts(_Fact):
    """What the version was trained on."""

    source: str = Field(description="Where the raw data came from, relative to the data folder.")
    sha256: str = Field(description="Fingerprint of the raw data, in hexadecimal.")
    train_rows: int
    test_rows: int
    seed: int | None = Field(default=None, description="Seed of the split; None if nothing was split.")
    engine: str | None = Field(default=None, description="What trained it: `memory` or `stream`; None if it was adopted.")


class Spread(_Fact):
    """How one numeric feature was spread over the training rows; drift is measured against it."""

    minimum: float
    maximum: float
    mean: float


class Golden(_Fact):
    """A row whose answer is known; it is replayed before the version may serve."""

    row: dict[str, Any] = Field(description="The row as a caller sends it.")
    probabilities: list[float] = Field(description="One per class, in the order of `classes`; must recur within 1e-9.")
    answer: dict[str, Any] = Field(description="The whole answer, fields on request included.")


class Card(_Fact):
    """The facts about a version."""

    family: str
    version: str = Field(description="`<estimator>_<number>`, such as `log_reg_1`.")
    estimator: str
    created_at: datetime = Field(description="UTC.")
    features: list[str] = Field(description="Names in feature order.")
    classes: list[str] = Field(description="Labels in the order of the probabilities.")
    adopted: str | None = Field(default=None, description="SHA-256 of the pickle that it was adopted from; None if it was trained here.")
    cutoff: float | None = Field(default=None, description="Score from which the decision is positive, learnt in training.")
    options: dict[str, Any] = Field(default={}, description="What the deployment had chosen for the family when it was trained.")
    parameters: dict[str, Any] = Field(description="Hyper-parameters of the estimator.")
    metrics: dict[str, dict[str, float]] = Field(description="By split (`train`, `test`), then by metric name.")
    data: DataFacts
    ranges: dict[str, Spread] = Field(description="By feature, over the training rows.")
    libraries: dict[str, str] = Field(description="Versions of Python and of the libraries that made the artefact.")
    golden: list[Golden]
    row_schema: dict[str, Any] = Field(description="JSON Schema of a row.")
    answer_schema: dict[str, Any] = Field(description="JSON Schema of an answer.")

    def positive(self, score: float) -> bool:
        """Whether the decision is positive: it is from the cut-off on. Raises ValueError for a version without one."""
        if self.cutoff is None:
            raise ValueError(f"{self.family} {self.version} has no cut-off: train it again")
        return score >= self.cutoff
