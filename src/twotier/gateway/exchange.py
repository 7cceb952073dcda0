"""One POST to a model server: bounded, strict, and every way in which it can go wrong made into one of three errors."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace
from typing import Any

import aiohttp
from pydantic_core import to_json

from twotier import __version__
from twotier.errors import UpstreamError, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from twotier.gateway.retrying import CONNECTING, Attempt
from twotier.gateway.settings import GatewaySettings

__all__ = ["Message", "exchange", "open_session", "translated"]

_RAISED = (aiohttp.ClientError, OSError, ValueError)
"""All that an exchange raises: aiohttp's own errors, the system's (of which TimeoutError is one), and those of URLs and headers."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be said to a model server."""

    path: str
    content: dict[str, Any]
    deadline: float
    """When the answer is of no use any more (`time.monotonic()`)."""

    limit: int
    """Most bytes that an answer may have."""


def open_session(settings: GatewaySettings, *, pooled: bool) -> aiohttp.ClientSession:
    """A session that keeps connections, or one that makes a new one for each exchange."""
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_mark_reused)
    # Connections are kept for less than the server keeps them, so that it is the gateway that closes an idle one, never the server under
    # a call's feet. Fresh ones are for polls and retries, which must not wait for calls, and are few.
    pool: dict[str, Any] = {"limit": settings.connections, "keepalive_timeout": settings.pool_idle_seconds}
    keeping = pool if pooled else {"limit": 0, "force_close": True}
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            # What a name stands for is looked up by `servers`; an address that is kept here may be a dead one.
            use_dns_cache=False,
            # By default aiohttp rounds timeouts above 5 s up to whole seconds, which would outlast the budget.
            timeout_ceil_threshold=math.inf,
            **keeping,
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


async def exchange(
    session: aiohttp.ClientSession, address: str, name: str | None, message: Message, attempt: Attempt, connect_seconds: float
) -> bytes:
    """Post the message and read the answer; write down in `attempt` what happens.

    `address` is a base URL. If its host is an IP address that `name` (host and perhaps port) stood for, the model server is called by
    that name: in the header Host, and in its certificate. Raises UpstreamError.
    """
    left = message.deadline - time.monotonic()
    if left <= 0:
        raise UpstreamTimeout("the call's budget was spent before the model server could be asked")
    timeout = aiohttp.ClientTimeout(total=left, sock_connect=min(connect_seconds, left), ceil_threshold=math.inf)
    try:
        async with session.post(
            address + message.path,
            data=to_json(message.content),
            headers={"Host": name} if name else MappingProxyType({}),
            server_hostname=name.partition(":")[0] if name else None,
            timeout=timeout,
            allow_redirects=False,
            trace_request_ctx=attempt,
        ) as reply:
            attempt.answered = True
            body = await _bounded(reply, message.limit)
            if reply.status == 200 and reply.content_type == "application/json" and "Content-Encoding" not in reply.headers:
                return body
            attempt.refused = reply.status in (429, 503)
            raise _not_ok(reply)
    except _RAISED as error:
        raise translated(error) from error


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


def translated(error: Exception) -> UpstreamError:
    """The error of ours that an error of an exchange is."""
    if isinstance(error, CONNECTING):
        return UpstreamUnavailable("the model server could not be reached")
    if isinstance(error, TimeoutError):
        return UpstreamTimeout("the model server did not answer within the call's budget")
    if isinstance(error, (aiohttp.ClientConnectionError, OSError)):
        return UpstreamUnavailable("the model server broke the connection off before it answered")
    return UpstreamInvalid("the model server's answer is not valid HTTP, or broke off")
