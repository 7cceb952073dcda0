"""The supervisor, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from tests.processes import free_port
from twotier.cli.supervisor import Service, StartFailed, Supervisor


class Stage:
    """Two stand-ins, `back` and `front`, and a supervisor over them that says what it does."""

    def __init__(self, folder: Path, **behaviours: str) -> None:
        self.diary = folder / "diary"
        self.said: list[str] = []
        self.services = [self._service(name, behaviours.get(name, "serves")) for name in ("back", "front")]

    def _service(self, name: str, behaviour: str) -> Service:
        port = free_port()
        command = (sys.executable, "-m", "tests.integration.stand_in", name, str(port), str(self.diary), behaviour)
        return Service(name, command, {}, f"http://127.0.0.1:{port}/readyz")

    def supervisor(self, **options: float) -> Supervisor:
        """A supervisor in a hurry."""
        return Supervisor(self.services, self.said.append, **{"stop_seconds": 20.0, **options}, pauses=(0.01, 0.02))

    async def play(self, scene: Callable[[], Awaitable[None]], **options: float) -> None:
        """Run until ready, play the scene, which must end it, and return when all has stopped."""
        ready = asyncio.Event()
        running = asyncio.create_task(self.supervisor(**options).run(ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if ready.is_set():
            await scene()
        await running

    @property
    def events(self) -> list[str]:
        """What happened to the stand-ins."""
        return self.diary.read_text().splitlines()

    async def process_id(self, name: str, other_than: int = 0) -> int:
        """The id under which a stand-in answers, once it is another than the one given."""
        (service,) = (service for service in self.services if service.name == name)
        while True:
            try:
                answer = await asyncio.to_thread(lambda: urllib.request.urlopen(service.ready_url, timeout=5).read())
            except OSError:
                answer = b"0"
            if int(answer) not in (0, other_than):
                return int(answer)
            await asyncio.sleep(0.01)


async def _send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
async def test_an_orderly_stop(tmp_path: Path, number: signal.Signals) -> None:
    """A signal ends the last service first, waits for it, then ends the first one: each gets one SIGTERM."""
    stage = Stage(tmp_path)

    await stage.play(lambda: _send(number))

    assert {"back started", "front started"} == set(stage.events[:2])
    assert ["front SIGTERM", "front ended", "back SIGTERM", "back ended"] == stage.events[2:]
    assert ["stopping"] == stage.said


async def test_hang_up_stays_ignored(tmp_path: Path) -> None:
    """Under nohup, SIGHUP does not stop it; SIGTERM does."""
    stage = Stage(tmp_path)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def scene() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.05)
        assert [] == stage.said
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        await stage.play(scene)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert ["stopping"] == stage.said


async def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    """A killed process is replaced, and again; the other one is left alone; pauses grow while deaths follow each other."""
    stage = Stage(tmp_path)

    async def scene() -> None:
        neighbour = await stage.process_id("back")
        first = await stage.process_id("front")
        os.kill(first, signal.SIGKILL)
        second = await stage.process_id("front", other_than=first)
        os.kill(second, signal.SIGTERM)
        await stage.process_id("front", other_than=second)
        assert neighbour == await stage.process_id("back")
        await _send(signal.SIGTERM)

    await stage.play(scene)

    assert [
        "the front was ended by SIGKILL: starting it again in 0.01 s",
        "the front ended with code 0: starting it again in 0.02 s",
        "stopping",
    ] == stage.said


async def test_a_steady_process_starts_its_pauses_anew(tmp_path: Path) -> None:
    """Deaths far apart are not held against a process: each is followed by the shortest pause."""
    stage = Stage(tmp_path)

    async def scene() -> None:
        first = await stage.process_id("front")
        os.kill(first, signal.SIGKILL)
        second = await stage.process_id("front", other_than=first)
        os.kill(second, signal.SIGKILL)
        await stage.process_id("front", other_than=second)
        await _send(signal.SIGTERM)

    await stage.play(scene, steady_seconds=0.0)

    assert ["the front was ended by SIGKILL: starting it again in 0.01 s"] * 2 == stage.said[:2]


@pytest.mark.parametrize("name", ["back", "front"])
async def test_a_process_that_dies_at_the_start(tmp_path: Path, name: str) -> None:
    """A process that dies while it starts ends everything, with the reason; nothing is left running."""
    stage = Stage(tmp_path, **{name: "dies"})
    # Other tests' servers may run for the whole session.
    others = psutil.Process().children()

    with pytest.raises(StartFailed, match=f"the {name} ended with code 3 while it started"):
        await stage.play(lambda: _send(signal.SIGTERM))

    assert [f"{name} started"] == [event for event in stage.events if event.startswith(name)]
    assert others == psutil.Process().children()


async def test_a_process_that_never_gets_ready(tmp_path: Path) -> None:
    """A process that is not ready in time ends everything, with the address that says why."""
    stage = Stage(tmp_path, back="unready")

    with pytest.raises(StartFailed, match=r"the back was not ready within 0\.5 s: .* http://127\.0\.0\.1:\d+/readyz"):
        await stage.play(lambda: _send(signal.SIGTERM), start_seconds=0.5)


async def test_a_process_that_does_not_end_is_killed(tmp_path: Path) -> None:
    """A process that ignores SIGTERM is killed when its time is over, and the other one still ends in order."""
    stage = Stage(tmp_path, front="deaf")

    await stage.play(lambda: _send(signal.SIGTERM), stop_seconds=0.2)

    assert ["front SIGTERM", "back SIGTERM", "back ended"] == stage.events[2:]
    assert ["stopping", "the front did not end within 0.2 s: killing it"] == stage.said


async def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    """A second Ctrl-C kills at once what is still there."""
    stage = Stage(tmp_path, front="deaf", back="deaf")

    async def scene() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while "front SIGTERM" not in stage.events:
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    await stage.play(scene, stop_seconds=3600.0)

    assert ["front SIGTERM"] == stage.events[2:]


async def test_a_stop_during_the_start(tmp_path: Path) -> None:
    """A signal before everything is ready ends what was started."""
    stage = Stage(tmp_path, front="unready")
    running = asyncio.create_task(stage.supervisor().run(lambda: pytest.fail("it was never ready")))
    while not stage.diary.exists() or len(stage.events) < 2:
        await asyncio.sleep(0.01)

    await _send(signal.SIGTERM)
    await running

    assert ["stopping"] == stage.said
