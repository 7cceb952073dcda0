"""When to leave a failing model server alone, and when to try it again. It reads no clock and opens no socket: both are its caller's."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

__all__ = ["PAUSE_SECONDS", "STRIKES", "Breaker", "State"]

STRIKES = 5
"""By how many the failures must outnumber the successes. Less than half of a model server's calls may fail for ever without that, and a
dead one is left alone after five calls."""

PAUSE_SECONDS = 1.0
"""How long a model server is left alone before one call tries it."""


class State(IntEnum):
    """The numbers are those of the metric."""

    CLOSED = 0
    """Calls flow."""

    HALF_OPEN = 1
    """One call is under way, to try it; others are not let through."""

    OPEN = 2
    """No call is let through until the pause is over."""


class Breaker:
    """A circuit breaker. A call enters if it is admitted, and every `enter` is paired with one `leave`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.state = State.CLOSED
        self._clock = clock
        self._strikes = 0
        self._until = 0.0
        self._era = 0

    def admits(self) -> bool:
        """Whether a call may enter now."""
        return self.state is State.CLOSED or self.state is State.OPEN and self._clock() >= self._until

    def end_pause(self) -> None:
        """There is a sign that the model server is back: the next call may try it."""
        self._until = self._clock()

    def enter(self) -> int:
        """Let a call through; what is returned goes to `leave` with its outcome."""
        if self.state is State.OPEN:
            self._become(State.HALF_OPEN)
        return self._era

    def leave(self, era: int, sound: bool | None) -> None:
        """Say what a call showed of the model server: that it is sound, that it is not, or (None) neither.

        A call that entered before the last change of state tells nothing about what has been since, and changes nothing.
        """
        if era != self._era:
            return
        if self.state is State.CLOSED:
            self._count(sound)
        elif sound:
            self._become(State.CLOSED)
        else:
            # A trial that showed nothing is followed by another at once.
            self._open(0.0 if sound is None else PAUSE_SECONDS)

    def _count(self, sound: bool | None) -> None:
        if sound:
            self._strikes = max(0, self._strikes - 1)
        elif sound is False:
            self._strikes += 1
            if self._strikes == STRIKES:
                self._open(PAUSE_SECONDS)

    def _open(self, seconds: float) -> None:
        self._become(State.OPEN)
        self._until = self._clock() + seconds

    def _become(self, state: State) -> None:
        self.state = state
        self._strikes = 0
        self._era += 1
