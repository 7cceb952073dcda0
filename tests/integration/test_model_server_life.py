"""How the model server starts, ends, and bears bursts."""

from __future__ import annotations

import json
import signal
import socket
import threading
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.folders import with_raw_data
from tests.integration.model_server_calls import at_once, block, eventually, metric, post, score, version_of, with_slow_family
from tests.processes import Tier, free_port, model_server, running


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A data folder with the slow family alone trained, and the folder of its file."""
    folder = tmp_path_factory.mktemp("slow")
    data = with_raw_data(folder / "data")
    return {"data": data, "families": with_slow_family(data, folder / "families")}


def in_flight(tier: Tier) -> float:
    """How many calls to score it has."""
    return metric(tier.url, 'bentoml_service_request_in_progress{endpoint="/score".*')


@pytest.mark.parametrize(
    ("number", "drain_seconds", "lost"),
    [
        (signal.SIGTERM, "0.5", 0),
        pytest.param(signal.SIGTERM, "0", 0),
        pytest.param(signal.SIGINT, "0.5", 0),
        (signal.SIGKILL, "0", 8),
    ],
)
def test_calls_in_flight_are_finished(slow: dict[str, Path], tmp_path: Path, number: signal.Signals, drain_seconds: str, lost: int) -> None:
    """Asked to end with eight calls in flight, it answers all of them and exits 0; killed, it loses them."""
    families = str(slow["families"])
    with model_server(slow["data"], tmp_path / "log", TWOTIER_FAMILIES=families, MODEL_SERVER_DRAIN_SECONDS=drain_seconds) as tier:
        tier.wait_ready()
        outcomes: list[Any] = []
        call = partial(post, tier.url, "/score", {"blocks": [block([1.0, 1.0], family="slow")]})
        callers = threading.Thread(target=lambda: outcomes.extend(at_once([call] * 8)))
        callers.start()
        assert eventually(lambda: in_flight(tier) == 8)
        tier.send(number)
        callers.join()
        code = tier.process.wait(60)
    answered = [outcome for outcome in outcomes if isinstance(outcome, tuple)]
    assert (8, lost) == (len(outcomes), 8 - len(answered))
    assert [200] * (8 - lost) == [status for status, _ in answered]
    assert {True} >= {results[0]["answers"][0]["positive"] for _, results in answered}
    assert (-signal.SIGKILL if lost else 0) == code


def test_draining_server_is_not_ready_and_answers(slow: dict[str, Path], tmp_path: Path) -> None:
    """After SIGTERM there is time to notice: probes say 503 while calls are still answered; asked again, it ends at once."""
    families = str(slow["families"])
    with model_server(slow["data"], tmp_path / "log", TWOTIER_FAMILIES=families, MODEL_SERVER_DRAIN_SECONDS="600") as tier:
        tier.wait_ready()
        tier.send(signal.SIGTERM)

        def told_to_go() -> bool:
            try:
                return bool(urllib.request.urlopen(tier.url + "/readyz", timeout=60).status != 200)
            except urllib.error.HTTPError as error:
                return error.code == 503

        assert eventually(told_to_go)
        assert score(tier.url, block([1.0, 0.0], family="slow"))[0]["answers"][0]["positive"]
        tier.send(signal.SIGTERM)
        assert 0 == tier.process.wait(60)


def test_killed_server_comes_back_on_its_port(trained_data: Path, tmp_path: Path) -> None:
    """Nothing that it left behind keeps the next one from starting or from answering the same."""
    port = free_port()
    for _ in range(2):
        with model_server(trained_data, tmp_path / "log", port) as tier:
            tier.wait_ready()
            assert "log_reg_1" == version_of(tier.url)
            tier.send(signal.SIGKILL)
            assert -signal.SIGKILL == tier.process.wait(60)


def burst(tier: Tier) -> set[int]:
    """The statuses of three times forty calls at once, after twenty one by one."""
    tier.wait_ready()
    call = partial(post, tier.url, "/score", {"blocks": [block([1.0, 0.02], family="slow")]})
    for _ in range(20):
        assert 200 == call()[0]
    outcomes = [outcome for _ in range(3) for outcome in at_once([call] * 40)]
    assert 120 == len(outcomes)
    return {status for status, _ in outcomes}


@pytest.mark.slow
def test_burst_after_a_quiet_time_is_not_shed(slow: dict[str, Path], tmp_path: Path) -> None:
    """Every call of it is answered."""
    with model_server(slow["data"], tmp_path / "log", TWOTIER_FAMILIES=str(slow["families"])) as tier:
        assert {200} == burst(tier)


@pytest.mark.slow
def test_burst_is_shed_by_bentomls_own_batcher(slow: dict[str, Path], tmp_path: Path) -> None:
    """The negative control: told that 50 ms are too long, it answers many calls 503 that it could have scored in time."""
    port = free_port()
    settings = {"TWOTIER_DATA": str(slow["data"]), "TWOTIER_FAMILIES": str(slow["families"]), "MODEL_SERVER_PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    with running("tests.integration.model_server_variant", url, tmp_path / "log", settings, "50") as tier:
        assert {200, 503} == burst(tier)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"MODEL_SERVER_PORT": "70000"}, "MODEL_SERVER_PORT"),
        ({"MODEL_SERVER_PROT": "3000"}, "did you mean MODEL_SERVER_PORT?"),
        ({"REGISTRY_LEDGER_URL": "sqlite:////dev/null/ledger.sqlite"}, "ledger_url"),
        ({"MODEL_SERVER_HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1:"),
        ({"MODEL_SERVER_HOST": "no such host"}, "cannot listen on no such host:"),
        ({"MODEL_SERVER_HOST": "2001:db8::1"}, "cannot listen on 2001:db8::1:"),
    ],
)
def test_wrong_configuration_is_one_line(trained_data: Path, tmp_path: Path, environment: dict[str, str], said: str) -> None:
    """It names the setting, exits 2, and shows no traceback."""
    with model_server(trained_data, tmp_path / "log", None, **environment) as tier:
        assert 2 == tier.process.wait(60)
    (line,) = (tmp_path / "log").read_text().splitlines()
    told = json.loads(line)
    assert ("configuration", "error") == (told["event"], told["level"])
    assert said in told["detail"]
    assert "Traceback" not in line


def test_port_in_use_is_one_line(trained_data: Path, tmp_path: Path) -> None:
    """It says which, and what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with model_server(trained_data, tmp_path / "log", port) as tier:
            assert 2 == tier.process.wait(60)
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use)" in json.loads(line)["detail"]
