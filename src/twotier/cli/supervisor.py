"""Keeps a few processes running: starts them together, restarts one that dies, stops them in the reverse order.

It knows nothing of what it runs: a process is a `Service`, and it is ready once an address of its answers 200.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import aiohttp

from twotier.errors import TwotierError

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds to wait before each restart in a row; the last one is repeated."""

STEADY_SECONDS = 60.0
"""How long a process must have run for its death to count as the first in a row again."""

PROBE_SECONDS = 5.0
"""How long a process may take to say whether it is ready."""

PAUSE_SECONDS = 0.1
"""How long to wait before asking again."""


class StartFailed(TwotierError):
    """A process did not come up."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process to keep running; `environment` is added to ours."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready_url: str
    number: int | None = None
    """Tells several of one name apart. They are stopped together."""

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name} {self.number}"


class Supervisor:
    """Runs `services` until it is told to stop.

    `say` is called with a sentence whenever something happens that the user should know. A process has `start_seconds` to become
    ready, and `stop_seconds` to end by itself before it is killed.
    """

    def __init__(
        self,
        services: Sequence[Service],
        say: Callable[[str], None],
        *,
        start_seconds: float = 120.0,
        stop_seconds: float = 60.0,
        pauses: Sequence[float] = PAUSES,
        steady_seconds: float = STEADY_SECONDS,
    ) -> None:
        self._services = services
        self._say = say
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._pauses = pauses
        self._steady_seconds = steady_seconds
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = False

    async def run(self, ready: Callable[[], None]) -> None:
        """Start everything, call `ready` once all of it is, and return after an orderly stop.

        SIGINT, SIGTERM and SIGHUP stop it, and a second one does not wait. Raises StartFailed, with everything stopped, if a process
        dies or stays unready at the start.
        """
        serving = asyncio.create_task(self._serve(ready))
        with self._stopped_by_signals(serving):
            try:
                await serving
            except asyncio.CancelledError:
                self._say("stopping")
            finally:
                for _, alike in groupby(reversed(self._services), key=attrgetter("name")):
                    await asyncio.gather(*map(self._end, alike))

    @contextlib.contextmanager
    def _stopped_by_signals(self, serving: asyncio.Task[None]) -> Iterator[None]:
        def stop() -> None:
            if self._stopping:
                for process in self._alive():
                    process.kill()
            self._stopping = True
            serving.cancel()

        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            # Under nohup it is ignored, and stays so.
            numbers.append(signal.SIGHUP)
        loop = asyncio.get_running_loop()
        for number in numbers:
            loop.add_signal_handler(number, stop)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    async def _serve(self, ready: Callable[[], None]) -> None:
        for service in self._services:
            await self._start(service)
        for service in self._services:
            await self._until_ready(service)
        ready()
        await asyncio.gather(*map(self._keep, self._services))

    async def _start(self, service: Service) -> None:
        # In a group of its own, a process does not get the terminal's Ctrl-C: it is ours to stop, in order.
        self._running[str(service)] = await asyncio.create_subprocess_exec(
            *service.command, env={**os.environ, **service.environment}, process_group=0
        )

    async def _until_ready(self, service: Service) -> None:
        process = self._running[str(service)]
        answered = asyncio.create_task(_answered(service.ready_url))
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({answered, ended}, timeout=self._start_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            answered.cancel()
            ended.cancel()
        if process.returncode is not None:
            raise StartFailed(f"the {service} {_how_it_ended(process)} while it started: see its output above")
        if not answered.done():
            waited = f"{self._start_seconds:g} s"
            raise StartFailed(f"the {service} was not ready within {waited}: see its output above, and {service.ready_url}")

    async def _keep(self, service: Service) -> None:
        clock = asyncio.get_running_loop().time
        deaths = 0
        while True:
            started = clock()
            process = self._running[str(service)]
            await process.wait()
            deaths = 0 if clock() - started >= self._steady_seconds else deaths
            pause = self._pauses[min(deaths, len(self._pauses) - 1)]
            deaths += 1
            self._say(f"the {service} {_how_it_ended(process)}: starting it again in {pause:g} s")
            await asyncio.sleep(pause)
            await self._start(service)

    async def _end(self, service: Service) -> None:
        process = self._running.get(str(service))
        if process not in self._alive():
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self._stop_seconds)
        except TimeoutError:
            self._say(f"the {service} did not end within {self._stop_seconds:g} s: killing it")
            process.kill()
            await process.wait()

    def _alive(self) -> list[asyncio.subprocess.Process]:
        return [process for process in self._running.values() if process.returncode is None]


async def _answered(url: str) -> None:
    """Wait until `url` answers 200."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PROBE_SECONDS)) as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(url, allow_redirects=False) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(PAUSE_SECONDS)


def _how_it_ended(process: asyncio.subprocess.Process) -> str:
    code = process.returncode or 0
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
