"""`python -m loadtest.soak`: many single rows, a tenth of whose callers leave. Does everything stay flat? It renews loadtest/SOAK.md.

Both tiers are started on free ports, over the data folder of the settings. The first tenth of the requests warms everything up, and each
ends with a line. The exit code is 1 if an answer was wrong, if anything is left under way in the end, or if memory, sockets or tasks have
grown by more than is allowed.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import random
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadtest.compare.tables import table
from loadtest.http_target import Answer, Target, parse, target
from loadtest.machine import described, machine
from loadtest.tiers import Tiers, tiers

BODY = b'{"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}'
RIGHT = b'"output":"Iris-virginica"'

TASKS = "twotier_gateway_tasks"

LEFT_UNDER_WAY = ("twotier_gateway_requests_in_flight", "twotier_gateway_upstream_calls_in_flight", "twotier_gateway_rows_queued")

MAX_GROWTH = 0.1
"""How much larger a tier may be in the end than after the first tenth."""

MAX_MORE = 32
"""How many more descriptors and tasks it may have then: pools breathe."""


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
class Tenth:
    """How large the tiers are after a tenth of the requests, and what became of all so far."""

    answered: int
    left: int
    wrong: int
    gateway_mb: float
    gateway_sockets: int
    tasks: int
    model_server_mb: float
    model_server_sockets: int

    def cells(self) -> list[str]:
        """Its line."""
        counts = (self.answered + self.left + self.wrong, self.left, self.wrong)
        gateway = (f"{self.gateway_mb:.1f}", str(self.gateway_sockets), str(self.tasks))
        return [*(f"{count:,}" for count in counts), *gateway, f"{self.model_server_mb:.1f}", str(self.model_server_sockets)]


HEAD = ("requests", "left", "wrong", "gateway, MB", "descriptors", "tasks", "model server, MB", "descriptors")


def look(up: Tiers, count: Count) -> Tenth:
    """Memory (resident) and open descriptors of each tier, and the gateway's tasks without that of the look itself."""
    children = {child.cmdline()[-1].removeprefix("twotier."): child for child in psutil.Process(up.process).children()}
    gateway, model_server = children["gateway"], children["model_server"]
    return Tenth(
        count.answered,
        count.left,
        count.wrong,
        gateway.memory_info().rss / 1e6,
        gateway.num_fds(),
        int(metrics(up)[TASKS]) - 1,
        model_server.memory_info().rss / 1e6,
        model_server.num_fds(),
    )


def metrics(up: Tiers) -> dict[str, float]:
    """The gateway's gauges that are looked at; the request that asks is under way itself."""
    with urllib.request.urlopen(f"{up.url}/metrics", timeout=10) as reply:
        lines = dict(line.split(" ", 1) for line in reply.read().decode().splitlines() if line.startswith((*LEFT_UNDER_WAY, TASKS)))
    return {name: float(value) - (name == LEFT_UNDER_WAY[0]) for name, value in lines.items()}


def grown(first: Tenth, last: Tenth) -> list[str]:
    """What has grown by more than is allowed."""
    found = [what for what in ("gateway_mb", "model_server_mb") if getattr(last, what) > getattr(first, what) * (1 + MAX_GROWTH)]
    more = ("gateway_sockets", "model_server_sockets", "tasks")
    return found + [what for what in more if getattr(last, what) > getattr(first, what) + MAX_MORE]


async def soak(up: Tiers, requests: int, callers: int, leaving: float) -> list[Tenth]:
    """Send them; how large everything was after each tenth, and at last once all is quiet."""
    to, count = target(up.url + "/iris/predict", BODY), Count()
    print("  ".join(HEAD), flush=True)
    tenths: list[Tenth] = []
    for tenth in range(10):
        share = requests // 10 // callers
        crowd = [Caller(to, count, leaving, tenth * callers + number) for number in range(callers)]
        await asyncio.gather(*(caller.run(share) for caller in crowd))
        # Whoever has left at last is gone a moment later.
        await asyncio.sleep(1)
        tenths.append(await asyncio.to_thread(look, up, count))
        print("  ".join(tenths[-1].cells()), flush=True)
    return tenths


def page(command: str, started: str, on: str, tenths: Sequence[Tenth], left_under_way: float) -> str:
    """What was seen, as a page."""
    verdict = ", ".join(grown(tenths[0], tenths[-1])) or "nothing"
    return "\n\n".join(
        (
            "# A long load",
            f"One run of `{command}` on {started}: {on}. Callers of single rows, of whom some leave before their answer; a second after\n"
            f"each tenth of the requests, how large both tiers are. In the end, at most {MAX_GROWTH:.0%} more memory and {MAX_MORE} more\n"
            "descriptors and tasks are allowed than after the first tenth.",
            table(HEAD, [tenth.cells() for tenth in tenths]),
            f"Left under way in the end: {left_under_way:.0f}. Grown by more than is allowed: {verdict}.\n",
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    options = argparse.ArgumentParser(prog="python -m loadtest.soak", description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--requests", type=int, default=1_000_000, help="how many, in all (default: 1,000,000)")
    options.add_argument("--callers", type=int, default=64, help="how many send at the same time (default: 64)")
    options.add_argument("--leaving", type=float, default=0.1, help="the share that leaves without an answer (default: 0.1)")
    options.add_argument("--page", type=Path, default=Path(__file__).with_name("SOAK.md"), help="what to write (default: %(default)s)")
    given = options.parse_args(arguments)
    command = " ".join(["python -m loadtest.soak", *(sys.argv[1:] if arguments is None else arguments)])
    started, on = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC", described(machine())
    with tiers() as up:
        tenths = asyncio.run(soak(up, given.requests, given.callers, given.leaving))
        seen = metrics(up)
    left = sum(seen[name] for name in LEFT_UNDER_WAY)
    given.page.write_text(page(command, started, on, tenths, left), encoding="utf-8")
    print(given.page)
    return int(bool(tenths[-1].wrong or left or grown(tenths[0], tenths[-1])))


if __name__ == "__main__":
    sys.exit(main())
