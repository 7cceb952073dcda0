"""The port through which rows go to be scored. `Upstream` is its plain form: one call per request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from twotier.family import Answer, Family

__all__ = ["DEFAULT_ALIAS", "Forward", "Scores"]

DEFAULT_ALIAS = "champion"
"""What answers callers who pin no version."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The answers to some rows, in their order."""

    version: str
    """The version that answered: never an alias."""

    answers: list[Answer | None]
    """None for a row that the model could not score."""


class Forward(Protocol):
    """Has rows scored."""

    async def score(self, family: Family, version: str, rows: list[list[Any]], deadline: float) -> Scores:
        """Score rows of values in feature order with a version or alias, by `deadline` (`time.monotonic()`).

        Raises UnknownVersion, NotServable and UpstreamError.
        """
        ...  # pragma: no cover - a protocol's body never runs
