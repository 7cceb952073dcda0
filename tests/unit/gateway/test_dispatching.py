"""Callers wait in lanes, on a real event loop; what carries their rows is a double that tells what it was given."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from structlog.contextvars import bind_contextvars, get_contextvars

from twotier.errors import Overloaded, TwotierError, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from twotier.families.iris import FAMILY, IrisAnswer
from twotier.gateway import dispatching
from twotier.gateway.dispatching import Dispatching
from twotier.gateway.forwarding import Ask, Scores, Timing
from twotier.gateway.lanes import Sizes
from twotier.gateway.metrics import Metrics

ASK = Ask(FAMILY, "champion")


class Carrier:
    """Answers each row with itself once `open` is set; it may be told to fail first."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.carried: list[tuple[Ask, list[int]]] = []
        self.names: list[str | None] = []
        """In whose name each was: that is what lines in the log say."""

        self.raises: Exception | None = None

    async def carry(self, ask: Ask, rows: Sequence[list[Any]], deadlines: Callable[[], Sequence[float]]) -> Scores:
        """See `Carry`."""
        self.carried.append((ask, [row[0] for row in rows]))
        self.names.append(get_contextvars().get("request_id"))
        await self.open.wait()
        if self.raises is not None:
            raise self.raises
        return Scores("log_reg_1", [IrisAnswer(output=str(row[0])) for row in rows], 0.001)


Score = Callable[..., Awaitable[list[str]]]


class Bench:
    """A dispatcher over a carrier."""

    def __init__(self, sizes: Sizes = Sizes(2, 8, 20), servers: int = 1) -> None:
        self.carrier = Carrier()
        self.metrics = Metrics()
        self.dispatching = Dispatching(self.carrier, sizes, lambda: servers, self.metrics)

    async def score(self, *rows: int, ask: Ask = ASK, seconds: float = 5, timing: Timing | None = None) -> list[str]:
        """Score rows; what each was answered."""
        deadline = time.monotonic() + seconds
        scores = await self.dispatching.score(ask, [[row] for row in rows], deadline, timing or Timing())
        return [getattr(answer, "output") for answer in scores.answers]

    def metric(self, line: str) -> float:
        """The value of a metric, 0 if it has none yet."""
        found = [text for text in self.metrics.text().decode().splitlines() if text.startswith(line + " ")]
        return float(found[0].split()[-1]) if found else 0.0

    def counted(self, name: str) -> dict[str, float]:
        """What a metric has counted by its reasons, so far as it has."""
        lines = re.findall(rf'^twotier_gateway_{name}_total{{reason="(\w+)"}} (.+)$', self.metrics.text().decode(), re.MULTILINE)
        return {reason: float(value) for reason, value in lines if float(value)}

    def shed(self) -> dict[str, float]:
        """Rows that were not sent, by reason."""
        return self.counted("rows_shed")


async def test_callers_of_one_moment_travel_together() -> None:
    """Rows that are read in the same turn of the event loop make one call."""
    bench = Bench()
    answers = await asyncio.gather(*(bench.score(row) for row in range(8)))
    assert [[str(row)] for row in range(8)] == answers
    assert [list(range(8))] == [rows for _, rows in bench.carrier.carried]
    assert 1 == bench.metric('twotier_gateway_rows_per_call_count{family="iris"}')
    assert 8 == bench.metric('twotier_gateway_rows_per_call_sum{family="iris"}')
    assert 8 == bench.metric("twotier_gateway_queue_seconds_count")


async def test_equal_asks_share_a_lane_and_others_do_not() -> None:
    """An answer never has fields that its caller does not want, nor comes from a version that it did not name."""
    bench = Bench()
    asks = [ASK, Ask(FAMILY, "champion"), Ask(FAMILY, "log_reg_1"), Ask(FAMILY, "champion", frozenset({"probabilities"}))]
    await asyncio.gather(*(bench.score(at, ask=ask) for at, ask in enumerate(asks)))
    assert [(asks[0], [0, 1]), (asks[2], [2]), (asks[3], [3])] == bench.carrier.carried


async def test_only_what_one_caller_has_for_itself_is_done_in_its_name() -> None:
    """Whoever else has rows in a call to the model server would find its lines in the log under another's id."""
    bench = Bench(Sizes(1, 2, 20))

    async def named(name: str, row: int) -> list[str]:
        bind_contextvars(request_id=name)
        return await bench.score(row)

    await asyncio.gather(named("a", 1), named("b", 2), named("c", 3))
    assert [([1, 2], None), ([3], "c")] == list(zip([rows for _, rows in bench.carrier.carried], bench.carrier.names, strict=True))


async def test_every_model_server_has_slots() -> None:
    """With two servers, twice as many calls are under way."""
    for servers, expected in ((1, 2), (2, 4)):
        bench = Bench(Sizes(2, 1, 20), servers)
        bench.carrier.open.clear()
        waiting = [asyncio.create_task(bench.score(row)) for row in range(10)]
        await asyncio.sleep(0.01)
        assert expected == len(bench.carrier.carried)
        assert 10 - expected == bench.metric("twotier_gateway_rows_queued")
        bench.carrier.open.set()
        await asyncio.gather(*waiting)


async def _settle() -> None:
    """Give everything that can go on its turns."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_model_server_that_has_gone_has_no_slots() -> None:
    """That is seen when a call comes back, though nobody else comes: as many go on as the others have places for."""
    there = 2
    carrier = Carrier()
    carrier.open.clear()
    dispatching = Dispatching(carrier, Sizes(1, 1, 20), lambda: there, Metrics())
    waiting = [asyncio.create_task(dispatching.score(ASK, [[row]], time.monotonic() + 5, Timing())) for row in range(4)]
    await _settle()
    assert 2 == len(carrier.carried)
    there = 1
    carrier.open.set()
    carrier.open = asyncio.Event()
    await _settle()
    assert 3 == len(carrier.carried)
    carrier.open.set()
    await asyncio.gather(*waiting)


async def test_timing_says_where_the_time_went() -> None:
    """Waiting for a slot and being carried are told apart."""
    bench = Bench(Sizes(1, 1, 20))
    bench.carrier.open.clear()
    first, second = Timing(), Timing()
    waiting = [asyncio.create_task(bench.score(1, timing=first)), asyncio.create_task(bench.score(2, timing=second))]
    await asyncio.sleep(0.05)
    bench.carrier.open.set()
    await asyncio.gather(*waiting)
    assert first.queue < first.upstream and 0.05 <= first.upstream
    assert second.upstream < second.queue and 0.05 <= second.queue
    assert 0.001 == first.model == second.model


async def test_a_late_caller_is_told_at_its_deadline() -> None:
    """Though its rows are under way, and though its neighbour goes on waiting."""
    bench = Bench()
    bench.carrier.open.clear()
    late, patient = asyncio.create_task(bench.score(1, seconds=0.03)), asyncio.create_task(bench.score(2))
    with pytest.raises(UpstreamTimeout, match="with the model server"):
        await late
    assert not patient.done()
    bench.carrier.open.set()
    assert ["2"] == await patient


async def test_rows_that_expire_in_the_queue_are_counted() -> None:
    """They are never sent."""
    bench = Bench(Sizes(1, 1, 20))
    bench.carrier.open.clear()
    first = asyncio.create_task(bench.score(1))
    await asyncio.sleep(0.01)
    with pytest.raises(UpstreamTimeout, match="none of its rows was sent"):
        await bench.score(2, 3, seconds=0.03)
    bench.carrier.open.set()
    await first
    assert [[1]] == [rows for _, rows in bench.carrier.carried]
    assert {"expired": 2} == bench.shed()


async def test_of_a_call_that_was_sent_in_part_the_rest_expires() -> None:
    """Rows that were sent were not shed; those that wait when their deadline passes are."""
    bench = Bench(Sizes(1, 2, 20))
    bench.carrier.open.clear()
    with pytest.raises(UpstreamTimeout, match="with the model server"):
        await bench.score(1, 2, 3, 4, 5, seconds=0.03)
    bench.carrier.open.set()
    await bench.score(6)
    assert [[1, 2], [6]] == [rows for _, rows in bench.carrier.carried]
    assert {"expired": 3} == bench.shed()


async def test_rows_that_come_too_late_are_counted() -> None:
    """Those whose deadline passed before they reached the lane are not sent either; those that are answered are not counted."""
    bench = Bench()
    with pytest.raises(UpstreamTimeout):
        await bench.score(1, 2, seconds=0)
    assert ["3"] == await bench.score(3)
    assert {"expired": 2} == bench.shed()


async def test_a_cancelled_caller_takes_its_rows_along() -> None:
    """They are not sent, they are counted, and its neighbours are answered."""
    bench = Bench(Sizes(1, 4, 20))
    bench.carrier.open.clear()
    first = asyncio.create_task(bench.score(1))
    await asyncio.sleep(0.01)
    leaver, neighbour = asyncio.create_task(bench.score(2, 3)), asyncio.create_task(bench.score(4))
    await asyncio.sleep(0.01)
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    bench.carrier.open.set()
    assert (["1"], ["4"]) == (await first, await neighbour)
    assert [[1], [4]] == [rows for _, rows in bench.carrier.carried]
    assert {"left": 2} == bench.shed()


async def test_a_caller_cancelled_at_the_moment_it_is_answered() -> None:
    """The answer finds nobody, and nothing breaks."""
    bench = Bench()
    bench.carrier.open.clear()
    leaver, neighbour = asyncio.create_task(bench.score(1)), asyncio.create_task(bench.score(2))
    await asyncio.sleep(0.01)
    bench.carrier.open.set()
    leaver.cancel()
    assert ["2"] == await neighbour
    with pytest.raises(asyncio.CancelledError):
        await leaver


async def test_too_many_rows_are_refused_at_once() -> None:
    """And counted; whoever waits is answered all the same."""
    bench = Bench(Sizes(1, 2, 4))
    bench.carrier.open.clear()
    waiting = [asyncio.create_task(bench.score(1, 2))]
    await asyncio.sleep(0.01)
    waiting.append(asyncio.create_task(bench.score(3, 4, 5)))
    await asyncio.sleep(0.01)
    with pytest.raises(Overloaded):
        await bench.score(6, 7)
    bench.carrier.open.set()
    assert [["1", "2"], ["3", "4", "5"]] == await asyncio.gather(*waiting)
    assert {"queue_full": 2} == bench.shed()


async def test_rows_without_hope_are_counted_apart() -> None:
    """After a call that took long for its rows, whoever is in a hurry is refused behind those who wait; a patient caller is not."""
    bench = Bench(Sizes(1, 2, 100))
    bench.carrier.open.clear()
    patient = [asyncio.create_task(bench.score(row, row, seconds=1000)) for row in range(2)]
    await asyncio.sleep(0.1)
    bench.carrier.open.set()
    await asyncio.gather(*patient)
    bench.carrier.open.clear()
    patient = [asyncio.create_task(bench.score(row, row, seconds=1000)) for row in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await bench.score(1, 2, 3, seconds=0.05)
    assert {"hopeless": 3} == bench.shed()
    bench.carrier.open.set()
    await asyncio.gather(*patient)


async def test_why_calls_were_sent_when_they_were_is_counted() -> None:
    """Into a free slot; into one that was freed; as soon as they are full; and halved, when there is a guilty row in them."""
    bench = Bench(Sizes(1, 4, 100))

    async def sent(*calls: tuple[int, ...], raises: Exception | None = None) -> dict[str, float]:
        """Send calls while one of a single row is under way; how many calls that makes, by reason."""
        before = Counter(bench.counted("dispatched"))
        bench.carrier.open.clear()
        waiting = [asyncio.create_task(bench.score(0))]
        await asyncio.sleep(0.01)
        waiting += [asyncio.create_task(bench.score(*rows)) for rows in calls]
        await asyncio.sleep(0.01)
        bench.carrier.raises = raises
        bench.carrier.open.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        return dict(Counter(bench.counted("dispatched")) - before)

    assert {"free": 1} == await sent()
    assert {"free": 1, "freed": 1} == await sent((1,), (2,))
    assert {"free": 1, "full": 1} == await sent((1, 2), (3, 4))
    assert {"free": 1, "full": 1, "freed": 1} == await sent((1, 2), (3, 4, 5))
    assert {"free": 1, "freed": 1, "halved": 2} == await sent((1,), (2,), raises=UpstreamInvalid("it broke"))


async def test_each_caller_gets_the_error_of_its_call() -> None:
    """Every one of those who travelled together, and in words that do not gather tracebacks."""
    bench = Bench()
    bench.carrier.raises = UpstreamUnavailable("it is away")
    raised = await asyncio.gather(*(bench.score(row) for row in range(5)), return_exceptions=True)
    assert [bench.carrier.raises] * 5 == raised
    assert 1 == len(bench.carrier.carried)


async def test_a_fault_of_ours_fails_nobody_else() -> None:
    """What nobody foresaw is an error of the gateway's, and the lane goes on."""
    bench = Bench()
    bench.carrier.raises = ZeroDivisionError("secret")
    with pytest.raises(TwotierError, match="the gateway failed") as raised:
        await bench.score(1)
    assert type(raised.value) is TwotierError
    bench.carrier.raises = None
    assert ["2"] == await bench.score(2)


async def test_a_guilty_caller_fails_alone() -> None:
    """A call that fails as a whole is halved until the guilty row stands alone."""
    bench = Bench(Sizes(2, 64, 100))

    async def carry(ask: Ask, rows: Sequence[list[Any]], deadlines: Callable[[], Sequence[float]]) -> Scores:
        if [13] in rows:
            raise UpstreamInvalid("the model server failed while scoring")
        return Scores("log_reg_1", [IrisAnswer(output=str(row[0])) for row in rows])

    setattr(bench.carrier, "carry", carry)
    results = await asyncio.gather(*(bench.score(row) for row in range(40)), return_exceptions=True)
    assert [13] == [at for at, result in enumerate(results) if isinstance(result, UpstreamInvalid)]
    assert [[str(at)] for at in range(40) if at != 13] == [result for result in results if isinstance(result, list)]
    assert 0 < bench.metric('twotier_gateway_dispatched_total{reason="halved"}') <= 12


class Held:
    """Carries rows once their lane may go on."""

    def __init__(self) -> None:
        self.carried: list[tuple[str, int]] = []
        self.open = {"champion": asyncio.Event(), "log_reg_1": asyncio.Event()}

    async def carry(self, ask: Ask, rows: Sequence[list[Any]], deadlines: Callable[[], Sequence[float]]) -> Scores:
        """See `Carry`."""
        self.carried.append((ask.version, len(rows)))
        await self.open[ask.version].wait()
        return Scores("log_reg_1", [IrisAnswer(output=str(row[0])) for row in rows])


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_long_call_goes_on_when_the_short_ones_of_all_lanes_are_back(leaves: bool) -> None:
    """Or when it has waited for them for as long as its own rows took, whichever comes first."""
    bench, held = Bench(Sizes(2, 8, 100)), Held()
    dispatching = Dispatching(held, Sizes(2, 8, 100), lambda: 1, bench.metrics)

    def call(rows: int, ask: Ask) -> asyncio.Task[Scores]:
        return asyncio.create_task(dispatching.score(ask, [[row] for row in range(rows)], time.monotonic() + 30, Timing()))

    long, short = call(24, ASK), call(1, Ask(FAMILY, "log_reg_1"))
    await asyncio.sleep(0.5 if leaves else 0.05)
    assert [("champion", 8), ("log_reg_1", 1)] == sorted(held.carried)
    held.open["champion"].set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert 2 == len(held.carried)
    if leaves:
        held.open["log_reg_1"].set()
        for _ in range(40):
            await asyncio.sleep(0)
        assert 3 <= len(held.carried)
    else:
        while len(held.carried) < 3:
            await asyncio.sleep(0.01)
        assert not short.done()
        held.open["log_reg_1"].set()
    assert [str(row) for row in range(24)] == [getattr(answer, "output") for answer in (await long).answers]
    assert ["0"] == [getattr(answer, "output") for answer in (await short).answers]


async def test_a_long_call_goes_on_at_once_if_there_is_no_other() -> None:
    """The negative control."""
    held = Held()
    dispatching = Dispatching(held, Sizes(2, 8, 100), lambda: 1, Metrics())
    held.open["champion"].set()
    await dispatching.score(ASK, [[row] for row in range(24)], time.monotonic() + 30, Timing())
    assert [("champion", 8)] * 3 == held.carried


async def test_names_without_end_do_not_fill_the_memory() -> None:
    """Lanes that nobody waits in are forgotten when there are many; those at work are not."""
    bench = Bench()
    bench.carrier.open.clear()
    patient = asyncio.create_task(bench.score(1))
    await asyncio.sleep(0.01)
    bench.carrier.open.set()
    for number in range(600):
        await bench.score(2, ask=Ask(FAMILY, f"log_reg_{number}"))
    assert len(bench.dispatching._lanes) <= 256
    assert ["1"] == await patient


async def test_calls_under_way_end_with_the_loop() -> None:
    """A carrier that is cancelled leaves nobody waiting."""
    bench = Bench()
    bench.carrier.open.clear()
    waiting = asyncio.create_task(bench.score(1))
    await asyncio.sleep(0.01)
    for task in list(bench.dispatching._carrying):
        task.cancel()
    with pytest.raises(UpstreamUnavailable, match="is being stopped"):
        await waiting


async def test_callers_go_on_in_turns() -> None:
    """However many rows come back together: whoever comes meanwhile waits for a few callers, and not for all."""
    callers = 5 * dispatching._AT_ONCE
    bench = Bench(Sizes(1, callers, callers))
    gone_on = list[int]()

    async def call(row: int) -> None:
        await bench.score(row)
        gone_on.append(row)

    calls = [asyncio.create_task(call(row)) for row in range(callers)]
    most = before = 0
    while before < callers:
        await asyncio.sleep(0)
        most, before = max(most, len(gone_on) - before), len(gone_on)
    await asyncio.gather(*calls)
    assert gone_on == list(range(callers))
    assert most == dispatching._AT_ONCE
    assert len(bench.carrier.carried) == 1
