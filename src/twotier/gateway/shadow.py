"""The shadow: what the champion was asked is asked of the challenger too, off the response path, and the answers are compared.

No caller waits for it, and none can tell that it happens: it works on one block of rows at a time for each family, rests longer than it
works, and drops and counts whatever is too much.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from structlog import get_logger

from twotier.errors import TwotierError
from twotier.family import Answer
from twotier.gateway.catalogue import Pair
from twotier.gateway.comparison import Comparison, Seconds, Tally
from twotier.gateway.forwarding import DEFAULT_ALIAS, Ask, Forward, Scores, Timing
from twotier.gateway.metrics import Metrics
from twotier.reasons import REASONS

__all__ = ["Shadow"]

_MAX_BLOCK = 200
"""Most rows of one call that are compared; the rest of a large batch is dropped. More would hold callers up while they are compared."""

_MAX_WAITING = 1000
"""Most rows of a family that wait to be compared."""

_MAX_CALLERS = 32
"""With more calls than this under way the gateway is busy, and nothing is taken on."""

_REST = 3.0
"""How long it rests after a call to the challenger, as a multiple of what the call took: so it takes a quarter of one connection."""

_MAX_REST = 1.0
"""The longest rest, and the rest after a failure, in seconds."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows that the champion answered."""

    ask: Ask
    rows: list[list[Any]]
    answers: list[Answer | None]
    tally: Tally
    """Where they count."""

    seconds: Seconds | None
    """What the champion took; None if it was asked for more than the challenger will be."""


@dataclass(slots=True)
class _Waiting:
    """The blocks of one family that wait."""

    blocks: asyncio.Queue[_Block] = field(default_factory=asyncio.Queue)
    rows: int = 0


class Shadow:
    """Forwards, and compares a share of what the champion answered while it is open. Open it with `async with`, inside the event loop.

    `pair` tells a family's champion and challenger, if it has both. The challenger has `budget` seconds for an answer.
    """

    def __init__(
        self,
        forward: Forward,
        shares: Mapping[str, float],
        pair: Callable[[str], Pair | None],
        metrics: Metrics,
        budget: float,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._forward = forward
        self._shares = shares
        self._pair = pair
        self._metrics = metrics
        self._budget = budget
        self._draw = draw
        self._callers = 0
        self._waiting = {family: _Waiting() for family in shares}
        self._tallies: dict[str, Tally] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._work(waiting)) for waiting in self._waiting.values()]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def comparison(self, family: str) -> Comparison | None:
        """What came of it for the two versions that serve now; None if there are no two, or nothing of theirs was compared yet."""
        tally = self._tallies.get(family)
        return tally.shown() if tally and tally.pair == self._pair(family) else None

    async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
        """Have rows scored as asked, and perhaps compared later; see `Forward`."""
        before = timing.upstream
        self._callers += 1
        try:
            scores = await self._forward.score(ask, rows, deadline, timing)
        finally:
            self._callers -= 1
        if ask.version == DEFAULT_ALIAS and self._draw() < self._shares.get(ask.family.name, 0):
            self._take_on(ask, rows, scores, timing.upstream - before)
        return scores

    def _take_on(self, ask: Ask, rows: list[list[Any]], scores: Scores, upstream: float) -> None:
        """Let rows wait to be compared, as far as there is room."""
        family = ask.family.name
        serving = self._pair(family)
        # Just after a promotion, what answered may already be the challenger of before, or two versions may have answered.
        if serving is None or serving.challenger == scores.version or scores.others:
            return
        tally = self._tally(family, Pair(scores.version, serving.challenger))
        waiting = self._waiting[family]
        taken = 0 if self._callers > _MAX_CALLERS else min(len(rows), _MAX_BLOCK, _MAX_WAITING - waiting.rows)
        if taken:
            alike = taken == len(rows) and REASONS not in ask.wanted
            seconds = Seconds(scores.model_seconds, upstream) if alike else None
            waiting.blocks.put_nowait(_Block(ask, rows[:taken], scores.answers[:taken], tally, seconds))
            waiting.rows += taken
        tally.dropped += len(rows) - taken
        self._metrics.shadow.labels(family, "dropped").inc(len(rows) - taken)

    def _tally(self, family: str, pair: Pair) -> Tally:
        """The counts of these two versions, from nought unless the last ones were of the same two."""
        tally = self._tallies.get(family)
        if tally is None or tally.pair != pair:
            tally = self._tallies[family] = Tally(pair)
        return tally

    async def _work(self, waiting: _Waiting) -> None:
        while True:
            block = await waiting.blocks.get()
            waiting.rows -= len(block.rows)
            begun = time.monotonic()
            well = await self._compare(block)
            await asyncio.sleep(min(_MAX_REST, _REST * (time.monotonic() - begun)) if well else _MAX_REST)

    async def _compare(self, block: _Block) -> bool:
        """Ask the challenger, and count. Whether it went well: an error ends here, or nothing would be compared after it."""
        family, tally, timing = block.ask.family, block.tally, Timing()
        outcomes: Mapping[str, int]
        try:
            # Reasons are not compared, and a challenger that has none would refuse the rows for them.
            ask = Ask(family, tally.pair.challenger, block.ask.wanted - {REASONS})
            scores = await self._forward.score(ask, block.rows, time.monotonic() + self._budget, timing)
            outcomes = tally.compare(family, block.answers, scores.answers)
        except Exception as error:
            if not isinstance(error, TwotierError):
                _log.exception("comparison failed", family=family.name, version=tally.pair.challenger)
            outcomes = {"failed": len(block.rows)}
            tally.failed[type(error).__name__] += len(block.rows)
        else:
            if block.seconds is not None:
                tally.time(block.seconds, Seconds(scores.model_seconds, timing.upstream))
        for outcome, rows in outcomes.items():
            self._metrics.shadow.labels(family.name, outcome).inc(rows)
        return "failed" not in outcomes
