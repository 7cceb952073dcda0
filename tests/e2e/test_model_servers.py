"""Model servers are killed, stopped in their tracks and started again under load: with two of them, no caller notices."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.callers import Callers
from tests.e2e.tiers import ROW, STARTING, UNAVAILABLE, answer, problem
from tests.integration.model_server_calls import eventually, metric
from tests.processes import Tier, free_port, gateway, model_server
from twotier.gateway.retrying import RESERVE

# Up to three model servers are started in each of them, which takes a while on a busy machine.
pytestmark = pytest.mark.timeout(300)

Measured = Callable[[str, float], None]

SCORED = "twotier_gateway_upstream_calls_total{.*/score"
RETRIES = "twotier_gateway_upstream_retries_total"
ROWS = "model_server_rows_total"


@contextlib.contextmanager
def front_of(*urls: str, folder: Path, **environment: str) -> Iterator[Tier]:
    """A gateway in front of these model servers."""
    settings = {**STARTING, **environment, "GATEWAY_MODEL_SERVERS": json.dumps(urls)}
    with gateway("", folder / "gateway.log", None, **settings) as front:
        front.wait_ready()
        yield front


def assert_retries_in_budget(front: Tier) -> None:
    """What was sent twice is at most a tenth of all calls, and the reserve."""
    assert metric(front.url, RETRIES) <= metric(front.url, SCORED) / 10 + RESERVE


def test_one_is_killed_and_comes_back(trained: Path, tmp_path: Path, measured: Measured) -> None:
    """Without another one, callers are refused at once while it is gone, and answered as soon as it is back. This is the negative control
    of what follows as well: the kill does cost calls.
    """
    port = free_port()
    with contextlib.ExitStack() as stack:
        back = stack.enter_context(model_server(trained, tmp_path / "model_server.log", port, **STARTING))
        back.wait_ready()
        front = stack.enter_context(front_of(back.url, folder=tmp_path))
        callers = stack.enter_context(Callers(front.url + "/iris/predict", ROW, count=8))
        callers.wait_for(300)
        back.send(signal.SIGKILL)
        callers.wait_for(300, status=503)

        again = stack.enter_context(model_server(trained, tmp_path / "model_server.log", port, **STARTING))
        again.wait_ready()
        begun = len(callers.calls)
        callers.wait_for(300)
        callers.stop()
        assert_retries_in_budget(front)

    refused = [call for call in callers.calls if call.status == 503]
    measured("slowest 503 of a gateway without a model server", max(call.done_at - call.sent_at for call in refused))
    measured("half of the 503 are faster than", sorted(call.done_at - call.sent_at for call in refused)[len(refused) // 2])
    back_at = callers.calls[begun].done_at
    first = next(call for call in callers.calls[begun:] if call.status == 200)
    measured("first answer after a model server is back", first.done_at - back_at)
    assert {200, 503} == callers.statuses()
    assert {answer()} == {call.body for call in callers.calls if call.status == 200}
    for call in refused:
        assert call.answered is not None and call.answered.headers["Retry-After"]
        problem(call.answered, 503, *UNAVAILABLE)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_one_of_two_costs_no_call(trained: Path, tmp_path: Path, number: signal.Signals, measured: Measured) -> None:
    """Killed or stopped under load, one of two model servers takes no call with it; when it is back, it gets its share again."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        log = tmp_path / "model_server.log"
        bad = stack.enter_context(model_server(trained, log, port, **STARTING))
        good = stack.enter_context(model_server(trained, tmp_path / "another.log", None, **STARTING))
        for back in (bad, good):
            back.wait_ready()
        front = stack.enter_context(front_of(bad.url, good.url, folder=tmp_path))
        callers = stack.enter_context(Callers(front.url + "/iris/predict", ROW, count=8))
        callers.wait_for(300)
        assert metric(bad.url, ROWS) and metric(good.url, ROWS)

        bad.send(number)
        down = f'twotier_gateway_model_server_up{{server="{bad.url}"}}'
        assert eventually(lambda: metric(front.url, down) == 0)
        callers.wait_for(500)
        # What it had under way is done by the other one; a hanging one is given up only after a while.
        assert eventually(lambda: metric(front.url, RETRIES) > 0)
        if number is signal.SIGKILL:
            bad = stack.enter_context(model_server(trained, log, port, **STARTING))
            bad.wait_ready()
            before = 0.0
        else:
            bad.send(signal.SIGCONT)
            before = metric(bad.url, ROWS)
        assert eventually(lambda: metric(bad.url, ROWS) > before + 100)
        callers.stop()
        assert_retries_in_budget(front)

    measured(f"slowest answer while one of two model servers is {number.name}", max(call.done_at - call.sent_at for call in callers.calls))
    assert ({200}, {answer()}) == (callers.statuses(), {call.body for call in callers.calls})
