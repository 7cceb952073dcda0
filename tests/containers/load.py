"""Bounded load on the gateway, from this machine to its loopback address, with every answer kept."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp

ROW = {"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}

MOST_SECONDS = 120.0
"""When callers stop by themselves, whatever the test does."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: when it was sent, and what came of it."""

    sent_at: float
    status: int
    """0: there was no answer."""

    content_type: str = ""
    error: str = ""


@dataclass
class Load:
    """Callers who each send one call after another until they are told to stop."""

    calls: list[Call] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, more: int, status: int, seconds: float = 60.0) -> None:
        """Wait until that many more calls were answered with that status."""
        wanted = self.count(status) + more
        deadline = time.monotonic() + seconds
        while self.count(status) < wanted:
            assert time.monotonic() < deadline, f"fewer than {more} calls more were answered {status}: {self.summary()}"
            time.sleep(0.05)

    def count(self, status: int) -> int:
        """How many calls were answered with that status."""
        return sum(call.status == status for call in self.calls)

    def summary(self) -> dict[str, int]:
        """How many calls of each outcome."""
        outcomes = [call.error or f"{call.status} {call.content_type}" for call in self.calls]
        return {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}


@contextlib.contextmanager
def load(url: str, callers: int = 8, rows: int = 1) -> Iterator[Load]:
    """Keep `callers` calls of `rows` rows each under way while the block runs."""
    running = Load()
    thread = threading.Thread(target=lambda: asyncio.run(_call(running, url, callers, rows)))
    thread.start()
    try:
        yield running
    finally:
        running.stopped.set()
        thread.join()


async def _call(running: Load, url: str, callers: int, rows: int) -> None:
    end = time.monotonic() + MOST_SECONDS
    body = ROW if rows == 1 else [ROW] * rows

    async def caller(session: aiohttp.ClientSession) -> None:
        while not running.stopped.is_set() and time.monotonic() < end:
            sent_at = time.monotonic()
            try:
                async with session.post(f"{url}/iris/predict", json=body) as reply:
                    await reply.read()
                    running.calls.append(Call(sent_at, reply.status, reply.content_type))
            except (aiohttp.ClientError, TimeoutError) as error:
                running.calls.append(Call(sent_at, 0, error=type(error).__name__))
                await asyncio.sleep(0.05)

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        await asyncio.gather(*(caller(session) for _ in range(callers)))
