"""The thread that follows the ledger, so that a moved alias serves without a restart."""

from __future__ import annotations

import threading

import structlog

from twotier.model_server.shelf import Shelf

_log = structlog.get_logger()


class Watcher(threading.Thread):
    """Refreshes the shelf until it is stopped, whatever happens to the ledger meanwhile."""

    def __init__(self, shelf: Shelf, poll_seconds: float) -> None:
        super().__init__(name="watcher", daemon=True)
        self._shelf = shelf
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        self._looking = threading.Lock()
        self.problem: str | None = None
        """Why the ledger could not be read when it was last tried."""

    def run(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            self.look()

    def look(self) -> None:
        """Refresh the shelf once, while nobody else does.

        A ledger that cannot be read is said once in the log, and so is that it can be read again.
        """
        with self._looking:
            self._look()

    def _look(self) -> None:
        try:
            self._shelf.refresh()
        except Exception as error:
            if self.problem is None:
                _log.error("ledger_unreadable", detail="what is loaded goes on serving", exc_info=error)
            self.problem = f"the ledger cannot be read ({type(error).__name__}): see the model server's log"
        else:
            if self.problem is not None:
                _log.info("ledger_readable")
            self.problem = None

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self._stopped.set()
        self.join()
