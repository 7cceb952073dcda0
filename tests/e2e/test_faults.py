"""The model server ends, hangs and comes back: callers get problems in time, /readyz names it, and service resumes by itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.asking import post
from tests.e2e.callers import Callers
from tests.e2e.tiers import ROW, STARTING, UNAVAILABLE, Tiers, answer, problem, tiers
from tests.integration.model_server_calls import eventually
from tests.processes import free_port, gateway, model_server

Measured = Callable[[str, float], None]

BUDGET_MS = 1500
BUDGET_HEADER = "X_Request_Deadline_Ms"

MOMENT_MS = 10
"""By how much the timers of two processes may differ."""


@pytest.fixture(scope="module")
def running(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiers]:
    """Both tiers, for tests that leave them as they found them."""
    with tiers(trained, tmp_path_factory.mktemp("faults")) as started:
        yield started


@pytest.fixture(scope="module")
def hurried(running: Tiers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where irises are predicted by another gateway, whose own budget is small."""
    log = tmp_path_factory.mktemp("hurried") / "log"
    with gateway(running.back.url, log, None, **STARTING, GATEWAY_BUDGET_MS=str(BUDGET_MS)) as front:
        front.wait_ready()
        yield front.url + "/iris/predict"


def took_ms(url: str, **headers: str) -> float:
    """How long it takes until a row is answered by 504, in milliseconds."""
    begun = time.monotonic()
    problem(post(url, ROW, **headers), 504, "deadline-exceeded")
    return (time.monotonic() - begun) * 1000


def timed(measured: Measured, what: str, true: Callable[[], bool]) -> None:
    """Wait until it is true, and take down how long that was."""
    begun = time.perf_counter()
    assert eventually(true)
    measured(what, time.perf_counter() - begun)


def not_ready(running: Tiers) -> bool:
    """Whether the gateway has seen that the model server is gone; it then names it."""
    said: Any = running.readiness()
    if said["ready"]:
        return False
    name = f"model server {running.back.url}"
    assert said["detail"].startswith(f"no model server can be reached: {name}: ")
    (dependency,) = said["dependencies"]
    assert (name, "down") == (dependency["name"], dependency["status"])
    assert dependency["detail"]
    assert "not serving" == said["families"]["iris"]["status"]
    return True


def ready(running: Tiers) -> bool:
    """Whether the gateway has seen that the model server is back."""
    said: Any = running.readiness()
    if not said["ready"]:
        return False
    assert (True, "up", "log_reg_1") == (said["ready"], said["dependencies"][0]["status"], said["families"]["iris"]["version"])
    return True


def test_hanging(running: Tiers, hurried: str, measured: Measured) -> None:
    """A model server that is stopped in its tracks costs a caller the budget and no more, and soon nothing; let go, it serves again."""
    assert (200, answer()) == ((well := post(running.predict, ROW)).status, well.body)
    running.back.send(signal.SIGSTOP)
    try:
        # All at once, since it is soon known to be down. Whatever they hear, they hear before the model server can say a word.
        with ThreadPoolExecutor(4) as pool:
            own = {ms: pool.submit(took_ms, running.predict, **{BUDGET_HEADER: str(ms)}) for ms in (200, BUDGET_MS)}
            gateways = [pool.submit(took_ms, hurried, **given) for given in ({}, {BUDGET_HEADER: "60000"})]
            assert all(call.result() >= ms - MOMENT_MS for ms, call in own.items())
            assert all(call.result() >= BUDGET_MS - MOMENT_MS for call in gateways)
        assert eventually(lambda: not_ready(running))
        assert eventually(lambda: post(running.predict, ROW, **{BUDGET_HEADER: "200"}).status == 503)
        begun = time.perf_counter()
        answered = post(running.predict, ROW)
        measured("503 once a model server is known to hang", time.perf_counter() - begun)
        problem(answered, 503, "circuit-open")
        assert "1" == answered.headers["Retry-After"]
    finally:
        running.back.send(signal.SIGCONT)
    timed(measured, "an answer again after SIGCONT", lambda: post(running.predict, ROW).body == answer())
    assert eventually(lambda: ready(running))


def test_hanging_under_traffic(running: Tiers, measured: Measured) -> None:
    """Of many callers at a time, none ever sees anything but a right answer or a problem, and all are answered again in the end."""
    with Callers(running.predict, [ROW] * 50, count=8, headers={BUDGET_HEADER: str(BUDGET_MS)}) as callers:
        callers.wait_for(20)
        running.back.send(signal.SIGSTOP)
        stopped = time.perf_counter()
        try:
            assert eventually(lambda: not_ready(running))
            measured("/readyz 503 after SIGSTOP", time.perf_counter() - stopped)
            assert eventually(lambda: {200, 503, 504} == callers.statuses())
        finally:
            running.back.send(signal.SIGCONT)
        timed(measured, "/readyz 200 after SIGCONT", lambda: ready(running))
        callers.wait_for(50)

    assert {200, 503, 504} >= callers.statuses()
    assert {b"[" + b",".join([answer()] * 50) + b"]"} == {call.body for call in callers.calls if call.status == 200}
    for call in callers.calls:
        if call.answered and call.status != 200:
            problem(call.answered, call.status, *{503: UNAVAILABLE, 504: ("deadline-exceeded",)}[call.status])


def test_without_a_fault(running: Tiers) -> None:
    """The negative control: the same callers, with nothing done to the model server, are all answered."""
    with Callers(running.predict, [ROW] * 50, count=8) as callers:
        callers.wait_for(200)
        assert ready(running)

    assert {200} == callers.statuses()


def test_down_and_back(trained: Path, tmp_path: Path, measured: Measured) -> None:
    """The gateway waits for a model server that starts after it, and again for the next one when that was ended, or killed."""
    port = free_port()
    with gateway(f"http://127.0.0.1:{port}", tmp_path / "gateway.log", None, **STARTING) as front:
        front.wait_ready("/livez")
        for ends_by in (signal.SIGTERM, signal.SIGKILL):
            problem(post(front.url + "/iris/predict", ROW), 503, *UNAVAILABLE)
            with model_server(trained, tmp_path / "model_server.log", port, **STARTING) as back:
                _there_and_gone(Tiers(front, back, trained), ends_by, measured)


def _there_and_gone(running: Tiers, ends_by: signal.Signals, measured: Measured) -> None:
    assert not_ready(running)
    with Callers(running.predict, ROW, count=2) as callers:
        running.back.wait_ready()
        timed(measured, "/readyz 200 after a model server started", lambda: ready(running))
        callers.wait_for(20, body=answer())
        running.back.send(ends_by)
        running.back.process.wait(60)
        timed(measured, f"/readyz 503 after {ends_by.name}", lambda: not_ready(running))
        callers.wait_for(5, status=503)

    assert {200, 503} == callers.statuses()
    assert {answer()} == {call.body for call in callers.calls if call.status == 200}
    for call in callers.calls:
        if call.answered and call.status == 503:
            assert "1" == call.answered.headers["Retry-After"]
            problem(call.answered, 503, *UNAVAILABLE)
