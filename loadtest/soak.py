"""`python -m loadtest.soak`: many single rows, a tenth of whose callers leave. Does everything stay flat?

Both tiers are started on free ports. The first tenth of the requests warms everything up, and then each tenth ends with a line. The exit code
is 1 if an answer was wrong, if anything is left under way in the end, or if memory or sockets have grown by more than is allowed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import urllib.request
from dataclasses import dataclass

import psutil

from loadtest.http_target import Answer, Target, parse, target
from loadtest.tiers import Tiers, tiers

BODY = b'{"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}'
RIGHT = b'"output":"Iris-virginica"'

LEFT_UNDER_WAY = ("twotier_gateway_requests_in_flight", "twotier_gateway_upstream_calls_in_flight", "twotier_gateway_rows_queued")

MAX_GROWTH = 0.1
"""How much larger a tier may be in the end than after the first tenth."""

MAX_SOCKETS = 32
"""How many more descriptors it may have then: pools breathe."""


@dataclass
class Count:
    """What became of the requests so far."""

    answered: int = 0
    left: int = 0
    wrong: int = 0


class Caller:
    """Sends one request after another over a connection, and sometimes leaves before the answer."""

    def __init__(self, to: Target, count: Count, leaving: float, seed: int) -> None:
        self._target = to
        self._count = count
        self._leaving = leaving
        self._random = random.Random(seed)
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, requests: int) -> None:
        """Send that many."""
        for _ in range(requests):
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection(*self._target.address)
            self._writer.write(self._target.request)
            if self._random.random() < self._leaving:
                # Some leave at once, some while their row waits or is under way.
                await asyncio.sleep(self._random.choice((0, 0.001, 0.01)))
                self.close()
                self._count.left += 1
            elif (answer := await self._answer()).status == 200 and RIGHT in answer.body:
                self._count.answered += 1
            else:
                self._count.wrong += 1
                self.close()
        self.close()

    def close(self) -> None:
        """Break the connection off."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    async def _answer(self) -> Answer:
        data = b""
        while (answer := parse(data)) is None:
            more = await self._reader.read(65536)
            if not more:
                return Answer(0, b"", True)
            data += more
        return answer


@dataclass(frozen=True, slots=True)
class Size:
    """How large a tier is."""

    mebibytes: float
    descriptors: int


def sizes(up: Tiers) -> dict[str, Size]:
    """Memory (resident) and open descriptors of each tier."""
    found = {}
    for child in psutil.Process(up.process).children():
        name = child.cmdline()[-1].removeprefix("twotier.")
        if name in ("gateway", "model_server"):
            found[name] = Size(child.memory_info().rss / 2**20, child.num_fds())
    return found


def left_under_way(up: Tiers) -> dict[str, float]:
    """What the gateway says is not finished; the request that asks is one."""
    with urllib.request.urlopen(f"{up.url}/metrics", timeout=10) as reply:
        lines = dict(line.split(" ", 1) for line in reply.read().decode().splitlines() if line.startswith(LEFT_UNDER_WAY))
    return {name: float(value) - (name == LEFT_UNDER_WAY[0]) for name, value in lines.items()}


async def soak(up: Tiers, requests: int, callers: int, leaving: float) -> int:
    """Run it; the exit code."""
    to, count = target(up.url + "/iris/predict", BODY), Count()
    first: dict[str, Size] = {}
    now: dict[str, Size] = {}
    print(f"{'requests':>10} {'left':>8} {'wrong':>6}  gateway MB  sockets  model server MB  sockets", flush=True)
    for tenth in range(10):
        share = requests // 10 // callers
        crowd = [Caller(to, count, leaving, tenth * callers + number) for number in range(callers)]
        await asyncio.gather(*(caller.run(share) for caller in crowd))
        now = sizes(up)
        first = first or now
        front, back = now["gateway"], now["model_server"]
        done = count.answered + count.left + count.wrong
        told = [f"{each.mebibytes:>{width}.1f}  {each.descriptors:>7}" for each, width in ((front, 10), (back, 15))]
        print(f"{done:>10,} {count.left:>8,} {count.wrong:>6}  {'  '.join(told)}", flush=True)
    await asyncio.sleep(1)
    rest = await asyncio.to_thread(left_under_way, up)
    grown = [
        name
        for name, size in now.items()
        if size.mebibytes > first[name].mebibytes * (1 + MAX_GROWTH) or size.descriptors > first[name].descriptors + MAX_SOCKETS
    ]
    print(f"left under way: {sum(rest.values()):.0f}; grown: {', '.join(grown) or 'nothing'}")
    return int(bool(count.wrong or any(rest.values()) or grown))


def main() -> int:
    """Run it."""
    options = argparse.ArgumentParser(prog="python -m loadtest.soak", description=__doc__)
    options.add_argument("--requests", type=int, default=1_000_000, help="how many, in all")
    options.add_argument("--callers", type=int, default=64, help="how many send at the same time")
    options.add_argument("--leaving", type=float, default=0.1, help="the share that leaves without an answer")
    given = options.parse_args()
    with tiers() as up:
        return asyncio.run(soak(up, given.requests, given.callers, given.leaving))


if __name__ == "__main__":
    sys.exit(main())
