"""Idle connections: how long they are kept, and what they keep of their last call, which is nothing.

By itself the protocol has a timer for each connection, made anew at each call, and keeps the last call of each, which takes as much memory
as the connection. Callers' pools and load balancers have thousands of connections, most of them idle.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["Idle", "Keeping"]

_NOBODY: deque[Any] = deque()
"""Calls that wait for the one before on their connection. Hardly any ever do, and an empty deque of their own takes 760 bytes."""


class Idle:
    """Connections that wait for the head of a call, the one that has waited longest first. One timer goes on for all of them."""

    def __init__(self) -> None:
        self._since: OrderedDict[Keeping, float] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, connection: Keeping) -> None:
        """It waits from now on."""
        self._since[connection] = connection.loop.time()
        self._since.move_to_end(connection)
        if self._timer is None:
            self._timer = connection.loop.call_later(connection.timeout_keep_alive, self._close, connection.loop)

    def end(self, connection: Keeping) -> None:
        """It does not wait any more."""
        self._since.pop(connection, None)

    def _close(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        while self._since:
            connection, since = next(iter(self._since.items()))
            left = since + connection.timeout_keep_alive - loop.time()
            if left > 0:
                self._timer = loop.call_later(left, self._close, loop)
                return
            del self._since[connection]
            connection.timeout_keep_alive_handler()


class Keeping(HttpToolsProtocol):
    """Uvicorn's protocol, whose connections wait for a head as long as an idle one is kept: the first, the next, and the rest of one."""

    # With one attribute more, Python keeps a table of names for each object, not one for all of them.
    __slots__ = ("_open", "_reading")

    _idle = Idle()
    """All of them. An event loop has a process to itself."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Nobody asks anything yet."""
        super().connection_made(transport)
        self._open = 0
        self._reading = False
        self.pipeline = _NOBODY
        self._idle.begin(self)

    def on_message_begin(self) -> None:
        """The first byte of a head, whose rest is waited for from now on."""
        self._reading = True
        if not self._open:
            self._idle.begin(self)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is there, so this is a call; how long its body may take is its application's to say."""
        self._idle.end(self)
        if self._open and self.pipeline is _NOBODY:
            self.pipeline = deque()
        self._open += 1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Head and body have been read."""
        self._reading = False
        super().on_message_complete()
        self._forget()

    def on_response_complete(self) -> None:
        """A call is answered. Uvicorn's own would set a timer.

        A body that comes after its answer is dropped, and keeps no connection: to come is no sign of life.
        """
        self._open -= 1
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle.begin(self)
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """It waits for nothing. A call that was to follow never begins: with the connection, it would wait for garbage to be looked for."""
        self._idle.end(self)
        super().connection_lost(exc)
        self._open, self._reading = 0, False
        self._forget()

    def _forget(self) -> None:
        if not self._open and not self._reading:
            self.cycle = self.scope = self.headers = None  # type: ignore[assignment]
            self.url = b""
            self.pipeline = _NOBODY
