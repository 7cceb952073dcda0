"""Start the two tiers as the real processes they are, on free ports, and stop them by their own id."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.together import worker

START_SECONDS = 60.0
"""How long a tier may take to start on a loaded machine before the test gives up: not a claim about how long it takes."""

PATIENT_MS = 60_000
"""How long a prediction may take that is to succeed, in milliseconds."""


_PORTS = itertools.cycle(random.sample(range(20_000 + 1_500 * (worker() % 8), 21_500 + 1_500 * (worker() % 8)), 1_500))
"""This worker's own: what another run or worker chooses in the seconds until a tier has bound its port is hardly ever the same. They are
below those that the system gives to outgoing connections."""


def free_port() -> int:
    """A port that nobody listens on now. Each is offered once before any is offered again."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port := next(_PORTS)))
            return port


@dataclass
class Tier:
    """One running process of one tier."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self.process.send_signal(number)

    def wait_ready(self, path: str = "/readyz", seconds: float = START_SECONDS) -> None:
        """Wait until `path` answers 200."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log.read_text()}"
            with contextlib.suppress(OSError, urllib.error.HTTPError):
                if urllib.request.urlopen(self.url + path, timeout=5).status == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"not ready after {seconds} s:\n{self.log.read_text()}")

    def stop(self, seconds: float = 20.0) -> int:
        """Ask it to end, as an orchestrator would, and say with which code it did."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        return self.process.wait(seconds)


@contextlib.contextmanager
def running(module: str, url: str, log: Path, environment: Mapping[str, str], *arguments: str) -> Iterator[Tier]:
    """`python -m module arguments`, ended when the block is left; its output goes to `log`."""
    command = [sys.executable, "-m", module, *arguments]
    with log.open("ab") as output:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
    tier = Tier(process, url, log)
    try:
        yield tier
    finally:
        try:
            tier.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def model_server(data: Path, log: Path, port: int | None = None, **environment: str) -> Iterator[Tier]:
    """A model server over the registry in `data`; not yet ready."""
    port = port or free_port()
    settings = {"TWOTIER_DATA": str(data), "MODEL_SERVER_PORT": str(port), "BENTOML_DO_NOT_TRACK": "True", **environment}
    with running("twotier.model_server", f"http://127.0.0.1:{port}", log, settings) as tier:
        yield tier


@contextlib.contextmanager
def training(data: Path, log: Path, **environment: str) -> Iterator[Tier]:
    """A training service that trains in `data`; ready. Its trainings stand back but a little: other tests may use the machine, too."""
    port = free_port()
    settings = {"TWOTIER_DATA": str(data), "TRAINING_PORT": str(port), "TRAINING_NICENESS": "1", **environment}
    with running("model_training", f"http://127.0.0.1:{port}", log, settings) as tier:
        tier.wait_ready()
        yield tier


@contextlib.contextmanager
def gateway(model_server_url: str, log: Path, port: int | None = None, **environment: str) -> Iterator[Tier]:
    """A gateway in front of the model server at that address; not yet ready. It is as patient as a machine needs that is busy with other
    tests: those that are about time say how much there is.
    """
    port = port or free_port()
    patient = {"GATEWAY_BUDGET_MS": str(PATIENT_MS), "GATEWAY_CANARY_PATIENCE_MS": str(PATIENT_MS // 4), "GATEWAY_CONNECT_SECONDS": "30"}
    settings = {"GATEWAY_PORT": str(port), "GATEWAY_MODEL_SERVERS": f'["{model_server_url}"]', **patient, **environment}
    with running("twotier.gateway", f"http://127.0.0.1:{port}", log, settings) as tier:
        yield tier
