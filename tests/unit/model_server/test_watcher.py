"""The watcher follows the ledger, and outlives a ledger that cannot be read."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from structlog.testing import capture_logs

from tests.unit.model_server.shelves import rig, unreadable_ledger
from tests.versions import promote
from twotier.model_server.watcher import Watcher


def eventually(true: Callable[[], bool]) -> bool:
    """Whether it comes true within a time that is no claim about how long it takes."""
    deadline = time.monotonic() + 60
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def test_watcher_follows_a_moved_alias(data: Path) -> None:
    """Without anybody asking; stopped, it follows no more."""
    with rig(data) as made:
        watcher = Watcher(made.shelf, 0.01)
        watcher.start()
        promote(data, "log_reg_2")
        assert eventually(lambda: made.answers() == "log_reg_2")
        watcher.stop()
        assert not watcher.is_alive()
        promote(data, "log_reg_3")
        time.sleep(0.05)
        assert "log_reg_2" == made.answers()


def test_unreadable_ledger_is_said_once(data: Path) -> None:
    """Once when it goes, once when it is back, however often it was tried between; the thread lives on."""
    with rig(data) as made, capture_logs() as logs:
        watcher = Watcher(made.shelf, 0.01)
        watcher.look()
        assert watcher.problem is None
        with unreadable_ledger(data):
            for _ in range(3):
                watcher.look()
            assert "the ledger cannot be read (OperationalError): see the model server's log" == watcher.problem
            watcher.start()
        promote(data, "log_reg_2")
        assert eventually(lambda: made.answers() == "log_reg_2")
        watcher.stop()
        assert watcher.problem is None
    assert ["ledger_unreadable", "ledger_readable"] == [log["event"] for log in logs if log["event"].startswith("ledger")]
