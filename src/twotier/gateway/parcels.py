"""What is in a lane: the calls of callers, and the parcels in which their rows travel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from twotier.errors import TwotierError, UpstreamTimeout
from twotier.family import Answer
from twotier.gateway.forwarding import Scores, Timing

__all__ = ["Call", "Parcel", "Part", "joined"]


@dataclass(eq=False, slots=True)
class Call:
    """One caller's rows in a lane. It is settled exactly once: with all of its answers, or with one error."""

    rows: Sequence[list[Any]]
    deadline: float
    settle: Callable[[Call], None]
    """Told once, when the call is over and nobody took it back before."""

    admitted: float
    long: bool = False
    """Whether it has so many rows that others must not wait for all of them."""

    sent: float | None = None
    """When the first of its rows was sent."""

    ended: float | None = None
    error: TwotierError | None = None
    answers: list[Answer | None] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    """As long as `answers`: the version that gave each."""

    model_seconds: float = 0.0
    taken: int = 0
    """Rows that were sent, from the front. Once it is over, the others never will be."""

    unanswered: int = 0

    def scores(self) -> Scores:
        """The answers to all rows. Raises the error that the call ended with."""
        if self.error is not None:
            # Raised to several callers, one error would gather all their tracebacks.
            raise self.error.with_traceback(None)
        first = self.versions[0]
        others = {} if len(set(self.versions)) == 1 else {at: name for at, name in enumerate(self.versions) if name != first}
        return Scores(first, self.answers, self.model_seconds, others)

    def late(self) -> UpstreamTimeout:
        """Say where its time went."""
        if self.sent is None:
            return UpstreamTimeout(
                "the call's budget was spent waiting for a place in a call to the model server: none of its rows was sent"
            )
        waited, left = (self.sent - self.admitted) * 1000, (self.deadline - self.sent) * 1000
        where = f"{waited:.0f} ms waiting in the gateway, {left:.0f} ms with the model server"
        return UpstreamTimeout(f"the model server did not answer within the call's budget: {where}")

    def tell(self, timing: Timing) -> None:
        """Add to `timing` where its time went. It is over, or its caller leaves now."""
        ended = self.admitted if self.ended is None else self.ended
        sent = ended if self.sent is None else self.sent
        timing.queue += sent - self.admitted
        timing.upstream += ended - sent
        timing.model += self.model_seconds


@dataclass(frozen=True, slots=True)
class Part:
    """Some consecutive rows of one call."""

    call: Call
    start: int
    stop: int


@dataclass(eq=False, slots=True)
class Parcel:
    """Rows of one or more callers, to be sent in one call."""

    parts: list[Part]
    reason: str
    """Why it was sent when it was: a slot was `free` when its rows came, they waited for one to be `freed`, so many waited that it is
    `full`, or it was `halved`."""

    sent: float
    allowance: list[int]
    """How many more parcels may be made of the first one that this one is a part of; shared by all of them."""

    long: bool = field(init=False)
    """Whether it has rows of a long call."""

    def __post_init__(self) -> None:
        self.long = any(part.call.long for part in self.parts)

    @property
    def rows(self) -> list[list[Any]]:
        """All rows, in the order of the parts."""
        if len(self.parts) == 1:
            return list(self.parts[0].call.rows[self.parts[0].start : self.parts[0].stop])
        return [row for part in self.parts for row in part.call.rows[part.start : part.stop]]

    @property
    def size(self) -> int:
        """How many rows."""
        return sum(part.stop - part.start for part in self.parts)

    def deadlines(self) -> list[float]:
        """Until when each row's answer is waited for; 0 if nobody waits any more."""
        due = ((part.call.deadline if part.call.ended is None else 0.0, part.stop - part.start) for part in self.parts)
        return [deadline for deadline, count in due for _ in range(count)]


def joined(parts: list[Part]) -> list[Part]:
    """Parts of one call that follow each other are one part."""
    by_call: dict[int, Part] = {}
    for part in parts:
        before = by_call.get(id(part.call))
        by_call[id(part.call)] = part if before is None else Part(part.call, before.start, part.stop)
    return list(by_call.values())
