"""One model server, as the gateway sees it: its connections, the calls under way, and whether it can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import aiohttp

from twotier.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from twotier.gateway.breaker import Breaker
from twotier.gateway.exchange import Message, exchange, open_session
from twotier.gateway.metrics import Metrics
from twotier.gateway.retrying import Attempt, Reason, reason_to_resend
from twotier.gateway.settings import GatewaySettings

__all__ = ["MISSES", "Place", "Server"]

_Read = TypeVar("_Read")

MISSES = 2
"""How many polls in a row must be left unanswered before a model server is not asked any more; the next one that is answered ends that."""

_PATIENCE = 1.0
"""Seconds of silence that speak against a model server. A caller may be in more of a hurry, but that says nothing about it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model server is."""

    name: str
    """What it is called in /readyz, the metrics and the log."""

    url: str
    """Its base URL."""

    host: str | None
    """The host's name and port, if the URL has an address that was found for them."""


class Server:
    """One of them."""

    def __init__(
        self,
        place: Place,
        settings: GatewaySettings,
        metrics: Metrics,
        fresh: aiohttp.ClientSession,
        spare: Callable[[Server], bool],
        clock: Callable[[], float],
    ) -> None:
        """`spare` says whether another one can be asked instead."""
        self.name = place.name
        self.breaker = Breaker(clock)
        self.missed = 0
        """How many polls in a row were not answered, with no call answered meanwhile."""

        self.leaving = False
        """Whether its name does not stand for it any more."""

        self.turn = 0
        """When it was chosen last."""

        self._place = place
        self._settings = settings
        self._circuit = metrics.circuit.labels(place.name)
        self._circuit.set(self.breaker.state)
        self._fresh = fresh
        self._spare = spare
        self._pool: aiohttp.ClientSession | None = None
        self._clock = clock
        self._calls: set[asyncio.Timeout] = set()
        self._sound_at = clock()

    @property
    def busy(self) -> int:
        """How many calls are under way."""
        return len(self._calls)

    def down(self) -> bool:
        """Whether the polls say that it is."""
        return self.missed >= MISSES

    def able(self) -> bool:
        """Whether a call may be sent to it now."""
        return not self.leaving and not self.down() and self.breaker.admits()

    async def call(self, message: Message, read: Callable[[bytes], _Read], attempt: Attempt, *, fresh: bool = False) -> _Read:
        """Send a call over a connection of the pool, or over a fresh one, and read the answer.

        Raises UpstreamError, also if `read` does.
        """
        begun = self._clock()
        era = self.breaker.enter()
        self._circuit.set(self.breaker.state)
        sound: bool | None = None
        scope = asyncio.timeout(None)
        self._calls.add(scope)
        try:
            async with scope:
                result = read(await self._exchange(self._fresh if fresh else self._pooled(), message, attempt))
            sound = True
            self.missed = 0
            self._sound_at = self._clock()
            return result
        except TimeoutError:
            attempt.given_up = True
            raise UpstreamUnavailable("the model server has stopped answering") from None
        except UpstreamError as error:
            sound = self._shown_by(error, attempt, begun)
            raise
        finally:
            self._calls.discard(scope)
            self.breaker.leave(era, sound)
            self._circuit.set(self.breaker.state)

    async def poll(self, message: Message) -> bytes:
        """Ask it beside all calls: no pool is waited for, and nothing is concluded. Raises UpstreamError."""
        return await self._exchange(self._fresh, message, Attempt())

    def give_up(self) -> None:
        """End all calls that are under way."""
        for scope in [scope for scope in self._calls if not scope.expired()]:
            scope.reschedule(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Close the pool. The next call opens another."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _exchange(self, session: aiohttp.ClientSession, message: Message, attempt: Attempt) -> bytes:
        return await exchange(session, self._place.url, self._place.host, message, attempt, self._settings.connect_seconds)

    def _pooled(self) -> aiohttp.ClientSession:
        if self._pool is None:
            self._pool = open_session(self._settings, pooled=True)
        return self._pool

    def _shown_by(self, error: UpstreamError, attempt: Attempt, begun: float) -> bool | None:
        """What a call that failed shows of the model server: that it is not sound, or nothing."""
        if isinstance(error.__cause__, aiohttp.ConnectionTimeoutError):
            # This process may have been too busy to connect in time. A doubt is enough to ask another, but not to ask nobody.
            return False if self._spare(self) else None
        if isinstance(error, UpstreamTimeout):
            # The caller may have been in a hurry, or its model slow. Only if nobody was answered for long is it the model server.
            return False if self._clock() - max(begun, self._sound_at) >= _PATIENCE else None
        return None if reason_to_resend(error, attempt) is Reason.IDLE_CLOSE else False
