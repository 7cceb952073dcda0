"""What a gateway answers without its application: more calls than it can answer are refused before they cost much, and what is no HTTP
request is told so.

A refusal by the application costs as much as an answer, since what is dear is reading the request, the task and the response. So while as
many calls are being answered as may be, the protocol refuses calls that are whole as they come off the socket, for a tenth of that, and
others once their head is there.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from itertools import count
from secrets import token_hex
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from twotier.errors import Overloaded
from twotier.gateway import problems
from twotier.gateway.forwarding import Timing
from twotier.gateway.leaving import Noticing
from twotier.gateway.strict_json import dumps

__all__ = ["shedding"]

_ID_HERE = b"i" * 32

_OF_BODY = (b"content-length", b"transfer-encoding")
"""Headers that say that a body follows. Some old routes take one with GET."""

_LONG = 8192
"""Bytes of a head that is not looked up among the last ones, but read as one that is special."""

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
_SPECIAL = re.compile(
    rb" HTTP/1\.0\r\n|\r\n(?:transfer-encoding:|expect:|upgrade:|connection:(?![ \t]*keep-alive[ \t]*\r\n))", re.IGNORECASE
)


def shedding(limit: int, shed: Callable[[], None]) -> type[Noticing]:
    """The protocol that refuses POSTs while `limit` calls are being answered, and calls `shed` for each.

    What came in one piece and is nothing special is refused unread. Of anything else the head is read, and the body is not waited for.
    What only asks (GET without a body) is never refused: probes and metrics matter most when there is too much to do.
    """
    error = Overloaded("the gateway is answering as many calls as it can")
    told = {path: _Written(problems.problem(error, _ID_HERE.decode()), path, error.retry_after) for path in ("/", problems.PROTOCOL)}
    here, protocol, protocols = told["/"], told[problems.PROTOCOL], f"POST {problems.PROTOCOL}/".encode()
    unreadable = _Written(problems.of_status(400, _ID_HERE.decode()), "/")
    refuse = _refusing(told, shed)

    class Shedding(Noticing):
        __slots__ = ()

        def on_headers_complete(self) -> None:
            self.app = refuse if self._too_many() and self._is_call() else self.config.loaded_app
            super().on_headers_complete()

        def data_received(self, data: bytes) -> None:
            # Who does not read what is written has the next refusal written when there is room for it.
            if not self._too_many() or self._open or self._reading or self.flow.write_paused or not _plain_post(data):
                return super().data_received(data)
            self._idle.begin(self)
            written = protocol if data.startswith(protocols) else here
            self.transport.write(written.whole(self.server_state.default_headers))
            shed()

        def send_400_response(self, msg: str) -> None:
            # Where the request went wrong nobody can tell, so nothing that follows on this connection is believed.
            self.transport.write(unreadable.whole([*self.server_state.default_headers, (b"connection", b"close")]))
            self.transport.close()

        def _too_many(self) -> bool:
            return len(self.tasks) >= limit

        def _is_call(self) -> bool:
            method = self.parser.get_method()
            return method == b"POST" or method == b"GET" and any(name in _OF_BODY and value != b"0" for name, value in self.headers)

    return Shedding


def _refusing(told: Mapping[str, _Written], shed: Callable[[], None]) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The application that refuses a call without waiting for its body, which the protocol drops as it comes."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        written = told[problems.PROTOCOL if scope["path"].startswith(problems.PROTOCOL + "/") else "/"]
        # Whether a body follows that nobody has asked for cannot be known.
        last = [(b"connection", b"close")] if any(name == b"expect" for name, _ in scope["headers"]) else []
        headers, body = written.parts()
        await send({"type": "http.response.start", "status": written.status, "headers": [*headers, *last]})
        await send({"type": "http.response.body", "body": body})
        shed()

    return refuse


class _Written:
    """A problem on a path, written beforehand but for the request's id."""

    _begun = token_hex(8).encode()
    _numbers = count(1)

    def __init__(self, made: Mapping[str, Any], path: str, retry_after: int | None = None) -> None:
        self.status: int = made["status"]
        self._body = dumps(problems.on_path(dict(made), path)).replace(_ID_HERE, b"%s")
        again = [] if retry_after is None else [(b"retry-after", str(retry_after).encode())]
        self._headers = [
            (b"content-type", problems.media_type(path).encode()),
            (b"content-length", str(len(self._body) - 2 + len(_ID_HERE)).encode()),
            *again,
            (b"server-timing", Timing().header().encode()),
        ]
        head = b"".join(b"%s: %s\r\n" % header for header in self._headers).replace(b"%", b"%%")
        self._whole = b"%s%s%%sx-request-id: %%s\r\n\r\n%s" % (STATUS_LINE[self.status], head, self._body)

    def whole(self, more: list[tuple[bytes, bytes]]) -> bytes:
        """Head and body, with more headers."""
        identity = self._identity()
        rest = b"".join([b"%s: %s\r\n" % header for header in more])
        return self._whole % (rest, identity, identity)

    def parts(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Headers and body."""
        identity = self._identity()
        return [*self._headers, (b"x-request-id", identity)], self._body % identity

    def _identity(self) -> bytes:
        return b"%s%016x" % (self._begun, next(self._numbers))


def _plain_post(data: bytes) -> bool:
    """Whether this is one whole POST with a body of known length, and no header that asks for anything special."""
    end = data.find(b"\r\n\r\n") + 4
    return 4 <= end < _LONG and _size_after(data[:end]) == len(data) - end


@lru_cache(128)
def _size_after(head: bytes) -> int | None:
    """The size of the body that follows, if this is the head of a plain POST. Most callers send the same head again and again."""
    if not head.startswith(b"POST /") or _SPECIAL.search(head):
        return None
    length = _LENGTH.search(head)
    return None if length is None else int(length[1])
