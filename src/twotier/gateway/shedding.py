"""What a gateway does with more calls than it can answer: refuse them before they cost anything.

A refusal by the application costs as much as an answer, since what is dear is reading the request, the task and the response. So while as
many calls are being answered as may be, the protocol refuses whole calls as they come off the socket, for a tenth of that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from secrets import token_hex

from twotier.errors import Overloaded
from twotier.gateway import problems
from twotier.gateway.forwarding import Timing
from twotier.gateway.leaving import Noticing
from twotier.gateway.strict_json import dumps

__all__ = ["shedding"]

_ID_HERE = "i" * 32

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
_SPECIAL = re.compile(rb"\r\n(?:transfer-encoding|connection|expect|upgrade):", re.IGNORECASE)


def shedding(limit: int, shed: Callable[[], None]) -> type[Noticing]:
    """The protocol that refuses POSTs while `limit` calls are being answered, and calls `shed` for each.

    Only what came in one piece and is nothing special is refused so. Anything else takes the long way and is answered: that is slower,
    and never wrong. What is read (GET) is never refused: probes and metrics matter most when there is too much to do.
    """
    refusal, protocol, begun, numbers = _refusal("/"), _refusal(problems.PROTOCOL), token_hex(8).encode(), count(1)

    class Shedding(Noticing):
        _open = 0

        def on_message_begin(self) -> None:
            self._open += 1
            super().on_message_begin()

        def on_response_complete(self) -> None:
            self._open -= 1
            super().on_response_complete()

        def data_received(self, data: bytes) -> None:
            if len(self.tasks) >= limit and not self._open and _plain_post(data):
                identity = b"%s%016x" % (begun, next(numbers))
                date = b"".join(b"%s: %s\r\n" % header for header in self.server_state.default_headers)
                told = protocol if data.startswith(b"POST %s/" % problems.PROTOCOL.encode()) else refusal
                self.transport.write(told % (identity, date, identity))
                shed()
            else:
                super().data_received(data)

    return Shedding


def _plain_post(data: bytes) -> bool:
    """Whether this is one whole POST with a body of known length, and no header that asks for anything special."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or not data.startswith(b"POST /") or _SPECIAL.search(data, 0, end):
        return False
    length = _LENGTH.search(data, 0, end + 2)
    return length is not None and end + 4 + int(length[1]) == len(data)


def _refusal(path: str) -> bytes:
    """The whole answer on that path, with places for the request's id, its date and the id again."""
    error = Overloaded("the gateway is answering as many calls as it can")
    body = dumps(problems.on_path(problems.problem(error, _ID_HERE), path))
    lines = (
        "HTTP/1.1 503 Service Unavailable",
        f"content-type: {problems.media_type(path)}",
        f"content-length: {len(body)}",
        f"retry-after: {error.retry_after}",
        f"x-request-id: {_ID_HERE}",
        f"server-timing: {Timing().header()}",
    )
    return ("\r\n".join(lines).encode() + b"\r\n%s\r\n" + body).replace(_ID_HERE.encode(), b"%s")
