"""The model servers that there are now, and which of them a call goes to. A name with several addresses is several model servers."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from structlog import get_logger

from twotier.gateway.exchange import open_session
from twotier.gateway.metrics import Metrics
from twotier.gateway.server import Place, Server
from twotier.gateway.settings import GatewaySettings

__all__ = ["Lookup", "Servers", "look_up"]

Lookup = Callable[[str, int], Awaitable[list[str]]]
"""From a host's name and a port to IP addresses. Raises OSError or UnicodeError if there are none."""

_LOOKUP_SECONDS = 2.0
_ANXIOUS_SECONDS = 0.5
"""How soon a name is looked up again of which no address answers: whatever was there may be back under another."""

_CLOSING_SECONDS = 0.5

_log = get_logger(__name__)


async def look_up(host: str, port: int) -> list[str]:
    """As the system resolves names: /etc/hosts, DNS and the rest."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class _Origin:
    """A base URL of the settings."""

    url: str
    scheme: str
    host: str
    port: int
    named: bool
    """Whether the host is a name, rather than an IP address."""

    @classmethod
    def read(cls, url: str) -> Self:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            ip_address(host)
        except ValueError:
            return cls(url, parts.scheme, host, port, True)
        return cls(url, parts.scheme, host, port, False)

    def place(self, ip: str) -> Place:
        """The model server at one of its addresses."""
        netloc = f"[{ip}]:{self.port}" if ":" in ip else f"{ip}:{self.port}"
        return Place(f"{self.url} at {ip}", f"{self.scheme}://{netloc}", f"{self.host}:{self.port}")

    def itself(self) -> Place:
        """The model server at its URL; if that has a name, each connection resolves it."""
        return Place(self.url, self.url, None)


class Servers:
    """All of them. Open it with `async with`, inside the event loop."""

    def __init__(self, settings: GatewaySettings, metrics: Metrics, lookup: Lookup) -> None:
        self.fresh: aiohttp.ClientSession
        self._settings = settings
        self._metrics = metrics
        self._lookup = lookup
        self._origins = [_Origin.read(url) for url in dict.fromkeys(settings.model_servers)]
        self._by_origin: dict[_Origin, dict[Place, Server]] = {origin: {} for origin in self._origins}
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.fresh = open_session(self._settings, pooled=False)
        for origin in self._origins:
            self._settle(origin, [origin.itself()])
        named = [origin for origin in self._origins if origin.named]
        await asyncio.gather(*map(self._resolve, named))
        for origin in named:
            self._in_background(self._follow(origin))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for task in self._tasks:
            task.cancel()
        # A connection to a host that is gone may never be closed in good order.
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                closing = (self.fresh.close(), *(server.close() for server in self.all()))
                await asyncio.gather(*self._tasks, *closing, return_exceptions=True)

    def all(self) -> list[Server]:
        """Those that there are now, in the order of the settings."""
        return [server for servers in self._by_origin.values() for server in servers.values()]

    def named(self, name: str) -> Server:
        """The model server of that name. Raises KeyError."""
        return {server.name: server for server in self.all()}[name]

    def choose(self, other_than: Server | None = None) -> Server | None:
        """The least busy of those that can be asked, in turn if several are; None if there is none."""
        able = [server for server in self.all() if server is not other_than and server.able()]
        if not able:
            return None
        chosen = min(able, key=lambda server: (server.busy, server.turn))
        self._turn += 1
        chosen.turn = self._turn
        return chosen

    def observe(self, server: Server, answered: bool) -> None:
        """Say whether it answered a poll. The calls of one that is down are given up if another can take them."""
        if answered and server.missed:
            server.breaker.end_pause()
        server.missed = 0 if answered else server.missed + 1
        if server.down() and self._spare(server):
            server.give_up()
            self._in_background(server.close())

    def _spare(self, server: Server) -> bool:
        return any(other.able() for other in self.all() if other is not server)

    async def _follow(self, origin: _Origin) -> None:
        """Keep to the addresses of a name."""
        while True:
            well = any(not server.missed for server in self._by_origin[origin].values())
            pause = self._settings.resolve_seconds
            await asyncio.sleep(pause if well else min(pause, _ANXIOUS_SECONDS))
            await self._resolve(origin)

    async def _resolve(self, origin: _Origin) -> None:
        try:
            async with asyncio.timeout(_LOOKUP_SECONDS):
                addresses = await self._lookup(origin.host, origin.port)
        except (OSError, UnicodeError) as error:
            # What was found before may well be there still.
            _log.debug("name not resolved", host=origin.host, why=str(error))
        else:
            self._settle(origin, [origin.place(ip) for ip in addresses])

    def _settle(self, origin: _Origin, places: list[Place]) -> None:
        """From now on, the name stands for these. Calls that are under way at others are finished."""
        servers = self._by_origin[origin]
        for place in places:
            if place not in servers:
                servers[place] = Server(place, self._settings, self._metrics, self.fresh, self._spare, time.monotonic)
                _log.info("model server found", server=place.name)
        for place, server in list(servers.items()):
            server.leaving = place not in places
            if server.leaving and not server.busy:
                del servers[place]
                self._metrics.circuit.remove(place.name)
                self._in_background(server.close())
                _log.info("model server is no longer there", server=place.name)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
