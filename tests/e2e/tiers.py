"""Both tiers as the processes they are, one in front of the other, and what is said of their answers."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.asking import Answered, ask
from tests.integration.model_server_calls import eventually, metric
from tests.processes import Tier, gateway, model_server
from tests.shell import in_shell

ROW = {"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}
"""The README's row, which is answered `Iris-virginica`."""

STARTING = {"MODEL_SERVER_DRAIN_SECONDS": "0", "GATEWAY_DRAIN_SECONDS": "0"}
"""No time is spent on waiting for load balancers, unless a test is about that."""


def answer(version: str = "log_reg_1") -> bytes:
    """What the README's row is answered by that version, to the byte."""
    return b'{"output":"Iris-virginica","model_name":"%s"}' % version.encode()


@dataclass(frozen=True)
class Tiers:
    """A running gateway, the running model server behind it, and their data folder."""

    front: Tier
    back: Tier
    data: Path

    @property
    def predict(self) -> str:
        """Where irises are predicted."""
        return self.front.url + "/iris/predict"

    def runs(self, command: str) -> str:
        """Run a line of shell beside the tiers, with their data and addresses; it must end well. What it printed is returned."""
        ports = {"GATEWAY_PORT": self.front.url.rpartition(":")[2], "MODEL_SERVER_PORT": self.back.url.rpartition(":")[2]}
        return in_shell(command, {**os.environ, "TWOTIER_DATA": str(self.data), **ports}).stdout

    def readiness(self) -> Any:
        """What /readyz says; its key `ready` goes with its status."""
        answered = ask(self.front.url + "/readyz")
        said = answered.json if answered.status == 200 else problem(answered, 503, "not-ready")
        assert (answered.status == 200) == said["ready"]
        return said

    def iris(self) -> Any:
        """What /readyz says of the family iris."""
        return self.readiness()["families"]["iris"]

    def wait_calls(self, count: int) -> None:
        """Wait until that many calls wait for the model server, which answers no more: in the gateway, which merges them, or on their way.
        One whose answer has come and is only to be passed on does not wait: it would end between two looks.
        """

        def ended() -> float:
            return metric(self.front.url, r'twotier_gateway_requests_total\{method="POST"')

        def waiting() -> bool:
            before = ended()
            time.sleep(0.1)
            # The call that asks for the metrics is one of those in flight.
            return metric(self.front.url, "twotier_gateway_requests_in_flight ") == count + 1 and ended() == before

        assert eventually(waiting)


@contextlib.contextmanager
def tiers(data: Path, folder: Path, **environment: str) -> Iterator[Tiers]:
    """Start both tiers over a data folder, and end them. Ready when they are handed out; their logs are in `folder`."""
    settings = {**STARTING, **environment}
    with model_server(data, folder / "model_server.log", None, **settings) as back:
        with gateway(back.url, folder / "gateway.log", None, **settings) as front:
            front.wait_ready()
            yield Tiers(front, back, data)


UNAVAILABLE = ("model-server-unavailable", "circuit-open")
"""What calls are answered that found the model server gone, and those after them that were not even sent."""


def problem(answered: Answered, status: int, *slugs: str) -> Any:
    """The problem that was answered: of one of those kinds, small, and with an explanation at its type's address."""
    made = answered.json
    # Clients of the inference protocol are told in a form of their own too, and look for it in plain JSON.
    kind = "application/json" if "error" in made else "application/problem+json"
    assert (status, kind) == (answered.status, answered.headers["Content-Type"]), answered
    assert len(answered.body) < 64 * 1024
    assert made["type"] in {f"/problems/{slug}" for slug in slugs} and status == made["status"], made
    assert answered.headers["X-Request-ID"] == made["instance"]
    return made
