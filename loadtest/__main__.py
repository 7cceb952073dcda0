"""`python -m loadtest`: locust's users against a gateway for a bounded time. The exit code is 1 if any answer was wrong.

Without `--host`, both tiers are started on free ports, over the data folder of the settings, and stopped in the end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from loadtest.tiers import tiers

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
    with ExitStack() as stack:
        host = given.host or stack.enter_context(tiers()).url
        return subprocess.run(
            [
                *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--only-summary", "--host", host),
                *("--users", str(given.users), "--spawn-rate", str(given.users), "--run-time", f"{given.seconds}s"),
                *("--stop-timeout", "10", USERS[given.scenario]),
            ],
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
