"""What is let in to BentoML: calls in JSON to the paths that exist, of a bounded size.

Left to itself, BentoML parses any content type as JSON, reads bodies of any size, and keeps a metric for every path that anybody asks
for. The door stands before all of that. It also closes when the process is to end.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

__all__ = ["ASGIApp", "Door"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

PAGES = frozenset({"/livez", "/healthz", "/readyz", "/metrics", "/docs.json", "/schema.json"})
"""What may be read. BentoML's own page in the browser is not among it: it needs a folder of assets, and this server is not for browsers."""

_CLOSE = b"connection", b"close"


class Door:
    """An ASGI app around another."""

    def __init__(self, app: ASGIApp, calls: Iterable[str], max_body_bytes: int) -> None:
        self._app = app
        self._calls = frozenset(calls)
        self._max_body_bytes = max_body_bytes
        self.draining = False
        """Set when the process is to end: it is then not ready, and connections are closed as they are answered."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close"})
        if self.draining:
            send = _closing(send)
        if scope["path"] in PAGES:
            if self.draining and scope["path"] == "/readyz":
                return await _refuse(send, 503, "it is about to end")
            return await self._app(scope, receive, send)
        if scope["path"] not in self._calls:
            return await _refuse(send, 404, f"there is no such path; there are {', '.join(sorted(self._calls | PAGES))}")
        if scope["method"] != "POST":
            return await _refuse(send, 405, "it is called by POST", (b"allow", b"POST"))
        if _media_type(scope) != b"application/json":
            return await _refuse(send, 415, "the body must be application/json")
        body = await self._read(scope, receive)
        if body is None:
            # The rest of the body is not read, so the connection cannot be used again.
            return await _refuse(send, 413, f"the body is larger than {self._max_body_bytes} bytes", _CLOSE)
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Message, receive: Receive) -> bytes | None:
        """The whole body, or None if it is too large."""
        length = _header(scope, b"content-length")
        if length.isdigit() and int(length) > self._max_body_bytes:
            return None
        parts: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_body_bytes:
                return None
            more = message.get("more_body", False)
        return b"".join(parts)


def _header(scope: Message, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def _media_type(scope: Message) -> bytes:
    return _header(scope, b"content-type").split(b";")[0].strip().lower()


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _closing(send: Send) -> Send:
    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], _CLOSE]}
        await send(message)

    return closing


async def _refuse(send: Send, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
    body = json.dumps({"error": detail}).encode()
    given = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": given})
    await send({"type": "http.response.body", "body": body})
