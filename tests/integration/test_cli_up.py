"""`twotier up`: both tiers as real processes, from raw data to an orderly end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.asking import ask
from tests.processes import START_SECONDS, free_port
from tests.shell import in_shell
from twotier.cli.addresses import why_not_free
from twotier.client import Client, NoAnswer, Problem
from twotier.families.iris import FAMILY


TRAINING_SECONDS = 240.0
"""How long training every family and starting both tiers may take on a machine that others use too: no claim about how long it does."""


@pytest.fixture
def environment(raw_data: Path) -> dict[str, str]:
    """Settings for a data folder in which nothing is trained, and for free ports."""
    ports = {f"{name}_PORT": str(free_port()) for name in ("GATEWAY", "MODEL_SERVER", "TRAINING")}
    return {**os.environ, **ports, "TWOTIER_DATA": str(raw_data), "BENTOML_DO_NOT_TRACK": "True"}


def _up(environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen([sys.executable, "-m", "twotier.cli", "up"], env=environment, stdout=output, stderr=output)


def _wait_for(text: str, log: Path, process: subprocess.Popen[bytes], seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while text not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def _wait_for_answer(environment: dict[str, str]) -> None:
    with Client(f"http://127.0.0.1:{environment['GATEWAY_PORT']}") as client:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                assert {"output": "Iris-virginica", "model_name": "log_reg_1"} == client.predict("iris", FAMILY.examples[0].row)
                return
            except (NoAnswer, Problem):
                assert time.monotonic() < deadline
                time.sleep(0.05)


def _tier(process: subprocess.Popen[bytes], module: str) -> psutil.Process:
    (found,) = (child for child in psutil.Process(process.pid).children() if module in child.cmdline())
    return found


@pytest.mark.timeout(2 * TRAINING_SECONDS)
def test_from_raw_data_to_an_orderly_end(environment: dict[str, str], tmp_path: Path) -> None:
    """It trains what is missing, prints a curl that works, replaces a killed tier, and ends with 0, leaving nothing behind."""
    log = tmp_path / "log"
    process = _up(environment, log)
    try:
        _wait_for("Ctrl-C stops it", log, process, TRAINING_SECONDS)
        lines = log.read_text().splitlines()
        assert "iris log_reg_1" in lines
        assert f"twotier is ready: http://127.0.0.1:{environment['GATEWAY_PORT']}/docs" in lines
        (curl,) = (line for line in lines if line.startswith("  curl "))
        assert {"output": "Iris-virginica", "model_name": "log_reg_1"} == json.loads(in_shell(curl).stdout)

        ordered = ask(f"http://127.0.0.1:{environment['GATEWAY_PORT']}/models/iris/train", "POST", b"")
        assert (202, "log_reg") == (ordered.status, ordered.json["estimator"])

        first = _tier(process, "twotier.gateway")
        first.kill()
        first.wait()
        _wait_for("the gateway was ended by SIGKILL: starting it again", log, process)
        _wait_for_answer(environment)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(START_SECONDS)

    assert 0 == code, log.read_text()
    for name in ("GATEWAY", "MODEL_SERVER", "TRAINING"):
        assert why_not_free("127.0.0.1", int(environment[f"{name}_PORT"])) is None
    order = [line for line in log.read_text().splitlines() if '"Finished server process' in line]
    assert ["gateway", "training", "model_server"] == [json.loads(line)["service"] for line in order]


@pytest.mark.parametrize(("name", "tier"), [("GATEWAY", "gateway"), ("MODEL_SERVER", "model server"), ("TRAINING", "training service")])
def test_a_port_that_is_taken(environment: dict[str, str], name: str, tier: str) -> None:
    """If somebody else listens on a port, that is said in one line before anything is trained or started."""
    with socket.create_server(("127.0.0.1", int(environment[f"{name}_PORT"]))):
        ran = subprocess.run([sys.executable, "-m", "twotier.cli", "up"], env=environment, capture_output=True, text=True)

    assert (2, "") == (ran.returncode, ran.stdout)
    port = environment[f"{name}_PORT"]
    assert (
        f"twotier: the {tier} cannot listen on 127.0.0.1 port {port} (Address already in use): "
        f"stop what listens there, or set {name}_PORT to another port\n"
    ) == ran.stderr


def test_data_that_is_not_there(environment: dict[str, str], tmp_path: Path) -> None:
    """If training cannot begin, its one line is all there is, and nothing is started."""
    ran = subprocess.run(
        [sys.executable, "-m", "twotier.cli", "up"],
        env={**environment, "TWOTIER_DATA": str(tmp_path / "nowhere")},
        capture_output=True,
        text=True,
    )

    assert (2, "") == (ran.returncode, ran.stdout)
    assert ran.stderr.startswith("twotier: ") and "nowhere" in ran.stderr
    assert 1 == len(ran.stderr.splitlines())
