"""The gateway as a process: it starts or says why not, and goes without losing a call."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import zoo
from tests.asking import ask, post
from tests.integration.model_server_calls import PATIENCE, eventually, metric
from tests.processes import Tier, free_port, gateway

ROW = {"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}
CALLS = 8


@pytest.fixture(name="keeper")
def _keeper() -> Iterator[zoo.Keeper]:
    with zoo.zoo() as keeper:
        yield keeper


def _in_flight(keeper: zoo.Keeper, tier: Tier, pool: ThreadPoolExecutor) -> list[Future[int]]:
    """Send calls that are held at the model server, and wait until the gateway has them all."""
    keeper.held = True
    calls = [pool.submit(lambda: post(tier.url + "/iris/predict", ROW).status) for _ in range(CALLS)]
    # The call that asks for the metrics is one of those in flight.
    assert eventually(lambda: metric(tier.url, "twotier_gateway_requests_in_flight ") == CALLS + 1)
    assert metric(tier.url, "twotier_gateway_tasks ") > CALLS
    return calls


def _is_closed(tier: Tier) -> bool:
    """Whether it takes no new calls any more."""
    try:
        ask(tier.url + "/livez")
    except OSError:
        return True
    return False


def test_sigterm_loses_no_call(keeper: zoo.Keeper, tmp_path: Path) -> None:
    """Calls in flight are finished, and the process ends with 0."""
    with gateway(keeper.url, tmp_path / "log", GATEWAY_DRAIN_SECONDS="0") as tier, ThreadPoolExecutor(CALLS) as pool:
        tier.wait_ready()
        calls = _in_flight(keeper, tier, pool)
        tier.send(signal.SIGTERM)
        assert eventually(lambda: _is_closed(tier))
        keeper.held = False

        assert 0 == tier.stop()
        assert [200] * CALLS == [call.result() for call in calls]


def test_sigkill_loses_them(keeper: zoo.Keeper, tmp_path: Path) -> None:
    """The negative control: the same calls, when the process is given no time, are lost."""
    with gateway(keeper.url, tmp_path / "log") as tier, ThreadPoolExecutor(CALLS) as pool:
        tier.wait_ready()
        calls = _in_flight(keeper, tier, pool)
        tier.send(signal.SIGKILL)

        for call in calls:
            with pytest.raises((OSError, http.client.HTTPException)):
                call.result()


def test_while_it_drains_it_answers_and_is_not_ready(keeper: zoo.Keeper, tmp_path: Path) -> None:
    """After SIGTERM /readyz says 503 at once, calls are still answered, and their connections are closed; then it ends with 0."""
    with gateway(keeper.url, tmp_path / "log", GATEWAY_DRAIN_SECONDS="60") as tier:
        tier.wait_ready()
        tier.send(signal.SIGTERM)
        assert eventually(lambda: ask(tier.url + "/readyz").status == 503)
        ready = ask(tier.url + "/readyz")
        answered = post(tier.url + "/iris/predict", ROW)

        assert "the gateway is being stopped" == ready.json["detail"]
        assert (200, "close") == (answered.status, answered.headers["Connection"])
        # A second signal ends the wait.
        assert 0 == tier.stop()


def test_calls_on_kept_connections_survive_a_stop(keeper: zoo.Keeper, tmp_path: Path) -> None:
    """A caller that sends call after call over one connection is told to close it before the gateway goes; none of its calls is lost."""
    with gateway(keeper.url, tmp_path / "log", GATEWAY_DRAIN_SECONDS="2") as tier, ThreadPoolExecutor(4) as pool:
        tier.wait_ready()

        def calling() -> list[int]:
            connection = http.client.HTTPConnection(tier.url.removeprefix("http://"), timeout=PATIENCE)
            statuses = []
            while True:
                connection.request("GET", "/healthz")
                reply = connection.getresponse()
                reply.read()
                statuses.append(reply.status)
                if reply.will_close:
                    connection.close()
                    return statuses

        callers = [pool.submit(calling) for _ in range(4)]
        time.sleep(0.2)

        assert 0 == tier.stop()
        assert all({200} == set(caller.result()) for caller in callers)


def _start(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "twotier.gateway"]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"GATEWAY_PORT": "none"}, "GATEWAY_PORT"),
        ({"GATEWAY_PROT": "8000"}, "did you mean GATEWAY_PORT?"),
        ({"GATEWAY_MODEL_SERVERS": '["model:3000"]'}, "is not the base URL of a server"),
        ({"GATEWAY_HOST": "no.such.host.invalid"}, "cannot listen on no.such.host.invalid"),
    ],
)
def test_a_bad_setting_is_one_line_and_exit_2(environment: dict[str, str], words: str) -> None:
    """Who set it wrong reads which setting it is, and no traceback."""
    ended = _start(**environment)

    assert (2, 1) == (ended.returncode, ended.stderr.count("\n")), ended.stderr
    assert words in ended.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_in_use_is_one_line_and_exit_2(host: str) -> None:
    """Somebody else listens there: the line names the address and its settings."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, free_port()), family=family) as taken:
        port = taken.getsockname()[1]
        for name, ports in (("GATEWAY_PORT", {}), ("GATEWAY_OWN_PORT", {"GATEWAY_PORT": str(free_port())})):
            ended = _start(GATEWAY_HOST=host, **ports, **{name: str(port)})

            assert (2, 1) == (ended.returncode, ended.stderr.count("\n"))
            words = f"twotier gateway: cannot listen on {host}:{port} (GATEWAY_HOST, {name}): Address already in use"
            assert ended.stderr.startswith(words)
