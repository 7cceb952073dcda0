"""Taking up connections, several in a turn of the event loop.

By itself the loop takes up one in each turn. When many callers are served in a turn, new ones then wait for seconds: neither answered
nor refused, and not even seen.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from structlog import get_logger

__all__ = ["Acceptor"]

_AT_ONCE = 128
"""Connections taken up before those who are connected get their turn."""

_PAUSE = 0.1
"""Seconds to wait when no more files may be open."""

_log = get_logger(__name__)


class Acceptor:
    """Takes up the connections of one listening socket, until it is closed. It is one of uvicorn's `servers`."""

    def __init__(self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[None]] = set()
        self._closed = False
        self._listen()

    def close(self) -> None:
        """Take up no more; the socket is for its owner to close."""
        self._closed = True
        self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Wait for those that were being taken up."""
        await asyncio.gather(*self._connecting)

    def _listen(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                peer, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # Too many files are open. The socket stays readable, so it is left alone until some are closed.
                self._loop.remove_reader(self._listener)
                self._loop.call_later(_PAUSE, self._listen)
                return
            task = self._loop.create_task(self._connect(peer))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, peer: socket.socket) -> None:
        try:
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._protocol, peer)
        except Exception:
            # It may be gone already. Nobody waits for this task, so nobody else would say so.
            _log.warning("a connection could not be taken up", exc_info=True)
            peer.close()
