"""A publish that is killed leaves a version, or none: never a half one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_killed_at_every_line(tmp_path: Path) -> None:
    """SIGKILL at any line of a publish leaves every version of the ledger loadable, and the next publish goes on with the next number.

    Control: the last publish is not killed, and its version is there.
    """
    command = [sys.executable, "-m", "tests.integration.registry.killing", str(tmp_path / "data")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3], check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    killed, last = found[:-1], found[-1]
    before: list[str] = []
    for each in found:
        assert each["versions"] in (before, [f"log_reg_{len(before) + 1}", *before]), each
        before = each["versions"]
        assert each["orphan"] in ([], [f"log_reg_{len(before) + 1}"]), each
    assert None is last["line"]
    assert last["versions"][1:] == killed[-1]["versions"]
    assert ([], []) == (last["orphan"], last["leftovers"])
    # The kills did hit every stage: before the files, amid them, between the files and the row, and after the row.
    assert {"database", "keys", "killing", "ledger", "store"} == {each["line"].split(":")[0] for each in killed}
    assert any(each["leftovers"] for each in killed)
    assert any(each["orphan"] for each in killed)
    assert killed[-1]["versions"]
