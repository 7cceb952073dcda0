"""A program: publish so many versions, one after the other, as fast as it can.

`python -m tests.integration.registry.publishing DATA COUNT [LEDGER_URL]` prints the names of its versions. It begins once its standard
input is closed, so that several can begin at once.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.unit.registry.kit import opened, publish


def main(data: Path, count: int, ledger_url: str | None = None) -> None:
    """Open the registry and publish."""
    sys.stdin.read()
    registry = opened(data, ledger_url=ledger_url)
    for _ in range(count):
        print(publish(registry).name)
    registry.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
