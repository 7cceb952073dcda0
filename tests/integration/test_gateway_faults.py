"""A gateway process in front of a model server with every bad habit: problems within the budget, flat memory, and back again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import zoo
from tests.asking import Answered, ask, post
from tests.integration.model_server_calls import eventually
from tests.processes import PATIENT_MS, Tier, free_port, gateway

ROW = {"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}
BUDGET_MS = 500
"""For calls that are to be too late; others have all the time that they need."""

MOMENT_MS = 10
"""By how much the timers of two processes may differ."""


@pytest.fixture(name="keeper", scope="module")
def _keeper() -> Iterator[zoo.Keeper]:
    with zoo.zoo() as keeper:
        yield keeper


@pytest.fixture(name="served", scope="module")
def _served(keeper: zoo.Keeper, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    log = tmp_path_factory.mktemp("gateway") / "log"
    with gateway(keeper.url, log, GATEWAY_POLL_SECONDS="0.1") as tier:
        tier.wait_ready()
        yield tier


@pytest.fixture(name="hurried", scope="module")
def _hurried(keeper: zoo.Keeper, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    """A gateway whose own budget is small."""
    with gateway(keeper.url, tmp_path_factory.mktemp("hurried") / "log", GATEWAY_BUDGET_MS=str(BUDGET_MS)) as tier:
        tier.wait_ready()
        yield tier


def predict(tier: Tier) -> Answered:
    """One row."""
    return post(tier.url + "/iris/predict", ROW)


def assert_well(keeper: zoo.Keeper, tier: Tier) -> None:
    """The negative control: the same call to a model server that behaves."""
    keeper.habit = zoo.well
    answered = predict(tier)
    assert (200, {"output": "Iris-virginica", "model_name": "log_reg_1"}) == (answered.status, answered.json)


def assert_problem(answered: Answered, *statuses: int) -> None:
    """A problem of one of these statuses, small, and without a word of the model server's."""
    assert answered.status in statuses, answered
    assert "application/problem+json" == answered.headers["Content-Type"]
    problem = answered.json
    assert (answered.status, answered.headers["X-Request-ID"]) == (problem["status"], problem["instance"])
    assert (answered.status == 503) == ("Retry-After" in answered.headers)
    assert len(answered.body) < 1000 and "secret" not in problem["detail"]


@pytest.mark.parametrize("habit", zoo.INVALID)
def test_invalid_answers_are_problems(keeper: zoo.Keeper, served: Tier, habit: str) -> None:
    """Never 200, never 500: what is not as promised is 502, or 503 where the connection broke."""
    keeper.habit = zoo.INVALID[habit]
    assert_problem(predict(served), 502, 503)
    assert_well(keeper, served)


@pytest.mark.parametrize("habit", zoo.UNAVAILABLE)
def test_a_model_server_that_cannot_serve_is_503(keeper: zoo.Keeper, served: Tier, habit: str) -> None:
    """It says when to come again."""
    keeper.habit = zoo.UNAVAILABLE[habit]
    assert_problem(predict(served), 503)
    assert_well(keeper, served)


@pytest.mark.parametrize("whose", ["the caller's", "the gateway's"])
@pytest.mark.parametrize("habit", ["hangs", "drips"])
def test_a_slow_model_server_is_504(keeper: zoo.Keeper, served: Tier, hurried: Tier, habit: str, whose: str) -> None:
    """The caller hears at the end of the budget, its own or the gateway's: not before, and without a word from the model server."""
    keeper.habit = zoo.SLOW[habit]
    tier, given = (hurried, {}) if whose == "the gateway's" else (served, {"X_Request_Deadline_Ms": str(BUDGET_MS)})
    begun = time.monotonic()
    answered = post(tier.url + "/iris/predict", ROW, **given)
    took_ms = (time.monotonic() - begun) * 1000

    assert_problem(answered, 504)
    assert took_ms >= BUDGET_MS - MOMENT_MS
    assert "the call's budget" in answered.json["detail"]
    assert_well(keeper, served)


def test_a_time_out_of_the_model_servers_own_is_told_before_the_deadline(keeper: zoo.Keeper, served: Tier) -> None:
    """Nobody waits for the end of a budget when it is known that no answer will come."""
    keeper.habit = zoo.SLOW["status 504"]
    begun = time.monotonic()
    answered = predict(served)
    took_ms = (time.monotonic() - begun) * 1000

    assert_problem(answered, 504)
    assert took_ms < PATIENT_MS
    assert "the model server did not finish within its own time limit" == answered.json["detail"]
    assert_well(keeper, served)


@pytest.mark.parametrize("too_late", [True, False], ids=["too late", "in time"])
def test_a_deadline_comes_before_a_late_time_out_of_the_model_servers_own(keeper: zoo.Keeper, served: Tier, too_late: bool) -> None:
    """Of the two, the caller hears what comes first."""

    async def time_out(keeper: zoo.Keeper, asked: zoo.Asked, writer: asyncio.StreamWriter) -> None:
        await keeper.pause()
        await zoo.SLOW["status 504"](keeper, asked, writer)

    keeper.habit, keeper.held = time_out, too_late
    try:
        answered = post(served.url + "/iris/predict", ROW, X_Request_Deadline_Ms=str(BUDGET_MS if too_late else PATIENT_MS))
    finally:
        keeper.held = False

    assert_problem(answered, 504)
    assert ("the call's budget" in answered.json["detail"]) == too_late
    assert_well(keeper, served)


def test_memory_stays_flat_and_nothing_is_left(keeper: zoo.Keeper, served: Tier) -> None:
    """Endless bodies, bombs and all the rest, many times over, leave no memory, no call and no connection behind."""
    process = psutil.Process(served.process.pid)
    quick = [zoo.INVALID, zoo.UNAVAILABLE]

    def rounds(count: int) -> int:
        for _ in range(count):
            for habits in quick:
                for habit in habits.values():
                    keeper.habit = habit
                    predict(served)
                    # One that does nothing right would soon not be asked any more.
                    assert_well(keeper, served)
        return int(process.memory_info().rss)

    before = rounds(3)
    grown = rounds(20) - before
    assert_well(keeper, served)
    connections = [one for one in process.net_connections("tcp") if one.status == "ESTABLISHED"]
    connected = [one for one in connections if getattr(one.raddr, "port", None) == keeper.port]

    assert grown < 16 * 1024 * 1024
    assert "twotier_gateway_upstream_calls_in_flight 0.0" in ask(served.url + "/metrics").body.decode()
    assert len(connected) <= 3


def test_readiness_names_the_model_server_and_recovers(keeper: zoo.Keeper, served: Tier) -> None:
    """Once the model server is gone, /readyz says so and predictions are 503; once it is back, all is well by itself."""
    keeper.habit = zoo.well
    gone = [{"name": f"model server {keeper.url}", "status": "down", "detail": "the model server could not be reached"}]
    keeper.leave()
    try:
        # A poll that was under way hears at first that its connection broke off.
        assert eventually(lambda: ask(served.url + "/readyz").json.get("dependencies") == gone)
        answered = ask(served.url + "/readyz")

        assert (503, gone, "1") == (answered.status, answered.json["dependencies"], answered.headers["Retry-After"])
        assert_problem(predict(served), 503)
        assert 200 == ask(served.url + "/livez").status
        assert "Age" in ask(served.url + "/models").headers
    finally:
        keeper.listen()
    served.wait_ready()
    assert_well(keeper, served)


def test_readiness_notices_a_model_server_that_hangs(keeper: zoo.Keeper, served: Tier) -> None:
    """A process that is stopped still accepts connections, and is not ready all the same."""
    keeper.sick, keeper.habit = True, zoo.hang
    assert eventually(lambda: ask(served.url + "/readyz").status == 503)
    keeper.sick, keeper.habit = False, zoo.well
    served.wait_ready()


def test_the_gateway_starts_before_the_model_server(tmp_path: Path) -> None:
    """Started the wrong way round, the gateway waits, says for what, and serves once it is there."""
    with gateway(f"http://127.0.0.1:{free_port()}", tmp_path / "log") as tier:
        tier.wait_ready("/livez")

        assert 503 == ask(tier.url + "/readyz").status
        assert_problem(ask(tier.url + "/models"), 503)
        assert_problem(predict(tier), 503)


def test_a_moved_champion_is_told_by_the_next_answer(keeper: zoo.Keeper, served: Tier) -> None:
    """The model's name is what the model server says, not what the gateway remembers; pinned callers keep theirs."""
    before = keeper.champion
    try:
        keeper.champion = before.model_copy(update={"version": "log_reg_2", "serving": "log_reg_2"})
        assert "log_reg_2" == predict(served).json["model_name"]
        assert "log_reg_1" == post(served.url + "/iris/versions/log_reg_1/predict", ROW).json["model_name"]
    finally:
        keeper.champion = before


def test_logs_are_one_line_per_request(served: Tier) -> None:
    """Each line is JSON, and the request's id finds its line."""
    ask(served.url + "/healthz", headers={"X-Request-ID": "find-me"})
    assert eventually(lambda: "find-me" in served.log.read_text())
    (line,) = [line for line in served.log.read_text().splitlines() if "find-me" in line]
    logged = json.loads(line)

    assert ("request", "GET", "/healthz", 200) == (logged["event"], logged["method"], logged["route"], logged["status"])
