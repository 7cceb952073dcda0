"""`twotier up`: both tiers as real processes, from raw data to an orderly end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.asking import ask, post
from tests.e2e.tiers import problem
from tests.integration.model_server_calls import eventually, metric
from tests.processes import START_SECONDS, free_port
from tests.shell import in_shell
from twotier.cli.addresses import why_not_free
from twotier.client import Client, NoAnswer, Problem
from twotier.families.iris import FAMILY
from twotier.model_server.cpus import allowed_cpus


TRAINING_SECONDS = 240.0
"""How long training every family and starting both tiers may take on a machine that others use too: no claim about how long it does."""


@pytest.fixture
def environment(raw_data: Path) -> dict[str, str]:
    """Settings for a data folder in which nothing is trained, and for free ports."""
    ports = {f"{name}_PORT": str(free_port()) for name in ("GATEWAY", "MODEL_SERVER", "TRAINING")}
    return {**os.environ, **ports, "TWOTIER_DATA": str(raw_data), "BENTOML_DO_NOT_TRACK": "True"}


def _up(environment: dict[str, str], log: Path, *options: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen([sys.executable, "-m", "twotier.cli", "up", *options], env=environment, stdout=output, stderr=output)


def _free_ports(count: int) -> list[int]:
    """Free ports in sequence."""
    while True:
        first = free_port()
        ports = list(range(first, first + count))
        if not any(why_not_free("127.0.0.1", port) for port in ports):
            return ports


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


def _tier(process: subprocess.Popen[bytes], module: str, setting: str = "") -> psutil.Process:
    """The child that runs the module, with `NAME=value` in its environment if there are several."""
    name, _, value = setting.partition("=")
    children = (child for child in psutil.Process(process.pid).children() if module in child.cmdline())
    (found,) = (child for child in children if child.environ().get(name, "") == value)
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
        # The shortest row there is to try is a text.
        answer = json.loads(in_shell(curl).stdout)
        assert ("POSITIVE", "log_reg_1") == (answer["label"], answer["model_name"])

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


@pytest.mark.timeout(5 * START_SECONDS)
def test_several_of_each(environment: dict[str, str], all_trained: Path, tmp_path: Path) -> None:
    """Two gateways on one port and two model servers share the calls; one that is killed comes back while the others answer."""
    # Picked together: none of them is taken yet, so two sequences could overlap.
    public, *own, first, second = _free_ports(5)
    back = [first, second]
    data = shutil.copytree(all_trained, tmp_path / "trained")
    environment |= {"GATEWAY_PORT": str(public), "MODEL_SERVER_PORT": str(back[0]), "TWOTIER_DATA": str(data)}
    shared, *owned = (f"http://127.0.0.1:{port}" for port in (public, *own))
    log = tmp_path / "log"
    process = _up(environment, log, "--gateways", "2", "--model-servers", "2")
    try:
        _wait_for("Ctrl-C stops it", log, process, 2 * START_SECONDS)
        assert f"Each gateway has metrics of its own: {owned[0]}/metrics {owned[1]}/metrics" in log.read_text()
        # A gateway is ready with one of them, and sends nothing to one that has not answered its polls yet.
        assert eventually(lambda: all(["up", "up"] == _model_servers(url) for url in owned))
        for _ in range(40):
            assert 200 == post(f"{shared}/iris/predict", FAMILY.examples[0].row).status
        counts = [metric(url, r'twotier_gateway_requests_total.*route="/iris/predict"') for url in owned]
        assert 40 == sum(counts) and all(counts)
        assert all(metric(f"http://127.0.0.1:{port}", "model_server_rows_total") for port in back)
        answered = ask(f"{shared}/metrics")
        said = problem(answered, 421, "metrics-elsewhere")
        assert any(f"at port {port}," in said["detail"] for port in own)
        assert 200 == ask(shared + said["type"]).status

        cpus = str(max(1, allowed_cpus() // 2))
        servers = [_tier(process, "twotier.model_server", f"MODEL_SERVER_PORT={port}") for port in back]
        assert [cpus, cpus] == [server.environ()["MODEL_SERVER_THREADS"] for server in servers]
        ran = subprocess.run([sys.executable, "-m", "twotier.cli", "doctor"], env=environment, capture_output=True, text=True)
        assert f"127.0.0.1 port {public}: a gateway is running there" in ran.stdout
        assert f"127.0.0.1 port {back[0]}: a model server is running there" in ran.stdout
        assert 0 == ran.returncode, ran.stdout

        killed = (_tier(process, "twotier.gateway", f"GATEWAY_OWN_PORT={own[0]}"), "gateway 1", owned[0])
        for tier, name, url in (killed, (servers[1], "model server 2", f"http://127.0.0.1:{back[1]}")):
            tier.kill()
            tier.wait()
            _wait_for(f"the {name} was ended by SIGKILL: starting it again", log, process)
            assert 200 == post(f"{shared}/iris/predict", FAMILY.examples[0].row).status
            assert eventually(lambda: _is_ready(url))
            assert 200 == post(f"{shared}/iris/predict", FAMILY.examples[0].row).status
        assert 2 == log.read_text().count("starting it again")
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(START_SECONDS)

    assert 0 == code, log.read_text()
    assert [None] * 5 == [why_not_free("127.0.0.1", port) for port in (public, *own, *back)]
    order = [line for line in log.read_text().splitlines() if '"Finished server process' in line]
    assert ['"gateway"' in line for line in order] == [True, True, False, False, False]


def _model_servers(url: str) -> list[str]:
    """What a gateway says of each of them."""
    return [each["status"] for each in ask(url + "/readyz").json["dependencies"]]


def _is_ready(url: str) -> bool:
    with contextlib.suppress(OSError):
        return ask(f"{url}/readyz").status == 200
    return False


@pytest.mark.parametrize("taken", range(5))
def test_each_port_of_several_is_looked_at_first(environment: dict[str, str], taken: int) -> None:
    """Whichever of the ports is taken, that is said before anything is started; a port of its own can be moved with all the others."""
    ports = _free_ports(5)
    name = "GATEWAY" if taken < 3 else "MODEL_SERVER"
    with socket.create_server(("127.0.0.1", ports[taken])):
        ran = subprocess.run(
            [sys.executable, "-m", "twotier.cli", "up", "--gateways", "2", "--model-servers", "2"],
            env={**environment, "GATEWAY_PORT": str(ports[0]), "MODEL_SERVER_PORT": str(ports[3])},
            capture_output=True,
            text=True,
        )

    assert (2, "") == (ran.returncode, ran.stdout)
    assert f"cannot listen on 127.0.0.1 port {ports[taken]} (Address already in use): " in ran.stderr
    assert ran.stderr.endswith(f"set {name}_PORT to another port\n")


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
