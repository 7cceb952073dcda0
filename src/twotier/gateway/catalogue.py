"""What the model servers serve, as they last said: it feeds /readyz, /models and the metrics."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from operator import itemgetter
from types import TracebackType
from typing import NamedTuple, Self

from structlog import get_logger

from twotier.errors import TwotierError, UpstreamUnavailable
from twotier.gateway.forwarding import CHALLENGER_ALIAS, DEFAULT_ALIAS
from twotier.gateway.metrics import Metrics
from twotier.gateway.upstream import Upstream
from twotier.wire import Card, Info

__all__ = ["Catalogue", "Pair", "Sighting"]

_POLL_BUDGET = 1.0
"""Seconds that a model server has to say what it serves. With the pause between polls, a hanging one is noticed within two seconds."""

_MAX_CARDS = 256

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of one model server."""

    info: Info | None = None
    """What it last said."""

    seen_at: float = 0.0
    """When it said so (`time.monotonic()`)."""

    problem: str | None = "it has not been asked yet"
    """Why the last poll failed, if it did."""


class Pair(NamedTuple):
    """The two versions that serve as champion and challenger of a family."""

    champion: str
    challenger: str


class Catalogue:
    """Polls every model server in the background while it is open."""

    def __init__(self, upstream: Upstream, metrics: Metrics, poll_seconds: float) -> None:
        self.sightings: dict[str, Sighting] = {}
        self._upstream = upstream
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._cards: dict[tuple[str, str], Card] = {}
        self._watched: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        self._following = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for task in (self._following, *self._watched.values()):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def latest(self) -> tuple[Info, float]:
        """What was last said, and how many seconds ago. Raises UpstreamUnavailable if no model server has ever said what it serves."""
        seen = [(sighting.seen_at, sighting.info) for sighting in self.sightings.values() if sighting.info is not None]
        if not seen:
            raise UpstreamUnavailable("no model server has said yet what it serves")
        seen_at, info = max(seen, key=itemgetter(0))
        return info, time.monotonic() - seen_at

    def pair(self, family: str) -> Pair | None:
        """The family's champion and challenger, as last said; None unless both serve and are two different versions."""
        try:
            known = self.latest()[0].families.get(family)
        except UpstreamUnavailable:
            return None
        aliases = known.aliases if known else {}
        champion, challenger = (aliases[name].serving if name in aliases else None for name in (DEFAULT_ALIAS, CHALLENGER_ALIAS))
        return Pair(champion, challenger) if champion and challenger and champion != challenger else None

    def passed(self, family: str, version: str) -> bool:
        """Whether every model server that can be reached, and at least one, has said that this version passed its gate.

        Before that it may list the version, which is there before it is judged, but answers for nothing by it.
        """
        reached = [seen.info.families.get(family) for seen in self.sightings.values() if seen.problem is None and seen.info is not None]
        return bool(reached) and all(
            known is not None and any(one.version == version and one.gate_passed for one in known.versions) for known in reached
        )

    async def card(self, family: str, version: str, deadline: float) -> Card:
        """The card of a version or alias; a version's never changes, so it is asked for once.

        Raises UnknownVersion, NotServable and UpstreamError.
        """
        if (family, version) in self._cards:
            return self._cards[family, version]
        card = await self._upstream.card(family, version, deadline)
        if len(self._cards) >= _MAX_CARDS:
            del self._cards[next(iter(self._cards))]
        self._cards[family, card.version] = card
        return card

    async def _follow(self) -> None:
        """Watch each model server for as long as it is there."""
        while True:
            there = self._upstream.servers
            for server in self._watched.keys() - set(there):
                self._watched.pop(server).cancel()
                self.sightings.pop(server, None)
                self._metrics.server_up.remove(server)
            for server in there:
                if server not in self._watched:
                    self.sightings[server] = Sighting()
                    self._metrics.server_up.labels(server).set(0)
                    self._watched[server] = asyncio.create_task(self._watch(server))
            await asyncio.sleep(self._poll_seconds)

    async def _watch(self, server: str) -> None:
        while server in self._upstream.servers:
            await self._poll(server)
            await asyncio.sleep(self._poll_seconds)

    async def _poll(self, server: str) -> None:
        before = self.sightings.get(server, Sighting())
        try:
            info = await self._upstream.info(server, time.monotonic() + _POLL_BUDGET)
            self.sightings[server] = Sighting(info, time.monotonic(), None)
        except TwotierError as error:
            self.sightings[server] = replace(before, problem=str(error))
        except Exception:
            # A poll that crashed would be the last one, and the gateway would go on with what it knew then.
            _log.exception("poll failed", server=server)
            self.sightings[server] = replace(before, problem="the gateway failed to ask it: see the gateway's log")
        now = self.sightings[server].problem
        self._metrics.server_up.labels(server).set(now is None)
        if now != before.problem:
            _log.info("model server", server=server, status="down" if now else "up", why=now)
