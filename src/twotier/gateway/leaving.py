"""Callers who leave before they are answered: what they asked for is cancelled. Those who stay are told where the time went."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.requests import ClientDisconnect, Request

from twotier.gateway.forwarding import Timing

__all__ = ["CallerWaits"]

_PATIENCE = 0.02
"""Seconds before anybody looks whether the caller is still there. Most are answered by then, and looking costs as much as a small row."""


class CallerWaits:
    """A block that is cancelled when the caller leaves, and then raises ClientDisconnect. The body must have been read before.

    It is handed a `Timing`, which is told in the header `Server-Timing` whatever the answer is.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._left = False
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> Timing:
        task = asyncio.current_task()
        assert task is not None
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._look, task)
        self._task = task
        timing = self._request.state.timing = Timing()
        return timing

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self._left:
            # It may have come too late to stop anything: the caller has left all the same.
            self._task.uncancel()
            raise ClientDisconnect

    def _look(self, task: asyncio.Task[object]) -> None:
        self._watching = asyncio.create_task(self._watch(task))

    async def _watch(self, task: asyncio.Task[object]) -> None:
        # The whole body has been read, so there is but one thing that can come.
        await self._request.receive()
        self._left = True
        task.cancel()
