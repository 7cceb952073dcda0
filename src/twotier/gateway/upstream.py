"""The way to the model servers: one shared session, and every way in which a call can go wrong made into one of three errors."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import aiohttp
from pydantic_core import to_json

from twotier import __version__
from twotier.errors import UpstreamError, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from twotier.gateway.forwarding import Ask, Scores, Timing
from twotier.gateway.metrics import Metrics
from twotier.gateway.replies import read_alias, read_card, read_info, read_scores
from twotier.gateway.settings import GatewaySettings
from twotier.wire import Alias, Card, Info, Move

__all__ = ["Upstream", "translated"]

_KIB = 1024
_ENVELOPE = 64 * _KIB
_MAX_INFO = 4096 * _KIB

_CONNECTING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_BROKEN_OFF = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
_RAISED = (aiohttp.ClientError, OSError, ValueError)
"""All that an exchange raises: aiohttp's own errors, the system's (of which TimeoutError is one), and those of URLs and headers."""


@dataclass(slots=True)
class _Link:
    """What became of one exchange's connection."""

    reused: bool = False
    """Whether it came out of the pool."""

    answered: bool = False
    """Whether an answer has begun."""


class Upstream:
    """The model servers, taken in turn. Open it with `async with`, inside the event loop."""

    def __init__(self, settings: GatewaySettings, metrics: Metrics) -> None:
        self.servers = tuple(settings.model_servers)
        self._settings = settings
        self._metrics = metrics
        self._turn = itertools.cycle(self.servers)
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = _session(self._settings)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._session.close()

    async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
        """Score rows in one block; see `Forward`."""
        begun = time.monotonic()
        block = {
            "family": ask.family.name,
            "version": ask.version,
            "rows": rows,
            "wanted": sorted(ask.wanted),
            "budget_ms": (deadline - begun) * 1000,
        }
        # An honest answer has room for every input and as much again, and an endless one ends soon.
        limit = _ENVELOPE + len(rows) * (_KIB + 64 * len(ask.family.features))
        try:
            scores = read_scores(ask, len(rows), await self.call("/score", {"blocks": [block]}, deadline, limit))
        finally:
            timing.upstream += time.monotonic() - begun
        timing.model += scores.model_seconds
        return scores

    async def card(self, family: str, version: str, deadline: float) -> Card:
        """The card of a version or alias. Raises UnknownVersion, NotServable and UpstreamError."""
        return read_card(family, version, await self.call("/card", {"family": family, "version": version}, deadline, _MAX_INFO))

    async def alias(self, family: str, alias: str, deadline: float) -> Alias:
        """Where an alias points, and its history. Raises UnknownVersion and UpstreamError."""
        return read_alias(family, await self.call("/alias", {"family": family, "alias": alias}, deadline, _MAX_INFO))

    async def move(self, order: Move, deadline: float) -> Alias:
        """Point an alias at a version; one model server does it, and the others follow.

        Raises InputRefused, UnknownVersion, NotServable, GateRefused, AliasMoved, LedgerSealed, and UpstreamError, after which it may
        have been done all the same.
        """
        body = await self.call("/move", {"order": order.model_dump()}, deadline, _MAX_INFO, pure=False)
        return read_alias(order.family, body)

    async def info(self, server: str, deadline: float) -> Info:
        """What one model server serves. Raises UpstreamError."""
        return read_info(await self._post(server, "/info", {}, deadline, _MAX_INFO, _Link()))

    async def call(self, path: str, message: dict[str, Any], deadline: float, limit: int, *, pure: bool = True) -> bytes:
        """One call, and the body of its answer, which may have `limit` bytes. What is not `pure` is never done twice.

        Raises UpstreamError.
        """
        with self._metrics.upstream_call(path) as call:
            try:
                return await self._call_twice(path, message, deadline, limit, pure)
            except UpstreamError as error:
                call.outcome = type(error).__name__
                raise

    async def _call_twice(self, path: str, message: dict[str, Any], deadline: float, limit: int, pure: bool) -> bytes:
        """Call the model server whose turn it is and, if that is safe and it failed, the next one."""
        link = _Link()
        try:
            return await self._post(next(self._turn), path, message, deadline, limit, link)
        except UpstreamError as error:
            if not _may_resend(error.__cause__, link, pure):
                raise
        self._metrics.retries.inc()
        return await self._post(next(self._turn), path, message, deadline, limit, _Link())

    async def _post(self, server: str, path: str, message: dict[str, Any], deadline: float, limit: int, link: _Link) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise UpstreamTimeout("the call's budget was spent before the model server could be asked")
        timeout = aiohttp.ClientTimeout(total=left, sock_connect=min(self._settings.connect_seconds, left), ceil_threshold=math.inf)
        try:
            async with self._session.post(
                server + path, data=to_json(message), timeout=timeout, allow_redirects=False, trace_request_ctx=link
            ) as reply:
                link.answered = True
                body = await _bounded(reply, limit)
                if reply.status == 200 and reply.content_type == "application/json" and "Content-Encoding" not in reply.headers:
                    return body
                raise _not_ok(reply)
        except _RAISED as error:
            raise translated(error) from error


def _session(settings: GatewaySettings) -> aiohttp.ClientSession:
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_mark_reused)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=settings.connections,
            # Below the server's, so that it is the gateway that closes an idle connection, never the server under a call's feet.
            keepalive_timeout=settings.pool_idle_seconds,
            # By default aiohttp rounds timeouts above 5 s up to whole seconds, which would outlast the budget.
            timeout_ceil_threshold=math.inf,
        ),
        headers={"Content-Type": "application/json", "Accept": "application/json", "User-Agent": f"twotier-gateway/{__version__}"},
        # A compressed answer could be a bomb: none is asked for, and none is unpacked.
        skip_auto_headers=("Accept-Encoding",),
        auto_decompress=False,
        # Proxies and passwords of the environment are not meant for the inner hop, and cookies would be shared between callers.
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[tracing],
    )


async def _mark_reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceConnectionReuseconnParams) -> None:
    context.trace_request_ctx.reused = True


async def _bounded(reply: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read the body, but no more than `limit` bytes of it."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in reply.content.iter_any():
        size += len(chunk)
        if size > limit:
            raise UpstreamInvalid("the model server's answer is too long for what was asked")
        chunks.append(chunk)
    return b"".join(chunks)


def _not_ok(reply: aiohttp.ClientResponse) -> UpstreamError:
    if reply.status in (429, 503):
        wait = reply.headers.get("Retry-After", "")
        return UpstreamUnavailable("the model server cannot serve now", int(wait) if wait.isdecimal() and len(wait) < 4 else 1)
    if reply.status == 504:
        return UpstreamTimeout("the model server did not finish within its own time limit")
    if reply.status == 200:
        return UpstreamInvalid("the model server's answer is not plain JSON")
    return UpstreamInvalid(f"the model server answered with status {reply.status}")


def _may_resend(error: BaseException | None, link: _Link, pure: bool) -> bool:
    """Whether a call may be sent once more: it was never sent, or it raced with the closing of an idle connection.

    In that race the call may have arrived, which does no harm if it is pure. A fresh connection that is closed under a call is another
    matter: the call itself may be what fells the server.
    """
    return isinstance(error, _CONNECTING) or pure and link.reused and not link.answered and isinstance(error, _BROKEN_OFF)


def translated(error: Exception) -> UpstreamError:
    """The error of ours that an error of an exchange is."""
    if isinstance(error, _CONNECTING):
        return UpstreamUnavailable("the model server could not be reached")
    if isinstance(error, TimeoutError):
        return UpstreamTimeout("the model server did not answer within the call's budget")
    if isinstance(error, (aiohttp.ClientConnectionError, OSError)):
        return UpstreamUnavailable("the model server broke the connection off before it answered")
    return UpstreamInvalid("the model server's answer is not valid HTTP, or broke off")
