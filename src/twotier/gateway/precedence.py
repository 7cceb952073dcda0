"""Who goes first: between two parcels of a long call, the short calls that are under way come back.

A lane keeps a slot for short calls, but the model server is there for all lanes, and has one processor or few: a lone caller's call would
share it with the end of one parcel of ten thousand rows and with the beginning of the next. A lane gives way for no longer than its own
parcel took, so that a long call waits no longer than it is served, however slow the others are; and where there are no others, it has
more rows in a parcel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twotier.gateway.lanes import Lane
from twotier.gateway.parcels import Parcel

__all__ = ["Precedence"]


class Precedence:
    """Among the lanes of one gateway. It does no I/O: `later` is to call a function after so many seconds."""

    def __init__(self, clock: Callable[[], float], later: Callable[[float, Callable[[], None]], Any]) -> None:
        self._clock = clock
        self._later = later
        self._short: set[Parcel] = set()
        self._short_sent = 0.0
        # What each lane that gives way waits for. Few do, so they are looked through.
        self._ahead: dict[Lane, set[Parcel]] = {}

    def sent(self, parcel: Parcel) -> None:
        """A parcel is sent."""
        if not parcel.long:
            self._short.add(parcel)
        if not all(part.call.long for part in parcel.parts):
            self._short_sent = parcel.sent

    def back(self, lane: Lane, parcel: Parcel) -> None:
        """A lane's parcel came back, and the lane is about to be told."""
        self._short.discard(parcel)
        for other, ahead in list(self._ahead.items()):
            ahead.discard(parcel)
            if not ahead:
                self._go_on(other, ahead)
        if parcel.long:
            lane.alone = not self._short and self._short_sent < parcel.sent
            if self._short and lane not in self._ahead:
                lane.gives_way = True
                ahead = self._ahead[lane] = set(self._short)
                self._later(self._clock() - parcel.sent, partial(self._go_on, lane, ahead))

    def _go_on(self, lane: Lane, ahead: set[Parcel]) -> None:
        if self._ahead.get(lane) is ahead:
            del self._ahead[lane]
            lane.gives_way = False
            lane.pump("freed")
