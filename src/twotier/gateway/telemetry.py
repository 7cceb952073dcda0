"""What every request gets, as plain ASGI: an id, a line in the log, its metrics, where its time went, and an answer in any case."""

from __future__ import annotations

import os
import re
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog import get_logger
from structlog.contextvars import bind_contextvars

from twotier.gateway.access_log import write_access
from twotier.gateway.answers import problem_response
from twotier.gateway.forwarding import Timing
from twotier.gateway.metrics import Metrics
from twotier.gateway.readiness import Lifecycle

__all__ = ["Telemetry"]

_ACCEPTED_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_CLIENT_LEFT = 499

_log = get_logger(__name__)


class Telemetry:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, metrics: Metrics, lifecycle: Lifecycle, access_log: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._lifecycle = lifecycle
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun = time.perf_counter()
        identity = _identity(scope)
        timing = Timing()
        method = scope["method"]
        scope.setdefault("state", {}).update(request_id=identity, timing=timing, method=method)
        bind_contextvars(request_id=identity)
        status = _CLIENT_LEFT

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                ours = (b"x-request-id", identity.encode()), (b"server-timing", timing.header().encode())
                headers = message["headers"] = [*message["headers"], *ours]
                if self._lifecycle.draining:
                    headers.append((b"connection", b"close"))
            await send(message)

        # What is allowed to GET may be asked for by HEAD; the server, which still sees HEAD, leaves the body out. A route whose GET
        # changes something finds the method that was asked for in the state.
        if method == "HEAD":
            scope = {**scope, "method": "GET"}
        try:
            self._metrics.in_flight.inc()
            await self._app(scope, receive, send_marked)
        except ClientDisconnect:
            pass
        except Exception as error:
            _log.exception("the gateway failed", method=method, path=scope["path"])
            if status != _CLIENT_LEFT:
                raise
            await problem_response(error, identity, path=scope["path"])(scope, receive, send_marked)
        finally:
            self._metrics.in_flight.dec()
            seconds = time.perf_counter() - begun
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.observe_request(route, method if method in _METHODS else "OTHER", status, seconds)
            if self._access_log:
                write_access(identity, method, route, status, seconds)


def _identity(scope: Scope) -> str:
    """The caller's X-Request-ID if it is harmless in a header and a log, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode("ascii") if _ACCEPTED_ID.match(value) else os.urandom(16).hex()
    return os.urandom(16).hex()
