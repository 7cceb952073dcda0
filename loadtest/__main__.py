"""`python -m loadtest`: locust's users against a gateway for a bounded time. The exit code is 1 if any answer was wrong.

Without `--host`, both tiers are started on free ports, over the data folder of the settings, and stopped in the end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

USERS = {"single": "SingleUser", "batch": "BatchUser", "mixed": "MixedUser"}

LOCUSTFILE = Path(__file__).with_name("locustfile.py")


def main() -> int:
    """Run it."""
    options = argparse.ArgumentParser(prog="python -m loadtest", description=__doc__)
    options.add_argument("--host", help="the gateway's address; without it, both tiers are started here")
    options.add_argument("--users", type=int, default=20, help="how many ask at the same time")
    options.add_argument("--seconds", type=int, default=30, help="for how long")
    options.add_argument("--scenario", choices=USERS, default="mixed", help="what they ask for")
    given = options.parse_args()
    with contextlib.nullcontext(given.host) if given.host else _tiers() as host:
        return subprocess.run(
            [
                *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--only-summary", "--host", host),
                *("--users", str(given.users), "--spawn-rate", str(given.users), "--run-time", f"{given.seconds}s"),
                *("--stop-timeout", "10", USERS[given.scenario]),
            ],
            check=False,
        ).returncode


@contextlib.contextmanager
def _tiers() -> Iterator[str]:
    """Both tiers, ready: the gateway's address."""
    ports = {name: _free_port() for name in ("GATEWAY_PORT", "MODEL_SERVER_PORT", "TRAINING_PORT")} | {"GATEWAY_ACCESS_LOG": "false"}
    with subprocess.Popen([sys.executable, "-m", "twotier.cli", "up"], env={**os.environ, **ports}, stdout=subprocess.PIPE) as tiers:
        assert tiers.stdout is not None
        try:
            if not any(b"twotier is ready" in line for line in tiers.stdout):
                sys.exit("the tiers did not start: see above")
            yield f"http://127.0.0.1:{ports['GATEWAY_PORT']}"
        finally:
            tiers.terminate()
            tiers.communicate()


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
