"""Callers who leave before they are answered: what they asked for is cancelled. Those who stay are told where the time went."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.requests import ClientDisconnect, Request

from twotier.gateway.forwarding import Timing
from twotier.gateway.keeping import Keeping
from twotier.gateway.writing import Gathered

__all__ = ["CallerWaits", "Noticing"]

_WAITING = "callers_waiting"
"""Where in a request's state the protocol keeps those who wait on its connection."""


class Noticing(Keeping):
    """The protocol, which tells callers who wait that their connection is gone.

    The way that ASGI has for this is a task that waits for the message of it: at each call, that costs as much as a small row.
    """

    __slots__ = ("_waiting",)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Nobody waits yet."""
        super().connection_made(Gathered(transport, self.loop))
        self._waiting = set[CallerWaits]()

    def on_message_begin(self) -> None:
        """Begin a request, whose state says where to wait."""
        super().on_message_begin()
        self.scope["state"][_WAITING] = self._waiting

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has left, or the connection is closed after its last answer."""
        super().connection_lost(exc)
        for caller in tuple(self._waiting):
            caller.leave()


class CallerWaits:
    """A block that is cancelled when the caller leaves, and then raises ClientDisconnect. The body must have been read before, and
    nothing else may have been waited for since: who leaves then is not noticed.

    It hands out the request's `Timing`, to write down in it where the time goes.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._waiting: set[CallerWaits] = request.scope["state"].get(_WAITING, set())
        self._left = False

    def __enter__(self) -> Timing:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._waiting.add(self)
        timing: Timing = self._request.scope["state"]["timing"]
        return timing

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._waiting.discard(self)
        if self._left:
            # It may have come too late to stop anything: the caller has left all the same.
            self._task.uncancel()
            raise ClientDisconnect

    def leave(self) -> None:
        """Cancel the block: its caller is gone."""
        self._left = True
        self._task.cancel()
