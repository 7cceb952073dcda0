"""The way to the model servers: each call goes to one of them and, if it fails and that is safe, once more to another."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from twotier.errors import CircuitOpen, UpstreamError, UpstreamInvalid, UpstreamTimeout
from twotier.gateway.exchange import Message
from twotier.gateway.forwarding import Ask, Scores
from twotier.gateway.metrics import Metrics
from twotier.gateway.replies import read_alias, read_card, read_info, read_scores, refusal
from twotier.gateway.retrying import Attempt, Reason, RetryBudget, reason_to_resend
from twotier.gateway.server import Server
from twotier.gateway.servers import Lookup, Servers, look_up
from twotier.gateway.settings import GatewaySettings
from twotier.wire import Alias, Card, Info, Move, Refused

__all__ = ["Upstream"]

_Read = TypeVar("_Read")

Said = tuple[Message, Callable[[bytes], _Read]]
"""A message, and what reads the answer to it."""

_KIB = 1024
_ENVELOPE = 64 * _KIB
_MAX_INFO = 4096 * _KIB


class Upstream:
    """The model servers, least busy first. Open it with `async with`, inside the event loop."""

    def __init__(self, settings: GatewaySettings, metrics: Metrics, lookup: Lookup = look_up) -> None:
        self._servers = Servers(settings, metrics, lookup)
        self._metrics = metrics
        self._budget = RetryBudget(settings.retry_share)

    async def __aenter__(self) -> Self:
        await self._servers.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._servers.__aexit__(kind, error, trace)

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of those that there are now: they come and go with the addresses of their hosts."""
        return tuple(server.name for server in self._servers.all())

    def able(self) -> int:
        """How many of them a call may be sent to now."""
        return sum(server.able() for server in self._servers.all())

    async def carry(self, ask: Ask, rows: Sequence[list[Any]], deadlines: Callable[[], Sequence[float]]) -> Scores:
        """Score rows in one block; see `Carry`."""
        return await self.call(partial(_scoring, ask, rows, deadlines), ask.family.name, ask.version)

    async def card(self, family: str, version: str, deadline: float) -> Card:
        """The card of a version or alias. Raises UnknownVersion, NotServable and UpstreamError."""
        message = Message("/card", {"family": family, "version": version}, deadline, _MAX_INFO)
        return await self.call(lambda: (message, read_card), family, version)

    async def alias(self, family: str, alias: str, deadline: float) -> Alias:
        """Where an alias points, and its history. Raises UnknownVersion and UpstreamError."""
        message = Message("/alias", {"family": family, "alias": alias}, deadline, _MAX_INFO)
        return await self.call(lambda: (message, read_alias), family, alias)

    async def move(self, order: Move, deadline: float) -> Alias:
        """Point an alias at a version; one model server does it, and the others follow.

        Raises InputRefused, UnknownVersion, NotServable, GateRefused, AliasMoved, LedgerSealed, and UpstreamError, after which it may
        have been done all the same.
        """
        message = Message("/move", {"order": order.model_dump()}, deadline, _MAX_INFO)
        return await self.call(lambda: (message, read_alias), order.family, order.version, pure=False)

    async def info(self, server: str, deadline: float) -> Info:
        """What one model server serves. One that leaves this unanswered is soon asked for nothing else. Raises UpstreamError."""
        polled = self._servers.named(server)
        try:
            body = await polled.poll(Message("/info", {}, deadline, _MAX_INFO))
        except UpstreamError as error:
            # Whatever it is that a model server answers, it is there.
            self._servers.observe(polled, isinstance(error, UpstreamInvalid))
            raise
        self._servers.observe(polled, True)
        return read_info(body)

    async def call(
        self, say: Callable[[], Said[_Read | Refused]], family: str = "", version: str = "", *, pure: bool = True
    ) -> _Read:
        """One call about a family and a version. `say` is asked at each attempt; what is not `pure` is never done twice.

        Raises what a refusal stands for, and UpstreamError.
        """
        said = say()
        with self._metrics.upstream_call(said[0].path) as call:
            try:
                result = await self._call_twice(said, say, pure)
            except UpstreamError as error:
                call.outcome = type(error).__name__
                raise
        if isinstance(result, Refused):
            raise refusal(result, family, version)
        return result

    async def _call_twice(self, said: Said[_Read], say: Callable[[], Said[_Read]], pure: bool) -> _Read:
        """Send a call and, if it failed and may be sent again, send it again: once, and over a fresh connection."""
        self._budget.earn()
        server = self._servers.choose()
        if server is None:
            raise CircuitOpen("every model server has failed of late and is left alone for a moment")
        attempt = Attempt()
        try:
            return await server.call(*said, attempt)
        except UpstreamError as error:
            reason = reason_to_resend(error, attempt, pure)
            other = reason and self._for_retry(server, reason)
            if not reason or not other or not self._budget.spend():
                raise
        said = say()
        self._metrics.retries.labels(reason).inc()
        return await other.call(*said, Attempt(), fresh=True)

    def _for_retry(self, failed: Server, reason: Reason) -> Server | None:
        """Another model server, if one can be asked. The same one only if nothing speaks against it."""
        return self._servers.choose(other_than=failed) or (failed if reason is Reason.IDLE_CLOSE and failed.able() else None)


def _scoring(ask: Ask, rows: Sequence[list[Any]], deadlines: Callable[[], Sequence[float]]) -> Said[Scores | Refused]:
    """Ask for the answers that are waited for now, in one block. Raises UpstreamTimeout if there is none."""
    now, due = time.monotonic(), deadlines()
    aboard = [at for at, deadline in enumerate(due) if deadline > now]
    if not aboard:
        raise UpstreamTimeout("the call's budget was spent before the model server could be asked")
    # The model server counts from when it has them, and in no case may it find a row late before its caller is told so.
    budgets = [math.ceil((due[at] - now) * 1000) for at in aboard]
    block = {
        "family": ask.family.name,
        "version": ask.version,
        "rows": [rows[at] for at in aboard],
        "wanted": sorted(ask.wanted),
        "budget_ms": budgets if min(budgets) < max(budgets) else budgets[0],
    }

    def read(body: bytes) -> Scores | Refused:
        scores = read_scores(ask, len(aboard), body)
        if isinstance(scores, Refused) or len(aboard) == len(rows):
            return scores
        given = dict(zip(aboard, scores.answers, strict=True))
        return replace(scores, answers=[given.get(at) for at in range(len(rows))])

    # An honest answer has room for every input and as much again, and an endless one ends soon.
    limit = _ENVELOPE + len(aboard) * (_KIB + 64 * len(ask.family.features))
    return Message("/score", {"blocks": [block]}, max(due), limit), read
