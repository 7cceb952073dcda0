"""Many callers of one gateway process, merged on their way to a model server: each gets its own answer or its own problem."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import zoo
from tests.asking import JSON, Answered, post, timing
from tests.integration.model_server_calls import PATIENCE, eventually, metric
from tests.processes import Tier, gateway

BAD = 13.0
"""A petal of this length cannot be scored."""


def flower(length: float) -> dict[str, float]:
    """A flower with a petal of this length."""
    return {"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": length, "PetalWidthCm": 4}


async def echo(keeper: zoo.Keeper, asked: zoo.Asked, writer: Any) -> None:
    """Answer each row with its petal's length; the bad row has a fault."""
    await keeper.pause()
    faults = [{"row": at, "detail": "no"} for at, row in enumerate(asked.rows) if row[2] == BAD]
    answers = [None if row[2] == BAD else {"output": str(row[2])} for row in asked.rows]
    zoo.send(writer, json.dumps([{"version": "log_reg_1", "answers": answers, "faults": faults, "model_ms": 0.25}]))


async def break_down(keeper: zoo.Keeper, asked: zoo.Asked, writer: Any) -> None:
    """Fail as a whole whenever the bad row is among the rows."""
    if any(row[2] == BAD for row in asked.rows):
        zoo.send(writer, "{}", "500 Internal Server Error")
    else:
        await echo(keeper, asked, writer)


@pytest.fixture(name="keeper")
def _keeper() -> Iterator[zoo.Keeper]:
    with zoo.zoo() as keeper:
        keeper.habit = echo
        yield keeper


@pytest.fixture(name="start")
def _start(keeper: zoo.Keeper, tmp_path: Path) -> Iterator[Callable[..., Tier]]:
    with contextlib.ExitStack() as stack:

        def start(**environment: str) -> Tier:
            tier = stack.enter_context(gateway(keeper.url, tmp_path / "log", None, **environment))
            tier.wait_ready()
            return tier

        yield start


def merged(keeper: zoo.Keeper, tier: Tier, pool: ThreadPoolExecutor, lengths: list[float]) -> list[Future[Answered]]:
    """Send one flower per caller while two calls hold both slots, so that all the others wait and then travel together."""
    keeper.held = True
    holding = [pool.submit(post, tier.url + "/iris/predict", flower(1)) for _ in range(2)]
    assert eventually(lambda: len(keeper.scored()) >= 1)
    time.sleep(0.1)
    holding.append(pool.submit(post, tier.url + "/iris/predict", flower(1)))
    calls = [pool.submit(post, tier.url + "/iris/predict", flower(length)) for length in lengths]
    # The call that asks for the metrics is one of those in flight.
    assert eventually(lambda: metric(tier.url, "twotier_gateway_requests_in_flight ") == len(holding) + len(lengths) + 1)
    keeper.held = False
    assert {200} == {call.result().status for call in holding}
    return calls


@pytest.mark.parametrize("habit", [echo, break_down], ids=["says which", "breaks down"])
def test_one_bad_row_among_forty_callers(keeper: zoo.Keeper, start: Callable[..., Tier], habit: zoo.Habit) -> None:
    """Thirty-nine are answered, each with its own, and the fortieth alone has a problem."""
    tier = start()
    keeper.habit = habit
    lengths = [float(at) if at != 13 else BAD for at in range(2, 42)]
    with ThreadPoolExecutor(50) as pool:
        calls = merged(keeper, tier, pool, lengths)
        answered = {length: call.result() for length, call in zip(lengths, calls, strict=True)}
    bad = answered.pop(BAD)
    assert (422 if habit is echo else 502) == bad.status
    assert [(200, str(length)) for length in answered] == [(one.status, one.json["output"]) for one in answered.values()]
    assert max(len(asked.rows) for asked in keeper.scored()) >= 20


def test_forty_good_rows(keeper: zoo.Keeper, start: Callable[..., Tier]) -> None:
    """The negative control: with no bad row, nobody has a problem and nothing is sent twice."""
    tier = start()
    lengths = [float(at) for at in range(20, 60)]
    with ThreadPoolExecutor(50) as pool:
        calls = merged(keeper, tier, pool, lengths)
        assert [(200, str(length)) for length in lengths] == [(call.result().status, call.result().json["output"]) for call in calls]
    assert len(lengths) == sum(row[2] != 1 for asked in keeper.scored() for row in asked.rows)
    assert metric(tier.url, 'twotier_gateway_rows_per_call_sum{family="iris"}') == len(lengths) + 3


def test_who_leaves_is_not_sent_and_its_neighbours_are_answered(keeper: zoo.Keeper, start: Callable[..., Tier]) -> None:
    """A caller that breaks the connection off while its rows wait costs the model server nothing."""
    tier = start(GATEWAY_CALLS_PER_LANE="1")
    keeper.held = True
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(post, tier.url + "/iris/predict", flower(1))
        assert eventually(lambda: len(keeper.scored()) == 1)
        leaver = socket.create_connection(("127.0.0.1", int(tier.url.rpartition(":")[2])))
        body = json.dumps(flower(7)).encode()
        head = f"POST /iris/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        leaver.sendall(head.encode() + body)
        neighbour = pool.submit(post, tier.url + "/iris/predict", flower(8))
        assert eventually(lambda: metric(tier.url, "twotier_gateway_rows_queued ") == 2)
        leaver.close()
        assert eventually(lambda: metric(tier.url, 'twotier_gateway_rows_shed_total{reason="left"}') == 1)
        keeper.held = False
        assert ("1.0", "8.0") == (first.result().json["output"], neighbour.result().json["output"])
    assert [[1.0], [8.0]] == [[row[2] for row in asked.rows] for asked in keeper.scored()]
    assert eventually(lambda: metric(tier.url, 'twotier_gateway_requests_total{method="POST",route="/iris/predict",status="499"}') == 1)


def test_who_stays_is_sent(keeper: zoo.Keeper, start: Callable[..., Tier]) -> None:
    """The negative control: the same caller, who waits, is answered, though somebody looked whether it was still there."""
    tier = start(GATEWAY_CALLS_PER_LANE="1")
    keeper.delay = 0.3
    with contextlib.closing(http.client.HTTPConnection(tier.url.removeprefix("http://"), timeout=PATIENCE)) as connection:
        for length in (7.0, 8.0):
            connection.request("POST", "/iris/predict", json.dumps(flower(length)), JSON)
            assert str(length) == json.loads(connection.getresponse().read())["output"]
    assert 0 == metric(tier.url, 'twotier_gateway_rows_shed_total{reason="left"}')


def test_too_much_is_refused_at_once(keeper: zoo.Keeper, start: Callable[..., Tier]) -> None:
    """Beyond the bound there is a 503 that says when to come back; those who wait are answered."""
    tier = start(GATEWAY_CALLS_PER_LANE="1", GATEWAY_QUEUED_ROWS="3")
    keeper.held = True
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(post, tier.url + "/iris/predict", flower(1))
        assert eventually(lambda: len(keeper.scored()) == 1)
        waiting = pool.submit(post, tier.url + "/iris/predict", [flower(2)] * 3)
        assert eventually(lambda: metric(tier.url, "twotier_gateway_rows_queued ") == 3)
        refused = post(tier.url + "/iris/predict", flower(3))
        assert not waiting.done()
        assert (503, "/problems/overloaded", "1") == (refused.status, refused.json["type"], refused.headers["Retry-After"])
        keeper.held = False
        assert (200, 200) == (first.result().status, waiting.result().status)
    assert 1 == metric(tier.url, 'twotier_gateway_rows_shed_total{reason="queue_full"}')


def test_a_long_call_lets_single_rows_through(keeper: zoo.Keeper, start: Callable[..., Tier]) -> None:
    """Of forty pieces of a long call, a single row that comes meanwhile waits for two at most."""
    tier = start(GATEWAY_CALLS_PER_LANE="1", GATEWAY_ROWS_PER_CALL="5")
    keeper.delay = 0.02
    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(post, tier.url + "/iris/predict", [flower(2)] * 200)
        assert eventually(lambda: len(keeper.scored()) >= 2)
        sent = len(keeper.scored())
        assert "3.0" == post(tier.url + "/iris/predict", flower(3)).json["output"]
        assert not long.done()
        found = next(at for at, asked in enumerate(keeper.scored()) if [5.0, 2.0, 3.0, 4.0] in asked.rows)
        assert found - sent < 10
        assert [{"output": "2.0", "model_name": "log_reg_1"}] * 200 == long.result().json
    assert max(len(asked.rows) for asked in keeper.scored()) == 5


def test_every_answer_says_where_its_time_went(keeper: zoo.Keeper, start: Callable[..., Tier]) -> None:
    """Answers and problems alike, in the standard's form."""
    tier = start()
    keeper.delay = 0.05
    begun = time.perf_counter()
    validate, queue, upstream, model = timing(post(tier.url + "/iris/predict", flower(1)))
    took_ms = (time.perf_counter() - begun) * 1000
    assert (0.25, True) == (model, upstream >= 50)
    assert 0 < validate < took_ms and validate + queue + upstream < took_ms
    _, queue, upstream, model = timing(post(tier.url + "/iris/predict", {"wrong": 1}))
    assert (0, 0, 0) == (queue, upstream, model)
    keeper.habit = zoo.hang
    late = post(tier.url + "/iris/predict", flower(1), X_Request_Deadline_Ms="500")
    assert (504, True) == (late.status, sum(timing(late)[:3]) >= 250)
    assert re.search(r"\d+ ms waiting in the gateway, \d+ ms with the model server", late.json["detail"])
