"""Answers leave together: what is written in one turn of the event loop is handed to the kernel in the next, connection after connection.

To hand it over wakes whoever waits for it, and done for the head and for the body of each answer that was a sixth of a call's time. A
caller who is woken for the head is soon asleep again, and is woken for the body; a client of many connections is woken once for all.
"""

from __future__ import annotations

import asyncio

__all__ = ["Gathered"]

_AT_ONCE = 64 * 1024
"""Bytes of one answer that are not held back: what is long is handed over as it comes, so that its writer learns when to pause."""


class Gathered(asyncio.Transport):
    """A transport around another, which it hands the pieces of a turn as one."""

    _full: list[Gathered] = []
    """Those with something to hand over in the next turn. An event loop has a process to itself."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        # As the wrapped one answers them, at no cost of ours.
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hand it over with whatever else is written in this turn."""
        if len(data) > _AT_ONCE:
            self._hand_over()
            self._transport.write(data)
            return
        if not self._pieces:
            if not self._full:
                self._loop.call_soon(self._hand_over_all)
            self._full.append(self)
        self._pieces.append(bytes(data))

    def close(self) -> None:
        """Hand over what was written, and close."""
        self._hand_over()
        self._transport.close()

    def _hand_over(self) -> None:
        pieces, self._pieces = self._pieces, []
        # Whoever has left meanwhile is not written to: that would raise, and keep the others from their answers.
        if pieces and not self.is_closing():
            self._transport.write(b"".join(pieces))

    @classmethod
    def _hand_over_all(cls) -> None:
        full = cls._full[:]
        cls._full.clear()
        for transport in full:
            transport._hand_over()
