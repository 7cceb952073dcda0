"""Both tiers, started for a load and ended after it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tiers:
    """What runs."""

    url: str
    """The gateway's address."""

    process: int
    """Id of the supervisor, whose children the tiers are."""


@contextlib.contextmanager
def tiers() -> Iterator[Tiers]:
    """Start both tiers on free ports, over the data folder of the settings; ready when they are handed out."""
    ports = {f"{name}_PORT": _free_port() for name in ("GATEWAY", "MODEL_SERVER", "TRAINING")}
    environment = {**os.environ, **ports, "GATEWAY_ACCESS_LOG": "false"}
    with subprocess.Popen([sys.executable, "-m", "twotier.cli", "up"], env=environment, stdout=subprocess.PIPE) as up:
        assert up.stdout is not None
        try:
            if not any(b"twotier is ready" in line for line in up.stdout):
                sys.exit("the tiers did not start: see above")
            yield Tiers(f"http://127.0.0.1:{ports['GATEWAY_PORT']}", up.pid)
        finally:
            up.terminate()
            up.communicate()


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
