"""Trainings at the same time."""

from __future__ import annotations

from pathlib import Path

from tests.integration.registry.together import publish_together
from tests.unit.registry.kit import opened


def test_processes_publish_at_once(tmp_path: Path) -> None:
    """Processes that begin together in an empty folder make one ledger, one key and one series of numbers, and every version loads."""
    names = publish_together(tmp_path, 3, 6)
    every = {f"log_reg_{number}" for number in range(1, 19)}
    assert (18, every) == (sum(map(len, names)), set().union(*names))
    registry = opened(tmp_path)
    assert every == {registry.load("iris", version.name).card.version for version in registry.versions("iris")}
    registry.close()
    assert 1 == len(list((tmp_path / "keys" / "trusted").iterdir()))
