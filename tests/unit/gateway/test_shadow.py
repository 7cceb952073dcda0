"""The shadow: no caller waits for it or fails by it, it takes on only so much, and it counts exactly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from twotier.errors import NotExplainable, UpstreamInvalid
from twotier.families.iris import FAMILY, IrisAnswer
from twotier.gateway.catalogue import Pair
from twotier.gateway.comparison import Comparison, Flip
from twotier.gateway.forwarding import DEFAULT_ALIAS, Ask, Scores, Timing
from twotier.gateway.metrics import Metrics
from twotier.gateway.shadow import Shadow
from twotier.reasons import REASONS

SMALL = [5.0, 2.0, 1.0, 4.0]
LARGE = [5.0, 2.0, 3.0, 4.0]


class Versions:
    """The champion answers `small` or `large` by the petal's length, the challenger always `large`, and it has no reasons; each can be held
    up."""

    def __init__(self) -> None:
        self.serving = Pair("log_reg_1", "log_reg_2")
        self.fault: Exception | None = None
        self.others: dict[int, str] = {}
        self.asked: list[tuple[Ask, int]] = []
        self.champion_may = asyncio.Event()
        self.challenger_may = asyncio.Event()
        self.champion_may.set()
        self.challenger_may.set()

    async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
        """See `Forward`."""
        self.asked.append((ask, len(rows)))
        if ask.version in (DEFAULT_ALIAS, self.serving.champion):
            await self.champion_may.wait()
            timing.upstream += 0.002
            answers = [IrisAnswer(output="small" if row[2] < 2 else "large") for row in rows]
            return Scores(self.serving.champion, list(answers), 0.001, self.others)
        await self.challenger_may.wait()
        if self.fault:
            raise self.fault
        if REASONS in ask.wanted:
            raise NotExplainable("it is a tree")
        timing.upstream += 0.004
        return Scores(ask.version, [IrisAnswer(output="large") for _ in rows], 0.003)

    def blocks(self) -> list[int]:
        """How many rows the challenger was asked for, call by call."""
        return [rows for ask, rows in self.asked if ask.version == self.serving.challenger]


class Scene:
    """A shadow over them."""

    def __init__(self) -> None:
        self.versions = Versions()
        self.pair: Pair | None = self.versions.serving
        self.drawn = 0.0
        self.metrics = Metrics()
        self.shadow = Shadow(self.versions, {"iris": 0.5}, lambda _family: self.pair, self.metrics, budget=60, draw=lambda: self.drawn)

    async def ask(self, *rows: list[float], version: str = DEFAULT_ALIAS, wanted: frozenset[str] = frozenset()) -> Scores:
        """A caller's call."""
        return await self.shadow.score(Ask(FAMILY, version, wanted), list(rows), time.monotonic() + 5, Timing())

    def counts(self) -> dict[str, float]:
        """Rows by their outcome, those of nought left out."""
        samples = [sample for metric in self.metrics.shadow.collect() for sample in metric.samples if sample.name.endswith("_total")]
        return {sample.labels["outcome"]: sample.value for sample in samples if sample.value}

    async def until(self, rows: int) -> Comparison:
        """What is told once that many rows were compared or failed."""
        async with asyncio.timeout(30):
            while True:
                told = self.shadow.comparison("iris")
                if told and told.rows + sum(told.failed.values()) >= rows:
                    return told
                await asyncio.sleep(0)


@pytest_asyncio.fixture(name="scene")
async def _scene() -> AsyncIterator[Scene]:
    scene = Scene()
    async with scene.shadow:
        yield scene


async def test_counts_what_both_answer(scene: Scene) -> None:
    """Each row once, with the times of both; the champion is asked once and not again."""
    await scene.ask(LARGE, SMALL, SMALL)
    await scene.ask(LARGE)
    told = await scene.until(4)

    assert ("log_reg_1", "log_reg_2", 4, 2) == (told.champion, told.challenger, told.rows, told.agreed)
    assert [Flip(champion="small", challenger="large", rows=2)] == told.flips
    assert told.model_ms and {"champion": 1, "challenger": 3} == told.model_ms.model_dump()
    assert told.upstream_ms and {"champion": 2, "challenger": 4} == told.upstream_ms.model_dump()
    assert {"agree": 2, "differ": 2} == scene.counts()
    assert 4 == len(scene.versions.asked)


async def test_only_the_share_is_compared(scene: Scene) -> None:
    """What is drawn at or above the share is not; nor is a pinned version, nor another family."""
    scene.drawn = 0.5
    await scene.ask(LARGE)
    scene.drawn = 0.4999
    await scene.ask(LARGE, LARGE)
    await scene.ask(LARGE, version="log_reg_2")

    assert (2, {"agree": 2}) == ((await scene.until(2)).rows, scene.counts())


async def test_nothing_is_compared_without_a_challenger(scene: Scene) -> None:
    """There may be none, or, just after a promotion, it may be who answered, or be one of two."""
    scene.pair = None
    await scene.ask(LARGE)
    scene.pair = Pair("log_reg_0", "log_reg_1")
    await scene.ask(LARGE)
    scene.pair = scene.versions.serving
    scene.versions.others = {1: "log_reg_0"}
    await scene.ask(LARGE, LARGE)

    assert (None, {}) == (scene.shadow.comparison("iris"), scene.counts())
    assert [] == scene.versions.blocks()


async def test_no_caller_waits_for_the_challenger(scene: Scene) -> None:
    """While it hangs, callers are answered, and what there is no room for is dropped and counted."""
    scene.versions.challenger_may.clear()
    for _ in range(12):
        assert "log_reg_1" == (await scene.ask(*[LARGE] * 100)).version
        await asyncio.sleep(0)

    assert [100] == scene.versions.blocks()
    assert {"dropped": 100} == scene.counts()

    scene.versions.challenger_may.set()
    assert 100 == (await scene.until(1100)).dropped


async def test_of_a_large_batch_some_rows_are_compared(scene: Scene) -> None:
    """Its times are not: they would be those of unequal work."""
    await scene.ask(*[LARGE] * 10_000)
    told = await scene.until(200)

    assert (200, 9800, None, None) == (told.rows, told.dropped, told.model_ms, told.upstream_ms)


async def test_reasons_are_not_asked_of_the_challenger(scene: Scene) -> None:
    """They are not compared, and it may have none; all else is asked for. Times are not told: those would be of unequal work."""
    await scene.ask(LARGE, SMALL, wanted=frozenset({"probabilities", REASONS}))
    told = await scene.until(2)

    assert (2, 1, {}, None, None) == (told.rows, told.agreed, told.failed, told.model_ms, told.upstream_ms)
    assert frozenset({"probabilities"}) == scene.versions.asked[-1][0].wanted


async def test_a_busy_gateway_takes_nothing_on(scene: Scene) -> None:
    """While many callers wait, their rows are not compared; afterwards they are again."""
    scene.versions.champion_may.clear()
    calls = [asyncio.create_task(scene.ask(LARGE)) for _ in range(40)]
    await asyncio.sleep(0)
    scene.versions.champion_may.set()
    await asyncio.gather(*calls)
    told = await scene.until(33)

    # The last 33 of them found no more than 32 others waiting.
    assert (33, 7) == (told.rows, told.dropped)


async def test_a_challenger_that_fails_is_counted(scene: Scene) -> None:
    """By the error, whatever it is; and the next rows are compared all the same."""
    scene.versions.fault = UpstreamInvalid("no")
    await scene.ask(LARGE, LARGE)
    assert {"UpstreamInvalid": 2} == (await scene.until(2)).failed
    scene.versions.fault = ZeroDivisionError()
    await scene.ask(LARGE)
    assert {"UpstreamInvalid": 2, "ZeroDivisionError": 1} == (await scene.until(3)).failed
    scene.versions.fault = None
    await scene.ask(LARGE)

    assert 1 == (await scene.until(4)).rows
    assert {"failed": 3, "agree": 1} == scene.counts()


async def test_begins_anew_with_other_versions(scene: Scene) -> None:
    """What is told is of the two versions that serve now, and of no others."""
    await scene.ask(SMALL)
    await scene.until(1)
    for serving in (Pair("log_reg_1", "log_reg_3"), Pair("log_reg_4", "log_reg_3")):
        scene.pair = scene.versions.serving = serving
        assert None is scene.shadow.comparison("iris")
        await scene.ask(LARGE)
        told = await scene.until(1)
        assert (*serving, 1, 1) == (told.champion, told.challenger, told.rows, told.agreed)


async def test_what_waited_counts_for_its_own_versions(scene: Scene) -> None:
    """Rows that were answered before a promotion are compared after it, and do not count for the versions that serve then."""
    scene.versions.challenger_may.clear()
    await scene.ask(SMALL)
    await asyncio.sleep(0)
    await scene.ask(SMALL)
    scene.pair = scene.versions.serving = Pair("log_reg_1", "log_reg_3")
    await scene.ask(LARGE)
    scene.versions.challenger_may.set()
    told = await scene.until(1)

    assert ("log_reg_3", 1, 1) == (told.challenger, told.rows, told.agreed)
    assert {"differ": 2, "agree": 1} == scene.counts()


async def test_ends_at_once_whatever_the_challenger_does() -> None:
    """A call that hangs is cancelled, and what waits is forgotten."""
    scene = Scene()
    scene.versions.challenger_may.clear()
    async with asyncio.timeout(30), scene.shadow:
        await scene.ask(LARGE)
        await scene.ask(LARGE)
        await asyncio.sleep(0)

    assert ([1], {}) == (scene.versions.blocks(), scene.counts())
