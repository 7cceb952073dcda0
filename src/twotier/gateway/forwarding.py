"""The port through which rows go to be scored, and what travels through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from twotier.family import Answer, Family

__all__ = ["CHALLENGER_ALIAS", "DEFAULT_ALIAS", "Ask", "Carry", "Forward", "Scores", "Timing"]

DEFAULT_ALIAS = "champion"
"""What answers callers who pin no version."""

CHALLENGER_ALIAS = "challenger"
"""What a canary sends a share of them to, and what the champion is compared with in the background."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What is to score rows, and what their answers are to have. Rows of equal asks may travel together."""

    family: Family

    version: str
    """A version or an alias."""

    wanted: frozenset[str] = frozenset()
    """The fields on request that the answers are to have."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The answers to some rows, in their order."""

    version: str
    """The version that answered: never an alias."""

    answers: list[Answer | None]
    """None for a row that the model could not score."""

    model_seconds: float = 0.0
    """How long the model took, by its own clock, for all rows that it was given at once."""

    others: Mapping[int, str] = field(default_factory=dict)
    """Rows that another version answered, if an alias moved while the rows were under way: index -> version."""


@dataclass(slots=True)
class Timing:
    """Where the time of one call went, in seconds, written down on the way."""

    validate: float = 0.0
    """Reading the body and checking the rows."""

    queue: float = 0.0
    """Waiting for a place in a call to a model server."""

    upstream: float = 0.0
    """The calls to model servers."""

    model: float = 0.0
    """The model itself; part of `upstream`."""

    def header(self) -> str:
        """The value of a `Server-Timing` header, in milliseconds."""
        return (
            f"validate;dur={self.validate * 1000:.2f}, queue;dur={self.queue * 1000:.2f}, "
            f"upstream;dur={self.upstream * 1000:.2f}, model;dur={self.model * 1000:.2f}"
        )


class Forward(Protocol):
    """Has rows scored."""

    async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
        """Score rows of values in feature order by `deadline` (`time.monotonic()`); add to `timing`, even if it fails.

        Raises UnknownVersion, NotServable and UpstreamError.
        """
        ...  # pragma: no cover - a protocol's body never runs


class Carry(Protocol):
    """Has rows of several callers scored in one call."""

    async def carry(self, ask: Ask, rows: Sequence[list[Any]], deadlines: Callable[[], Sequence[float]]) -> Scores:
        """Score rows. `deadlines` gives, whenever it is asked, until when each row's answer is waited for; 0 if nobody waits any more.

        Such rows are not sent, not even in a second attempt, and have no answer. Raises as `Forward` does.
        """
        ...  # pragma: no cover - a protocol's body never runs
