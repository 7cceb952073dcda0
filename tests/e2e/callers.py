"""Callers of the gateway who send one call after another all the while, and remember every one."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.asking import Answered, post
from tests.integration.model_server_calls import eventually


@dataclass(frozen=True, slots=True)
class Call:
    """One call and what became of it. Times are of `time.monotonic()`."""

    caller: int
    sent_at: float
    done_at: float
    answered: Answered | None
    """None: the connection broke or was refused."""

    @property
    def status(self) -> int:
        """The answer's status; 0 if there was none."""
        return self.answered.status if self.answered else 0

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return self.answered.body if self.answered else b""


@dataclass
class Callers:
    """They call while the block runs, each on a new connection per call."""

    url: str
    value: Any
    count: int = 4
    calls: list[Call] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    headers: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Callers:
        self._threads = [threading.Thread(target=self._run, args=(caller,)) for caller in range(self.count)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let each finish the call that it has under way."""
        self.stopped.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int, status: int = 200, body: bytes = b"") -> None:
        """Wait for that many further answers of that status whose body begins so."""
        begin = len(self.calls)
        assert eventually(lambda: sum(call.status == status and call.body.startswith(body) for call in self.calls[begin:]) >= more)

    def statuses(self) -> set[int]:
        """All that there were."""
        return {call.status for call in self.calls}

    def _run(self, caller: int) -> None:
        while not self.stopped.is_set():
            sent_at = time.monotonic()
            answered = self._answered()
            self.calls.append(Call(caller, sent_at, time.monotonic(), answered))

    def _answered(self) -> Answered | None:
        try:
            return post(self.url, self.value, **self.headers)
        except (OSError, http.client.HTTPException):
            # Whoever is refused would otherwise try thousands of times a second.
            time.sleep(0.05)
            return None
