"""The way to the model servers, against real sockets that behave in every bad way there is."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests import zoo
from tests.processes import free_port
from tests.carrying import carried
from twotier.errors import NotServable, UnknownVersion, UpstreamError, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from twotier.families.iris import FAMILY
from twotier.gateway.catalogue import Catalogue
from twotier.gateway.forwarding import Ask, Scores
from twotier.gateway.metrics import Metrics
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.upstream import Upstream
from twotier.wire import Move

ROWS: list[list[Any]] = [[5.0, 2.0, 3.0, 4.0], [4.8, 3.0, 1.4, 0.1]]


@pytest.fixture(name="keeper")
def _keeper() -> Iterator[zoo.Keeper]:
    with zoo.zoo() as keeper:
        yield keeper


@pytest_asyncio.fixture(name="upstream")
async def _upstream(keeper: zoo.Keeper) -> AsyncIterator[Upstream]:
    # On a busy machine even a connection takes its time.
    async with Upstream(GatewaySettings(model_servers=[keeper.url], connect_seconds=30), Metrics()) as upstream:
        yield upstream
        # Whatever went wrong, no connection is left in use.
        assert set() == acquired(upstream)


def acquired(upstream: Upstream) -> set[Any]:
    """The connections that are in use."""
    pools = [upstream._servers.fresh, *(server._pool for server in upstream._servers.all())]
    return set().union(*(getattr(pool.connector, "_acquired") for pool in pools if pool))


async def score(upstream: Upstream, version: str = "champion", seconds: float = 30.0, rows: list[list[Any]] = ROWS) -> Scores:
    """Score the rows."""
    return await carried(upstream, Ask(FAMILY, version), rows, seconds)


async def assert_well(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """The negative control: the same call to a model server that behaves."""
    keeper.habit = zoo.well
    scores = await score(upstream)
    assert ("log_reg_1", ["Iris-virginica", "Iris-setosa"]) == (scores.version, [getattr(one, "output") for one in scores.answers])


@pytest.mark.parametrize("habit", zoo.INVALID)
async def test_an_invalid_answer_is_never_passed_on(keeper: zoo.Keeper, upstream: Upstream, habit: str) -> None:
    """Whatever is not exactly what was promised is an error, at once."""
    keeper.habit = zoo.INVALID[habit]
    with pytest.raises((UpstreamInvalid, UpstreamUnavailable)):
        await score(upstream)
    await assert_well(keeper, upstream)


@pytest.mark.parametrize("habit", zoo.UNAVAILABLE)
async def test_a_model_server_that_does_not_answer_is_unavailable(keeper: zoo.Keeper, upstream: Upstream, habit: str) -> None:
    """Broken connections and a plain refusal mean that it cannot serve now."""
    keeper.habit = zoo.UNAVAILABLE[habit]
    with pytest.raises(UpstreamUnavailable) as raised:
        await score(upstream)
    assert 1 == raised.value.retry_after
    await assert_well(keeper, upstream)


@pytest.mark.parametrize("habit", zoo.SLOW)
async def test_a_slow_answer_ends_with_the_budget(keeper: zoo.Keeper, upstream: Upstream, habit: str) -> None:
    """What does not come within the budget is not waited for."""
    keeper.habit = zoo.SLOW[habit]
    with pytest.raises(UpstreamTimeout):
        await score(upstream, seconds=0.3)
    await assert_well(keeper, upstream)


async def test_a_budget_that_is_spent_sends_nothing(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """A call that nobody waits for any more is not made."""
    with pytest.raises(UpstreamTimeout):
        await score(upstream, seconds=0)
    assert [] == keeper.asked
    await assert_well(keeper, upstream)


async def test_a_redirect_is_not_followed(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """The host that the model server points at gets no connection, let alone the rows."""
    with socket.create_server(("127.0.0.1", 0)) as target:
        target.settimeout(0.2)
        keeper.elsewhere = f"http://127.0.0.1:{target.getsockname()[1]}/score"
        keeper.habit = zoo.redirect
        with pytest.raises(UpstreamInvalid, match="status 308"):
            await score(upstream)
        with pytest.raises(TimeoutError):
            target.accept()
        socket.create_connection(target.getsockname()[:2]).close()
        target.accept()[0].close()


async def test_what_it_says_of_waiting_is_passed_on(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """The model server knows best when to come again."""
    keeper.habit = zoo.asking_to_wait
    with pytest.raises(UpstreamUnavailable) as raised:
        await score(upstream)
    assert 7 == raised.value.retry_after


@pytest.mark.parametrize(
    ("version", "error"),
    [
        ("log_reg_9", UnknownVersion),
        ("not_servable", NotServable),
        ("unknown_family", UpstreamUnavailable),
        ("expired", UpstreamTimeout),
        ("failed", UpstreamInvalid),
    ],
)
async def test_a_refusal_is_told_without_its_words(upstream: Upstream, version: str, error: type[Exception]) -> None:
    """Each refusal is the error that it means; the model server's words, which may hold paths, stay in the log."""
    for call in (score(upstream, version), upstream.card("iris", version, time.monotonic() + 30)):
        with pytest.raises(error) as raised:
            await call
        assert "secret" not in str(raised.value)


async def test_rows_that_cannot_be_scored_leave_their_neighbours_alone(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """A row with a fault is None in its place."""
    keeper.habit = zoo.scoring_all_but_the_first
    answers = (await score(upstream)).answers

    assert [None, "Iris-setosa"] == [one and getattr(one, "output") for one in answers]


async def test_the_remaining_budget_travels_with_the_rows(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """The model server is told how long the answer is wanted, and the rows come as the wire says."""
    await score(upstream, seconds=1000)
    (block,) = keeper.asked[-1].message["blocks"]

    assert ("iris", "champion", ROWS) == (block["family"], block["version"], block["rows"])
    assert 900_000 < block["budget_ms"] <= 1_000_000
    assert "accept-encoding" not in keeper.asked[-1].headers


async def test_every_row_has_its_own_budget(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """If they differ; a row whose caller is late is not sent at all, and has no answer."""
    now = time.monotonic()
    scores = await upstream.carry(Ask(FAMILY, "champion"), [*ROWS, *ROWS], lambda: [now + 1000, now - 1, now + 500, now + 1000])
    (block,) = keeper.asked[-1].message["blocks"]

    assert [ROWS[0], *ROWS] == block["rows"]
    assert [True, True, True] == [least < budget <= least + 100_000 for least, budget in zip((9e5, 4e5, 9e5), block["budget_ms"])]
    outputs = [answer and getattr(answer, "output") for answer in scores.answers]
    assert outputs[1] is None
    assert [getattr(answer, "output") for answer in (await score(upstream, rows=[ROWS[0], *ROWS])).answers] == [outputs[0], *outputs[2:]]


async def test_a_spent_budget_is_not_sent(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """Nor is any other question than for scores."""
    for ask in (score(upstream, seconds=-1), upstream.card("iris", "champion", time.monotonic() - 1)):
        with pytest.raises(UpstreamTimeout, match="before the model server could be asked"):
            await ask
    assert [] == [asked.path for asked in keeper.asked if asked.path != "/info"]
    assert (await upstream.card("iris", "champion", time.monotonic() + 30)).family == "iris"


async def test_connections_are_kept(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """A thousand calls need one connection."""
    for _ in range(50):
        await score(upstream)

    assert 1 == keeper.connections


async def test_a_call_that_raced_with_an_idle_close_is_sent_again(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """A connection that the server closes as it is used again costs no call; on a fresh one the call is not repeated."""
    keeper.habit = zoo.close_used
    for _ in range(5):
        assert "log_reg_1" == (await score(upstream)).version
    assert 7 == len(keeper.scored())

    keeper.habit = zoo.UNAVAILABLE["closes"]
    before = len(keeper.scored())
    with pytest.raises(UpstreamUnavailable):
        await score(upstream)
    # The first of the two used the connection that was left, and the second was fresh.
    assert 2 == len(keeper.scored()) - before
    with pytest.raises(UpstreamUnavailable):
        await score(upstream)
    assert 3 == len(keeper.scored()) - before


async def test_proxies_of_the_environment_are_not_used(
    keeper: zoo.Keeper, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy for the way out must not see the way in."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    await assert_well(keeper, upstream)


async def test_calls_are_counted_by_how_they_ended(keeper: zoo.Keeper) -> None:
    """The metrics tell answers from each kind of error, and that nothing is left under way."""
    metrics = Metrics()
    async with Upstream(GatewaySettings(model_servers=[keeper.url], connect_seconds=30), metrics) as upstream:
        await score(upstream)
        keeper.habit = zoo.INVALID["garbage"]
        with pytest.raises(UpstreamError):
            await score(upstream)
    text = metrics.text().decode()

    assert 'twotier_gateway_upstream_calls_total{outcome="ok",path="/score"}' in text
    assert "twotier_gateway_upstream_calls_in_flight 0.0" in text


@pytest.mark.parametrize("habit", [*zoo.INVALID, *zoo.UNAVAILABLE])
async def test_no_bad_habit_ends_the_polls(keeper: zoo.Keeper, upstream: Upstream, habit: str) -> None:
    """A poll that fails is told, what was said before is kept, and the next poll is made."""
    catalogue = Catalogue(upstream, Metrics(), poll_seconds=60)
    await catalogue._poll(keeper.url)
    keeper.sick, keeper.habit = True, ({**zoo.INVALID, **zoo.UNAVAILABLE})[habit]
    sighting = catalogue.sightings[keeper.url]
    assert sighting.problem is None and sighting.info is not None

    await catalogue._poll(keeper.url)
    assert catalogue.sightings[keeper.url].problem is not None
    assert sighting.info == catalogue.latest()[0]

    keeper.sick = False
    await catalogue._poll(keeper.url)
    assert catalogue.sightings[keeper.url].problem is None


async def test_a_fault_of_our_own_does_not_end_the_polls_either(keeper: zoo.Keeper) -> None:
    """A poll that raises what nobody foresaw is told like one that failed."""
    upstream = Upstream(GatewaySettings(model_servers=[keeper.url], connect_seconds=30), Metrics())
    catalogue = Catalogue(upstream, Metrics(), poll_seconds=60)
    await catalogue._poll(keeper.url)

    assert "the gateway failed to ask it: see the gateway's log" == catalogue.sightings[keeper.url].problem
    with pytest.raises(UpstreamUnavailable, match="no model server has said yet"):
        catalogue.latest()


async def test_a_model_server_that_is_gone_is_not_polled(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """The polls of one that is not there any more end by themselves, and leave nothing behind."""
    catalogue = Catalogue(upstream, Metrics(), poll_seconds=60)
    await catalogue._watch("http://gone")

    assert ({}, []) == (catalogue.sightings, keeper.asked)


async def test_a_card_is_asked_for_once(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """A version's card never changes, so it is kept; an alias may move, so it is asked for each time. Few are kept."""
    catalogue = Catalogue(upstream, Metrics(), poll_seconds=60)
    soon = time.monotonic() + 30
    for version in ("log_reg_1", "log_reg_1", "champion", "champion"):
        assert "log_reg_1" == (await catalogue.card("iris", version, soon)).version
    assert ["log_reg_1", "champion", "champion"] == [asked.message["version"] for asked in keeper.asked]

    catalogue._cards |= {("iris", f"old_{number}"): zoo.card("old") for number in range(300)}
    await catalogue.card("iris", "log_reg_2", soon)
    assert ("iris", "log_reg_1") not in catalogue._cards and ("iris", "log_reg_2") in catalogue._cards


MOVE = Move(family="iris", alias="champion", version="log_reg_2", who="me", why="")


async def test_a_move_that_may_have_arrived_is_not_sent_again(keeper: zoo.Keeper, upstream: Upstream) -> None:
    """Closed under a call, a kept connection ends a move and is made good for a question, which does no harm twice."""
    keeper.habit, keeper.sick = zoo.close_used, True
    soon = time.monotonic() + 30
    outcomes = []
    for call in (upstream.move, upstream.move, upstream.card):
        before = len(keeper.asked)
        try:
            await (call(MOVE, soon) if call == upstream.move else upstream.card("iris", "log_reg_1", soon))
            outcomes.append(("ok", len(keeper.asked) - before))
        except UpstreamUnavailable:
            outcomes.append(("unavailable", len(keeper.asked) - before))
    await upstream.card("iris", "log_reg_1", soon)

    # The third call is on a new connection, the fourth on the one that it has left.
    assert [("ok", 1), ("unavailable", 1), ("ok", 1)] == outcomes
    assert ["/card"] * 3 == [asked.path for asked in keeper.asked[2:]]


async def test_a_move_that_was_not_sent_is_sent_to_the_next(keeper: zoo.Keeper) -> None:
    """A model server that cannot be reached has surely not done it."""
    settings = GatewaySettings(model_servers=[f"http://127.0.0.1:{free_port()}", keeper.url], connect_seconds=30)
    async with Upstream(settings, Metrics()) as upstream:
        assert "log_reg_2" == (await upstream.move(MOVE, time.monotonic() + 30)).version
