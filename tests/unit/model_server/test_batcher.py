"""Calls are merged while a batch is being scored, and never wait for a timer."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from bentoml._internal.marshal.dispatcher import CorkDispatcher

from twotier.model_server.batcher import Batcher


class Bench:
    """A dispatcher before a scorer that says each number again, once it may."""

    def __init__(self, made: Callable[[CorkDispatcher[Any, Any]], CorkDispatcher[Any, Any]] = Batcher, most: int = 64) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.call = made(CorkDispatcher(60_000, most, fallback=lambda: "left", get_batch_size=len))(self.score)

    async def score(self, calls: Sequence[list[int]]) -> list[Any]:
        """Each call is a list of numbers; none of those that come with 13 can be scored."""
        self.batches.append([number for call in calls for number in call])
        await self.open.wait()
        if [13] in calls:
            raise ArithmeticError("thirteen")
        return list(calls)

    async def ask(self, *numbers: int) -> list[asyncio.Task[Any]]:
        """Send one call for each, and see to it that they have arrived."""
        tasks = [asyncio.ensure_future(self.call([number])) for number in numbers]
        for _ in range(10):
            await asyncio.sleep(0)
        return tasks


async def test_what_comes_while_a_batch_is_scored_is_the_next_one() -> None:
    """A lone call goes at once, and those after it together."""
    bench = Bench()
    first, others = await bench.ask(0), [*await bench.ask(1), *await bench.ask(2, 3)]
    assert [[0]] == bench.batches
    bench.open.set()
    assert [[0], [1], [2], [3]] == await asyncio.gather(*first, *others)
    assert [[0], [1, 2, 3]] == bench.batches


async def test_batches_are_bounded() -> None:
    """What has no place in one is in the next."""
    bench = Bench(most=4)
    bench.open.set()
    assert [[number] for number in range(10)] == await asyncio.gather(*await bench.ask(*range(10)))
    assert [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] == bench.batches


async def test_a_call_that_leaves_has_its_neighbours_answered() -> None:
    """Be it that it waits or that it is being scored."""
    bench = Bench()
    calls = [*await bench.ask(0, 1), *await bench.ask(2, 3)]
    calls[0].cancel()
    calls[2].cancel()
    bench.open.set()
    assert ["left", [1], "left", [3]] == await asyncio.gather(*calls)


async def test_a_batch_that_fails_is_not_the_last() -> None:
    """Its calls fail; those after it are answered."""
    bench = Bench()
    bad, good = await bench.ask(12, 13), await bench.ask(14)
    bench.open.set()
    failed = await asyncio.gather(*bad, return_exceptions=True)
    assert [ArithmeticError, ArithmeticError] == list(map(type, failed))
    assert [14] == await good[0]


async def test_not_even_a_panic_is_the_last() -> None:
    """What is no Exception, as of a library in another language, ends its batch alone."""

    class Panic(BaseException):
        """As of a library."""

    bench = Bench()
    original = bench.score
    panicked: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: panicked.append(context["exception"]))

    async def score(calls: Sequence[list[int]]) -> list[Any]:
        if [13] in calls:
            raise Panic
        return await original(calls)

    bench.call = Batcher(CorkDispatcher(60_000, 64, fallback=lambda: "left", get_batch_size=len))(score)
    bench.open.set()
    bad = await bench.ask(13)
    assert ["left"] == await asyncio.gather(*bad)
    assert [[14]] == await asyncio.gather(*await bench.ask(14))
    gc.collect()
    assert [Panic] == list(map(type, panicked))


async def timers(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> int:
    """How many are set while a call waits for the one before it."""
    loop, calls = asyncio.get_running_loop(), await bench.ask(1)
    set_ones: list[float] = []
    original = loop.call_later

    def call_later(delay: float, *rest: Any, **others: Any) -> asyncio.TimerHandle:
        set_ones.append(delay)
        return original(delay, *rest, **others)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "call_later", call_later)
        calls += await bench.ask(2)
        bench.open.set()
        assert [[1], [2]] == await asyncio.gather(*calls)
    return len(set_ones)


async def test_no_timer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the batch before is what is waited for."""
    assert 0 == await timers(monkeypatch, Bench())


async def test_bentomls_own_waits_for_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: it looks again and again."""
    assert 0 < await timers(monkeypatch, Bench(lambda theirs: theirs))
