"""The canary: a share of the callers who pin no version is answered by the challenger, and none of them can tell by a failure.

Who is in the share is decided by a key, before rows of several callers travel together, and by nothing else: the same key is on the same
side at every gateway and after every restart, and a larger share only ever moves keys from the champion to the challenger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from structlog import get_logger

from twotier.errors import NotExplainable, Overloaded, TwotierError, UpstreamTimeout
from twotier.gateway.catalogue import Pair
from twotier.gateway.forwarding import Ask, Forward, Scores, Timing
from twotier.gateway.lanes import most_rows
from twotier.gateway.metrics import Metrics

__all__ = ["Canary", "place"]

_REST_SECONDS = 5.0
"""How long a challenger that failed is left alone. Then one caller tries it, and the others follow if that went well."""

_log = get_logger(__name__)


def place(family: str, key: str) -> float:
    """Where in [0, 1) a key stands: evenly spread, and independent from family to family. It is in a share that is larger than that."""
    # The top 53 bits: all that a float can hold without rounding up to 1.
    digest = blake2b(f"{family}\0{key}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


class Canary:
    """Asks the challenger in the champion's place; whatever goes wrong with it, the champion answers.

    `pair` tells a family's champion and challenger, if it has both. The challenger may take `patience` seconds, or half of what is left
    until the deadline if the caller is in a hurry: the rest is for the champion. A call of more rows than one call to the
    model server takes, which is `max_rows` if they are narrow, is long: it may need more time than that of a challenger that is well.
    """

    def __init__(
        self,
        forward: Forward,
        shares: Mapping[str, float],
        pair: Callable[[str], Pair | None],
        metrics: Metrics,
        patience: float,
        max_rows: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._forward = forward
        self._shares = shares
        self._pair = pair
        self._metrics = metrics
        self._patience = patience
        self._max_rows = max_rows
        self._clock = clock
        # By family, and by whether calls are long.
        self._rests_until: dict[tuple[str, bool], float] = {}

    def steer(self, family: str, key: str | None) -> Forward:
        """What is to be asked for the champion by a caller with that key; without a key, nobody is steered."""
        if key is None or place(family, key) >= self._shares.get(family, 0):
            return self._forward
        return self

    async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
        """Have rows scored by the challenger or, if it cannot, as asked; see `Forward`."""
        outcome, scores = await self._try(ask, rows, deadline, timing)
        self._metrics.canary.labels(ask.family.name, outcome).inc()
        return scores or await self._forward.score(ask, rows, deadline, timing)

    async def _try(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> tuple[str, Scores | None]:
        family, now = ask.family.name, self._clock()
        pair = self._pair(family)
        if pair is None:
            return "absent", None
        hurried, long = deadline - now < 2 * self._patience, len(rows) > most_rows(self._max_rows, len(ask.family.features))
        trying = (family, long) in self._rests_until
        if trying:
            if hurried or now < self._rests_until[family, long]:
                return "resting", None
            # This caller tries it. Until it is known how that went, the others do not.
            self._rests_until[family, long] = now + _REST_SECONDS
        try:
            until = now + min(self._patience, (deadline - now) / 2)
            scores = await self._forward.score(replace(ask, version=pair.challenger), rows, until, timing)
        except NotExplainable:
            # It is the question that it is not up to, so nobody leaves it alone for that. If this caller was to try it, the next one does.
            if trying:
                self._rests_until[family, long] = now
            return "failed", None
        except TwotierError as error:
            late = isinstance(error, (UpstreamTimeout, Overloaded))
            # That it is not fast enough for a caller in a hurry says nothing against it.
            if not (late and hurried):
                # And that it is not for many rows says nothing of few.
                for each in (True,) if late and long else (False, True):
                    self._rests_until[family, each] = self._clock() + _REST_SECONDS
                _log.warning("the challenger failed", family=family, version=pair.challenger, why=str(error), rows=len(rows))
            return "failed", None
        self._rests_until.pop((family, long), None)
        if any(answer is None for answer in scores.answers):
            # It is well, but not up to these rows. The champion may be.
            return "failed", None
        return "answered", scores
