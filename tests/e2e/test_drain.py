"""SIGTERM to either tier, with calls in flight: none of them is lost. SIGKILL shows that they were there to be lost."""

from __future__ import annotations

import http.client
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.asking import Answered, post
from tests.e2e.callers import Callers
from tests.e2e.tiers import ROW, UNAVAILABLE, Tiers, answer, problem, tiers
from tests.integration.model_server_calls import eventually
from tests.processes import Tier

CALLS = 8
BATCH = [ROW] * 2000
RIGHT = b"[" + b",".join([answer()] * len(BATCH)) + b"]"

PATIENT = "60000"
"""A budget for calls that wait for a process that is held."""


def outcome(call: Future[Answered]) -> Answered | None:
    """The answer; None if the connection broke."""
    try:
        return call.result()
    except (OSError, http.client.HTTPException):
        return None


def ended(tier: Tier) -> int:
    """Wait for it to end by itself: its exit code."""
    return tier.process.wait(60)


@pytest.mark.parametrize(("number", "code", "answered"), [(signal.SIGTERM, 0, CALLS), (signal.SIGKILL, -signal.SIGKILL, 0)])
def test_gateway_with_calls_at_the_model_server(trained: Path, tmp_path: Path, number: signal.Signals, code: int, answered: int) -> None:
    """Batches that wait for the model server when the gateway is told to go are all answered; when it is killed, none is."""
    with tiers(trained, tmp_path, GATEWAY_BUDGET_MS=PATIENT) as running, ThreadPoolExecutor(CALLS) as pool:
        running.back.send(signal.SIGSTOP)
        try:
            calls = [pool.submit(post, running.predict, BATCH) for _ in range(CALLS)]
            running.wait_calls(CALLS)
            running.front.send(number)
            assert eventually(lambda: _refuses(running.front))
        finally:
            running.back.send(signal.SIGCONT)
        outcomes = [outcome(call) for call in calls]
        assert code == ended(running.front)

    assert [(200, RIGHT)] * answered == [(one.status, one.body) for one in outcomes if one]
    assert CALLS - answered == outcomes.count(None)


def _refuses(tier: Tier) -> bool:
    """Whether it takes no new calls any more."""
    try:
        post(tier.url + "/livez", None)
    except OSError:
        return True
    return False


def test_gateway_under_traffic(trained: Path, tmp_path: Path) -> None:
    """Callers who go away once /readyz says so have every call answered, right up to then; the gateway ends with 0."""
    with tiers(trained, tmp_path, GATEWAY_DRAIN_SECONDS="3") as running:
        with Callers(running.predict, BATCH, count=6) as callers:
            callers.wait_for(20)
            running.front.send(signal.SIGTERM)
            assert eventually(lambda: running.readiness()["detail"] == "the gateway is being stopped")
        assert 0 == ended(running.front)

    assert ({200}, {RIGHT}) == (callers.statuses(), {call.body for call in callers.calls})


@pytest.mark.parametrize("held", [False, True], ids=["at any moment", "not yet read"])
def test_model_server(trained: Path, tmp_path: Path, held: bool) -> None:
    """What was sent before the model server is told to go is all answered; then callers get 503 problems, and never anything else."""
    with tiers(trained, tmp_path, GATEWAY_BUDGET_MS=PATIENT, MODEL_SERVER_DRAIN_SECONDS="2") as running:
        with Callers(running.predict, BATCH, count=6) as callers:
            callers.wait_for(20)
            if held:
                _hold(running, 6)
            told_at = time.monotonic()
            running.back.send(signal.SIGTERM)
            running.back.send(signal.SIGCONT)
            assert 0 == ended(running.back)
            callers.wait_for(12, status=503)

    before = [call for call in callers.calls if call.sent_at < told_at]
    assert {(200, RIGHT)} == {(call.status, call.body) for call in before}
    in_flight = [call for call in before if call.done_at > told_at]
    assert in_flight
    assert len(in_flight) == 6 or not held
    _only_answers_and_problems(callers)


def _hold(running: Tiers, count: int) -> None:
    """Stop the model server in its tracks, and wait until that many calls wait for it."""
    running.back.send(signal.SIGSTOP)
    running.wait_calls(count)


def _only_answers_and_problems(callers: Callers) -> None:
    assert {200, 503} == callers.statuses()
    assert {RIGHT} == {call.body for call in callers.calls if call.status == 200}
    for call in callers.calls:
        if call.answered and call.status == 503:
            problem(call.answered, 503, *UNAVAILABLE)


def test_killed_model_server(trained: Path, tmp_path: Path) -> None:
    """The negative control: killed, it loses the calls that it has, which are 503 problems; the gateway lives on."""
    with tiers(trained, tmp_path, GATEWAY_BUDGET_MS=PATIENT) as running:
        with Callers(running.predict, BATCH, count=6) as callers:
            callers.wait_for(20)
            _hold(running, 6)
            told_at = time.monotonic()
            running.back.send(signal.SIGKILL)
            assert -signal.SIGKILL == ended(running.back)
            callers.wait_for(12, status=503)
        assert 503 == post(running.predict, ROW).status

    assert [503] * 6 == [call.status for call in callers.calls if call.sent_at < told_at < call.done_at]
    _only_answers_and_problems(callers)
