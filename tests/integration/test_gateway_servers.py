"""Several model servers behind one gateway: which of them is asked, what happens to calls when one fails, and how they come and go."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests import zoo
from tests.integration.model_server_calls import PATIENCE
from tests.processes import free_port
from tests.carrying import carried
from twotier.errors import CircuitOpen, UpstreamError, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from twotier.families.iris import FAMILY
from twotier.gateway import exchange
from twotier.gateway import upstream as upstream_module
from twotier.gateway.breaker import PAUSE_SECONDS, STRIKES, State
from twotier.gateway.catalogue import Catalogue
from twotier.gateway.forwarding import Ask, Scores
from twotier.gateway.metrics import Metrics
from twotier.gateway.retrying import RESERVE
from twotier.gateway.server import MISSES
from twotier.gateway.servers import look_up
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.upstream import Upstream

ROW: list[Any] = [5.0, 2.0, 3.0, 4.0]
BROKEN = {**zoo.INVALID, **zoo.UNAVAILABLE, "gone": zoo.well}


@pytest.fixture(name="keepers")
def _keepers() -> Iterator[tuple[zoo.Keeper, zoo.Keeper]]:
    with zoo.zoo() as one, zoo.zoo() as other:
        yield one, other


@contextlib.asynccontextmanager
async def opened(*keepers: zoo.Keeper, **settings: Any) -> AsyncIterator[tuple[Upstream, Metrics]]:
    """The way to these model servers."""
    metrics = Metrics()
    # On a busy machine even a connection takes its time.
    given = GatewaySettings(model_servers=[keeper.url for keeper in keepers], connect_seconds=30, **settings)
    async with Upstream(given, metrics) as upstream:
        yield upstream, metrics


async def score(upstream: Upstream, version: str = "champion", seconds: float = 30.0) -> Scores:
    """Score one row."""
    return await carried(upstream, Ask(FAMILY, version), [ROW], seconds)


async def outcomes(*calls: Awaitable[Any]) -> list[str]:
    """How calls that are made at once end: `ok`, or the class of the error."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    return [type(one).__name__ if isinstance(one, BaseException) else "ok" for one in ended]


async def until(true: Callable[[], bool]) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.005)


async def poll(upstream: Upstream, server: str, seconds: float = 0.1) -> None:
    """Ask a model server what it serves; that it does not say so is no error here."""
    with contextlib.suppress(UpstreamError):
        await upstream.info(server, time.monotonic() + seconds)


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    """A metric's value; 0 if there is none."""
    return metrics._registry.get_sample_value(f"twotier_gateway_{name}", labels) or 0.0


# Which one is asked.


async def test_in_turn(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """Idle model servers are asked in turn."""
    async with opened(*keepers) as (upstream, _):
        for _ in range(20):
            await score(upstream)

    assert [10, 10] == [len(keeper.scored()) for keeper in keepers]


async def test_least_busy_first(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """One that has more calls under way gets none until the other has as many."""
    slow, quick = keepers
    slow.habit = zoo.hang
    async with opened(*keepers) as (upstream, _):
        calls = [asyncio.create_task(score(upstream)) for _ in range(2)]
        _, (hanging,) = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        for _ in range(20):
            await score(upstream)
        assert 2 == upstream.able()
        assert (1, 21) == (len(slow.scored()), len(quick.scored()))
        hanging.cancel()


# What is sent again.


@pytest.mark.parametrize(
    ("habit", "reason"),
    [
        ("closes", "broken_off"),
        ("resets", "broken_off"),
        ("truncated body", "broken_off"),
        ("status 503", "refused"),
        ("status 429", "refused"),
        ("gone", "connect"),
    ],
)
async def test_a_call_that_was_not_wholly_answered_goes_to_another(keepers: tuple[zoo.Keeper, zoo.Keeper], habit: str, reason: str) -> None:
    """Whatever ails one model server, every call is answered by the other, and after a few nobody tries the first one."""
    bad, good = keepers
    bad.habit = BROKEN[habit]
    if habit == "gone":
        bad.leave()
    async with opened(*keepers) as (upstream, metrics):
        assert {"ok"} == {one for _ in range(30) for one in await outcomes(score(upstream))}
        assert STRIKES == sample(metrics, "upstream_retries_total", reason=reason)
        assert 1 == upstream.able()
        assert State.OPEN == sample(metrics, "model_server_circuit", server=bad.url)
        assert State.CLOSED == sample(metrics, "model_server_circuit", server=good.url)


@pytest.mark.parametrize("habit", ["status 500", "garbage", "too few answers"])
async def test_an_answer_however_bad_is_not_asked_for_again(keepers: tuple[zoo.Keeper, zoo.Keeper], habit: str) -> None:
    """The negative control: calls that were answered invalidly fail, but a model server that only does that is soon left alone."""
    bad, _ = keepers
    bad.habit = zoo.INVALID[habit]
    async with opened(*keepers) as (upstream, _):
        ended = [one for _ in range(30) for one in await outcomes(score(upstream))]

    assert (STRIKES, STRIKES) == (len(bad.scored()), ended.count("UpstreamInvalid"))
    assert {"ok", "UpstreamInvalid"} == set(ended)


async def test_a_call_that_fells_model_servers_is_sent_to_two_at_most(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """A poisonous call must not go round all of them."""
    with zoo.zoo() as third:
        for keeper in (*keepers, third):
            keeper.habit = zoo.UNAVAILABLE["closes"]
        async with opened(*keepers, third) as (upstream, _):
            with pytest.raises(UpstreamUnavailable, match="broke the connection off"):
                await score(upstream)

        assert [1, 1, 0] == [len(keeper.scored()) for keeper in (*keepers, third)]


async def test_a_lone_model_server_is_not_asked_twice(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """With nobody else to ask, what one model server could not do fails."""
    bad, _ = keepers
    bad.habit = zoo.UNAVAILABLE["closes"]
    async with opened(bad) as (upstream, _):
        assert ["UpstreamUnavailable"] == await outcomes(score(upstream))

    assert 1 == len(bad.scored())


@pytest.mark.parametrize(("passing", "expected"), [(0.0, "ok"), (50.0, "ok"), (100.0, "UpstreamTimeout"), (200.0, "UpstreamTimeout")])
async def test_there_is_no_second_attempt_after_the_deadline(
    keepers: tuple[zoo.Keeper, zoo.Keeper], monkeypatch: pytest.MonkeyPatch, passing: float, expected: str
) -> None:
    """Of a hundred seconds, so many pass until the first model server breaks off: the second one is asked if there are some left."""
    first, second = keepers
    ahead = 0.0

    async def break_off_later(keeper: zoo.Keeper, asked: zoo.Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal ahead
        ahead = passing
        await zoo.UNAVAILABLE["closes"](keeper, asked, writer)

    first.habit = break_off_later
    for module in (exchange, upstream_module):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead))
    async with opened(*keepers) as (upstream, _):
        assert [expected] == await outcomes(score(upstream, seconds=100))

    assert (1, expected == "ok") == (len(first.scored()), len(second.scored()))
    # Each is told how much time is left, and scores nothing for a caller who will be gone.
    left = [asked.message["blocks"][0]["budget_ms"] / 1000 for asked in (*first.scored(), *second.scored())]
    assert all(100 - passed - 25 < seconds <= 100 - passed for passed, seconds in zip((0, passing), left, strict=False))


async def test_a_second_attempt_leaves_out_rows_that_nobody_waits_for(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """Of three callers one leaves and one is late while the first model server breaks off: the second one is asked for the third's row."""
    first, second = keepers
    first.habit = zoo.UNAVAILABLE["closes"]
    patient, times = time.monotonic() + 30, 0

    def deadlines() -> list[float]:
        nonlocal times
        times += 1
        return [patient] * 3 if times == 1 else [0.0, patient, time.monotonic() - 1]

    rows = [[1.0, 2.0, 3.0, 4.0], ROW, [4.0, 3.0, 2.0, 1.0]]
    async with opened(*keepers) as (upstream, _):
        scores = await upstream.carry(Ask(FAMILY, "champion"), rows, deadlines)
    assert ([rows], [[ROW]]) == ([asked.rows for asked in first.scored()], [asked.rows for asked in second.scored()])
    assert [False, True, False] == [answer is not None for answer in scores.answers]


async def test_there_is_no_second_attempt_if_nobody_waits_any_more(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """However long they would have waited."""
    first, second = keepers
    first.habit = zoo.UNAVAILABLE["closes"]
    left = iter([time.monotonic() + 30, 0.0])
    async with opened(*keepers) as (upstream, _):
        with pytest.raises(UpstreamTimeout):
            await upstream.carry(Ask(FAMILY, "champion"), [ROW], lambda: [next(left)])
    assert (1, 0) == (len(first.scored()), len(second.scored()))


async def test_there_is_no_second_attempt_after_a_deadline_that_passed_meanwhile(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """The same by the clock on the wall: the first model server breaks off once its caller has been told that it is too late."""
    first, second = keepers
    told = threading.Event()

    async def break_off_when_told(keeper: zoo.Keeper, asked: zoo.Asked, writer: asyncio.StreamWriter) -> None:
        while not told.is_set():
            await asyncio.sleep(0.02)
        await zoo.UNAVAILABLE["closes"](keeper, asked, writer)

    first.habit = break_off_when_told
    async with opened(*keepers) as (upstream, _):
        assert ["UpstreamTimeout"] == await outcomes(score(upstream, seconds=0.3))
        told.set()
        await until(lambda: not first.open)
        assert [] == second.scored()
        assert ["ok"] == await outcomes(score(upstream))


@pytest.mark.parametrize(("share", "expected"), [(0.1, ["ok"] * 8), (0.0, ["UpstreamUnavailable"] * 8)], ids=["with retries", "without"])
async def test_a_retry_uses_a_fresh_connection(keepers: tuple[zoo.Keeper, zoo.Keeper], share: float, expected: list[str]) -> None:
    """With a pool full of connections that are all about to be closed by the model server, no call is lost; without retries, all are."""
    keeper, _ = keepers
    keeper.habit, keeper.delay = zoo.close_used, 0.1
    async with opened(keeper, retry_share=share) as (upstream, metrics):
        assert ["ok"] * 8 == await outcomes(*(score(upstream) for _ in range(8)))
        assert 8 == keeper.connections
        assert expected == await outcomes(*(score(upstream) for _ in range(8)))
        assert expected.count("ok") == sample(metrics, "upstream_retries_total", reason="idle_close")
        assert 8 + expected.count("ok") == keeper.connections
        # Nothing of that speaks against the model server.
        assert State.CLOSED == sample(metrics, "model_server_circuit", server=keeper.url)


async def test_retries_have_a_budget(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """A storm of failures costs the reserve, and then a tenth of the calls; the rest are answered by the first error."""
    keeper, _ = keepers
    keeper.habit = zoo.close_used
    async with opened(keeper) as (upstream, metrics):
        ended = [one for _ in range(400) for one in await outcomes(score(upstream))]
        retries = sample(metrics, "upstream_retries_total", reason="idle_close")

    assert {"ok", "UpstreamUnavailable"} == set(ended)
    assert RESERVE + 38 <= retries <= RESERVE + 40


# When it is left alone.


async def test_a_failing_model_server_is_left_alone(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """After a few failures calls are answered without asking; after the pause one call tries it, and then all go there again."""
    keeper, _ = keepers
    keeper.habit = zoo.INVALID["status 500"]
    async with opened(keeper) as (upstream, _):
        assert ["UpstreamInvalid"] * STRIKES == [one for _ in range(STRIKES) for one in await outcomes(score(upstream))]
        with pytest.raises(CircuitOpen) as raised:
            await score(upstream)
        assert (1, STRIKES) == (raised.value.retry_after, len(keeper.scored()))

        await asyncio.sleep(PAUSE_SECONDS)
        keeper.habit, keeper.delay = zoo.well, 0.2
        ended = await outcomes(*(score(upstream) for _ in range(5)))
        assert ["ok", *["CircuitOpen"] * 4] == ended
        assert ["ok"] * 5 == await outcomes(*(score(upstream) for _ in range(5)))


@pytest.mark.parametrize("version", ["log_reg_9", "not_servable", "unknown_family", "expired", "failed"])
async def test_refusals_are_answers(keepers: tuple[zoo.Keeper, zoo.Keeper], version: str) -> None:
    """A model server that refuses what it is asked is sound, however often it must."""
    keeper, _ = keepers
    async with opened(keeper) as (upstream, _):
        ended = {one for _ in range(3 * STRIKES) for one in await outcomes(score(upstream, version))}
        assert "ok" not in ended and "CircuitOpen" not in ended
        assert ["ok"] == await outcomes(score(upstream))


async def test_hurried_callers_do_not_speak_against_it(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """However many callers give it no time: that is theirs. A silence that is long by any measure is another matter."""
    keeper, _ = keepers
    keeper.habit = zoo.hang
    async with opened(keeper) as (upstream, _):
        assert {"UpstreamTimeout"} == set(await outcomes(*(score(upstream, seconds=0.2) for _ in range(3 * STRIKES))))
        assert {"UpstreamTimeout"} == set(await outcomes(*(score(upstream, seconds=1.1) for _ in range(STRIKES))))
        assert ["CircuitOpen"] == await outcomes(score(upstream))


async def test_connections_that_are_slow_to_make(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """It may be the gateway itself, or a crowd of callers, that takes the time: a lone model server is asked again and again, and left
    alone only if there is another. A connection that is refused is another matter.
    """
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # The system lets in one more than the backlog says, and has others wait.
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        async with Upstream(GatewaySettings(model_servers=[url], connect_seconds=0.05), Metrics()) as upstream:
            assert {"UpstreamUnavailable"} == {one for _ in range(3 * STRIKES) for one in await outcomes(score(upstream))}
        # The other one has to be reached in that time.
        both = GatewaySettings(model_servers=[url, keepers[0].url], connect_seconds=0.3)
        metrics = Metrics()
        async with Upstream(both, metrics) as upstream:
            assert {"ok"} == {one for _ in range(3 * STRIKES) for one in await outcomes(score(upstream))}
        assert State.OPEN == sample(metrics, "model_server_circuit", server=url)
    async with Upstream(GatewaySettings(model_servers=[url]), Metrics()) as upstream:
        assert {"UpstreamUnavailable", "CircuitOpen"} == {one for _ in range(3 * STRIKES) for one in await outcomes(score(upstream))}


async def test_a_slow_model_does_not_speak_against_it(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """While a model server answers others, calls that it is too slow for are no sign that it is down."""

    async def slow_2(keeper: zoo.Keeper, asked: zoo.Asked, writer: asyncio.StreamWriter) -> None:
        await (zoo.hang if asked.message["blocks"][0]["version"] == "log_reg_2" else zoo.well)(keeper, asked, writer)

    keeper, _ = keepers
    keeper.habit = slow_2
    async with opened(keeper) as (upstream, _):
        slow = asyncio.create_task(outcomes(*(score(upstream, "log_reg_2", seconds=1.5) for _ in range(3 * STRIKES))))
        while not slow.done():
            assert ["ok"] == await outcomes(score(upstream))
            await asyncio.sleep(0.05)
        assert {"UpstreamTimeout"} == set(slow.result())
        assert ["ok"] == await outcomes(score(upstream))


# When it does not answer polls.


async def test_calls_are_moved_from_one_that_hangs(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """Calls that wait for a model server that no longer answers polls are answered by another; it gets no more, until it answers again."""
    bad, good = keepers
    bad.sick, bad.habit = True, zoo.hang
    async with opened(*keepers) as (upstream, metrics):
        calls = [asyncio.create_task(score(upstream)) for _ in range(8)]
        await until(lambda: 4 == len(bad.scored()) == len(good.scored()))
        for _ in range(MISSES):
            assert 4 == len(bad.scored())
            await poll(upstream, bad.url)
        assert ["ok"] * 8 == await outcomes(*calls)
        assert 4 == sample(metrics, "upstream_retries_total", reason="given_up")

        assert ["ok"] * 8 == await outcomes(*(score(upstream) for _ in range(8)))
        assert 4 == len(bad.scored())
        bad.sick, bad.habit = False, zoo.well
        await poll(upstream, bad.url, 10)
        assert ["ok"] * 8 == await outcomes(*(score(upstream) for _ in range(8)))
        assert 4 < len(bad.scored())


async def test_a_lone_one_that_hangs_keeps_its_calls(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """With nowhere to move them to, calls wait on, as the model server may be back in time; new ones are refused at once."""
    keeper, _ = keepers
    keeper.sick, keeper.habit = True, zoo.hang
    async with opened(keeper) as (upstream, _):
        waiting = asyncio.create_task(score(upstream, seconds=1.5))
        await until(lambda: 1 == len(keeper.scored()))
        for _ in range(2 * MISSES):
            await poll(upstream, keeper.url)
        assert ["CircuitOpen"] == await outcomes(score(upstream))
        with pytest.raises(UpstreamTimeout):
            await waiting


async def test_calls_are_moved_once_there_is_somewhere_to_move_them(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """If the other model server is down as well at first, its return helps those that wait."""
    bad, other = keepers
    bad.sick, bad.habit = True, zoo.hang
    async with opened(*keepers) as (upstream, _):
        other.leave()
        for _ in range(MISSES):
            await poll(upstream, other.url)
        waiting = asyncio.create_task(score(upstream))
        await until(lambda: 1 == len(bad.scored()))
        for _ in range(2 * MISSES):
            await poll(upstream, bad.url)
        assert not waiting.done()

        other.listen()
        await poll(upstream, other.url, 10)
        await poll(upstream, bad.url)
        assert "log_reg_1" == (await waiting).version


async def test_one_that_answers_calls_is_not_down(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """A busy model server may be late with what it is asked by polls; as long as it answers calls, it gets them."""

    async def scores_only(keeper: zoo.Keeper, asked: zoo.Asked, writer: asyncio.StreamWriter) -> None:
        await (zoo.hang if asked.path == "/info" else zoo.well)(keeper, asked, writer)

    keeper, _ = keepers
    keeper.sick, keeper.habit = True, scores_only
    async with opened(keeper) as (upstream, _):
        for _ in range(3 * MISSES):
            await poll(upstream, keeper.url)
            assert ["ok"] == await outcomes(score(upstream))


async def test_a_bad_answer_to_a_poll_is_an_answer(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """A model server that cannot say what it serves may score all the same."""
    keeper, _ = keepers
    keeper.sick = True
    async with opened(keeper) as (upstream, _):
        for _ in range(2 * MISSES):
            keeper.habit = zoo.INVALID["status 500"]
            with pytest.raises(UpstreamInvalid):
                await upstream.info(keeper.url, time.monotonic() + 10)
        keeper.habit = zoo.well
        assert ["ok"] == await outcomes(score(upstream))


# How they come and go.


class Names:
    """Stands for the system's names: each has the addresses that it is given."""

    def __init__(self, **addresses: list[str]) -> None:
        self.addresses = addresses

    async def __call__(self, host: str, port: int) -> list[str]:
        if host not in self.addresses:
            raise OSError("no such name")
        return self.addresses[host]


@contextlib.asynccontextmanager
async def by_name(names: Names, url: str) -> AsyncIterator[tuple[Upstream, Metrics, Catalogue]]:
    """The way to the model servers of a name, and what they serve."""
    metrics = Metrics()
    settings = GatewaySettings(model_servers=[url], resolve_seconds=0.05, poll_seconds=0.05, connect_seconds=30)
    async with Upstream(settings, metrics, names) as upstream, Catalogue(upstream, metrics, settings.poll_seconds) as catalogue:
        yield upstream, metrics, catalogue


@pytest.fixture(name="alike")
def _alike() -> Iterator[tuple[zoo.Keeper, zoo.Keeper]]:
    """Model servers with the same port and different addresses."""
    with zoo.zoo() as one, zoo.zoo("127.0.0.2", one.port) as other:
        yield one, other


async def test_each_address_of_a_name_is_a_model_server(alike: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """Calls go to all of them in turn, under the name that they share."""
    url = f"http://model.test:{alike[0].port}"
    async with by_name(Names(**{"model.test": ["127.0.0.1", "127.0.0.2"]}), url) as (upstream, _, catalogue):
        for _ in range(10):
            await score(upstream)
        assert (f"{url} at 127.0.0.1", f"{url} at 127.0.0.2") == upstream.servers
        await until(lambda: [None, None] == [seen.problem for seen in catalogue.sightings.values()])

    assert [5, 5] == [len(keeper.scored()) for keeper in alike]
    assert {url.removeprefix("http://")} == {asked.headers["host"] for keeper in alike for asked in keeper.asked}


async def test_model_servers_come_and_go_with_their_addresses(alike: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """A new address gets calls; one that is taken away gets no more, finishes those that it has, and leaves no trace in the metrics."""
    one, other = alike
    names = Names(**{"model.test": ["127.0.0.1"]})
    url = f"http://model.test:{one.port}"
    async with by_name(names, url) as (upstream, metrics, catalogue):
        one.held = True
        under_way = asyncio.create_task(score(upstream))
        await until(lambda: 1 == len(one.scored()))
        names.addresses["model.test"] = ["127.0.0.2"]
        await until(lambda: 2 == len(upstream.servers))
        assert ["ok"] * 5 == await outcomes(*(score(upstream) for _ in range(5)))
        assert (1, 5) == (len(one.scored()), len(other.scored()))
        one.held = False
        assert "log_reg_1" == (await under_way).version
        await until(lambda: [f"{url} at 127.0.0.2"] == list(catalogue.sightings))

        text = metrics.text().decode()
        assert f'model_server_up{{server="{url} at 127.0.0.2"}}' in text
        assert "127.0.0.1" not in text
        await until(lambda: not one.open)


async def test_a_name_that_is_lost_keeps_its_addresses(alike: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """While names cannot be looked up, what was found before is asked."""
    names = Names(**{"model.test": ["127.0.0.1"]})
    async with by_name(names, f"http://model.test:{alike[0].port}") as (upstream, _, _):
        there = upstream.servers
        names.addresses.clear()
        for _ in range(10):
            await asyncio.sleep(0.02)
            assert ["ok"] == await outcomes(score(upstream))
        assert there == upstream.servers


async def test_a_name_that_is_not_there_yet_is_waited_for(alike: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """Until a name has an address it is named itself as what is missing, and calls are refused."""
    names = Names()
    url = f"http://model.test.invalid:{alike[0].port}"
    async with by_name(names, url) as (upstream, _, catalogue):
        assert (url,) == upstream.servers
        with pytest.raises(UpstreamUnavailable):
            await score(upstream)
        await until(lambda: "the model server could not be reached" == catalogue.sightings[url].problem)

        names.addresses["model.test.invalid"] = ["127.0.0.1"]
        await until(lambda: [f"{url} at 127.0.0.1"] == list(catalogue.sightings))
        assert ["ok"] == await outcomes(score(upstream))


async def test_names_are_looked_up_as_the_system_does(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """`localhost` is in every machine's own table."""
    assert "127.0.0.1" in await look_up("localhost", 80)
    async with Upstream(GatewaySettings(model_servers=[f"http://localhost:{keepers[0].port}"], connect_seconds=30), Metrics()) as upstream:
        assert f"http://localhost:{keepers[0].port} at 127.0.0.1" in upstream.servers
        assert ["ok"] * 4 == [one for _ in range(4) for one in await outcomes(score(upstream))]


async def test_addresses_of_both_kinds() -> None:
    """An IPv6 address is one as well, and a URL without a port has its scheme's."""
    names = Names(**{"model.test": ["::1"]})
    for url, at in (("http://model.test", "[::1]:80"), ("https://model.test", "[::1]:443"), ("http://[::1]:1", None)):
        async with Upstream(GatewaySettings(model_servers=[url]), Metrics(), names) as upstream:
            (server,) = upstream._servers.all()
            assert url.split(":")[0] + f"://{at}" == server._place.url if at else url == server._place.url


async def test_a_model_server_that_is_gone_costs_no_call_if_there_is_another(keepers: tuple[zoo.Keeper, zoo.Keeper]) -> None:
    """A call that could not be sent goes to the next model server; with all of them gone it is unavailable."""
    gone = f"http://127.0.0.1:{free_port()}"
    async with Upstream(GatewaySettings(model_servers=[gone, keepers[0].url], connect_seconds=30), Metrics()) as upstream:
        for _ in range(4):
            assert "log_reg_1" == (await score(upstream)).version
    async with Upstream(GatewaySettings(model_servers=[gone]), Metrics()) as upstream:
        with pytest.raises(UpstreamUnavailable, match="could not be reached"):
            await score(upstream)
