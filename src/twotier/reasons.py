"""The words in which a linear model gives its reasons."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from twotier.family import Answer, on_request

__all__ = ["REASONS", "Explained", "Reasons"]


class Reasons(BaseModel):
    """What an answer's score is made of: the intercept and all inputs add up to its logit, ln(p / (1 - p))."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    intercept: float = Field(description="What is there before any input is looked at.")
    inputs: dict[str, float] = Field(description="What each input of the row adds; a missing one adds what stands in for it.")


class Explained(Answer):
    """Base of answers that can have reasons. Versions that are not linear refuse to give any."""

    reasons: Reasons | None = on_request("What the score is made of; only linear versions can tell.", flag="explain")


REASONS = "reasons"
"""The field's name, by which one tier asks the other for it."""
