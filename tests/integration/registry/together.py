"""Several processes that publish at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def publish_together(data: Path, processes: int, count: int, *ledger_url: str) -> list[list[str]]:
    """Let so many processes publish `count` versions each into a registry that may not be there yet; the names by process."""
    command = [sys.executable, "-m", "tests.integration.registry.publishing", str(data), str(count), *ledger_url]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(processes)]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    names = [process.communicate()[0].split() for process in started]
    assert [0] * processes == [process.returncode for process in started]
    return names
