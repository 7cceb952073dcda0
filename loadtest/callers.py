"""Callers who ask one after the other all the while, and remember what became of each call."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from loadtest.http_target import Target, parse

_PATIENCE = 10.0
"""Seconds without a byte after which a call is given up."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call. Moments are of `time.monotonic()`."""

    sent_at: float
    seconds: float
    status: int
    """0: the connection broke, and there was no answer."""

    body: bytes


class Caller:
    """One connection, opened when it is needed, over which one call after the other is made."""

    def __init__(self, to: Target) -> None:
        self._target = to
        self._peer: socket.socket | None = None

    def ask(self) -> Call:
        """Make one call."""
        began, status, body = time.monotonic(), 0, b""
        try:
            if self._peer is None:
                self._peer = socket.create_connection(self._target.address, timeout=_PATIENCE)
                self._peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peer.sendall(self._target.request)
            data = b""
            while (answer := parse(data)) is None:
                if not (more := self._peer.recv(65536)):
                    raise ConnectionResetError
                data += more
            status, body = answer.status, answer.body
            if answer.close:
                self.close()
        except OSError:
            self.close()
        return Call(began, time.monotonic() - began, status, body)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None


class Callers:
    """Some of them, each in a thread, while the block runs."""

    def __init__(self, to: Target, count: int) -> None:
        self.calls: list[Call] = []
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(Caller(to),)) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def since(self, moment: float) -> Iterable[Call]:
        """The calls that were sent after it, in the order of their ends."""
        return [call for call in list(self.calls) if call.sent_at >= moment]

    def first(self, moment: float, so: Callable[[Call], bool], seconds: float) -> float | None:
        """Seconds from a moment to the end of the first call since that is so, waited for as long; None if there is none."""
        while time.monotonic() < moment + seconds:
            if ends := [call.sent_at + call.seconds for call in self.since(moment) if so(call)]:
                return min(ends) - moment
            time.sleep(0.005)
        return None

    def _run(self, caller: Caller) -> None:
        while not self._done.is_set():
            self.calls.append(caller.ask())
        caller.close()
