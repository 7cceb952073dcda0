"""A lane: the rows that wait for one version of one family, and the few calls that carry them to a model server.

It does no I/O: the clock, the sender and the sizes are handed in, and it is told what became of each parcel. Its rules:

1. A parcel is sent as soon as a slot is free, never on a timer: an idle lane adds no wait, and a busy one batches by itself.
2. A parcel takes at most `max_rows`, which callers share evenly, but of long calls fewer, unless the lane is alone. One slot of several is
   kept from long calls, and while the lane gives way (`precedence.py`) they have none: so one caller's ten thousand rows hold up nobody's
   single row. Where they may fill a parcel, short calls are first in every second one.
3. No row is sent after its caller's deadline, or once its caller has left.
4. A lane is bounded: rows beyond `max_queued`, and rows that cannot be answered in their time at the pace of late, are refused at once.
5. A parcel that fails in a way that may be the fault of one caller's rows is halved and sent again, until only the guilty are left.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from twotier.errors import Overloaded, TwotierError, UpstreamInvalid, UpstreamTimeout
from twotier.gateway.forwarding import Scores
from twotier.gateway.parcels import Call, Parcel, Part, joined

__all__ = ["Lane", "Sizes", "most_rows"]

_MAX_CELLS = 4096
"""Values in a parcel of more than one row."""

_MAX_CELLS_LONG = 512
_MAX_ROWS_LONG = 64
"""Values and rows of long calls in a parcel. A call that has more is long."""

_LEARNING = 0.2
"""How much one parcel says about the lane's pace, and how much the ones before it do."""

_MOMENT = 0.01
"""Seconds by which two timers for the same moment may differ."""

_LONGEST_WAIT = 30
"""The most seconds that a refused caller is told to wait."""


def most_rows(max_rows: int, width: int) -> int:
    """How many rows of so many values travel together, of `max_rows` at most: wide rows cost as much as so many more."""
    return max(1, min(max_rows, _MAX_CELLS // width))


@dataclass(slots=True)
class Sizes:
    """How large everything may grow; read anew whenever it matters."""

    slots: int
    """Parcels under way at once."""

    max_rows: int
    """Rows in a parcel, unless they are wide."""

    max_queued: int
    """Rows that wait. A lane without any takes one call of whatever length."""


class Lane:
    """See the module. `send` is handed parcels, and is to have `answered` or `failed` called for each. A row has `width` values."""

    def __init__(self, clock: Callable[[], float], send: Callable[[Parcel], None], sizes: Sizes, width: int = 1) -> None:
        self._clock = clock
        self._send = send
        self._sizes = sizes
        self._width = width
        # Calls with rows that wait. Ordered, and a caller who leaves is out at once.
        self._short: OrderedDict[Call, None] = OrderedDict()
        self._long: OrderedDict[Call, None] = OrderedDict()
        self._short_first = False
        self._halved: deque[Parcel] = deque()
        self._last_full = 0.0
        self.queued = 0
        """Rows that wait."""

        self.gives_way = False
        """Whether long calls wait; `pump` when it is over."""

        self.alone = False
        """Whether no short call of any lane would wait for many rows of a long one."""

        self.under_way: set[Parcel] = set()
        """Parcels that have been sent and are not back. Of one that comes back twice, only the first time counts."""

        self.seconds_per_row = 0.0
        """The pace of late, over all slots together; 0 if nothing is known of it."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not (self.queued or self.under_way or self._halved)

    @property
    def max_rows(self) -> int:
        """Rows in a parcel."""
        return most_rows(self._sizes.max_rows, self._width)

    @property
    def _most_of_long(self) -> int:
        return max(1, min(self._sizes.max_rows, _MAX_ROWS_LONG, _MAX_CELLS_LONG // self._width))

    def admit(self, rows: Sequence[list[Any]], deadline: float, settle: Callable[[Call], None]) -> Call:
        """Queue a caller's rows; `pump` sends them. Raises Overloaded and UpstreamTimeout."""
        now = self._clock()
        if now >= deadline:
            raise UpstreamTimeout("the call's budget was spent before the model server could be asked")
        # Going round, each caller before this one has at most as many rows sent before these have all been.
        wait = min(self.queued, (len(self._long) + len(self._short)) * len(rows)) * self.seconds_per_row
        full = self.queued + len(rows) > self._sizes.max_queued
        if self.queued and (full or now + wait > deadline):
            back = max(1, min(math.ceil(wait), _LONGEST_WAIT))
            raise Overloaded("more rows wait than can be answered in time", back, "queue_full" if full else "hopeless")
        call = Call(rows, deadline, settle, now, unanswered=len(rows), long=len(rows) > self._most_of_long)
        if len(rows) > 1:
            call.answers = [None] * len(rows)
            call.versions = [""] * len(rows)
        if call.long and not self._long:
            # Of those who are there now, nothing is known.
            self.alone = False
        self._queue(call)[call] = None
        self.queued += len(rows)
        return call

    def leave(self, call: Call) -> None:
        """Its caller waits no longer: rows that are not yet sent never will be, and nobody is told of those that are."""
        if call.ended is None:
            self._end(call)

    def expire(self, call: Call) -> None:
        """Its deadline has passed."""
        if call.ended is None:
            self._settle(call, call.late())

    def pump(self, reason: str = "free") -> None:
        """Send while there is something to send and a slot to send it in."""
        while len(self.under_way) < self._sizes.slots and (parcel := self._next(reason)) is not None:
            self.under_way.add(parcel)
            self._send(parcel)

    def answered(self, parcel: Parcel, scores: Scores) -> None:
        """A parcel came back: one answer per row, in order."""
        if parcel not in self.under_way:
            return
        self.under_way.remove(parcel)
        self._learn(parcel)
        at = 0
        for part in parcel.parts:
            call, count = part.call, part.stop - part.start
            if call.ended is None and self._clock() >= call.deadline:
                # Its timer is about to say so. The model server may have left the rows out.
                self._settle(call, call.late())
            elif call.ended is None:
                self._fill_in(part, scores, at)
            at += count
        self.pump("freed")

    def failed(self, parcel: Parcel, error: TwotierError) -> None:
        """A parcel did not come back. If that may be one caller's rows' fault, it is halved, so that the others are answered."""
        if parcel not in self.under_way:
            return
        self.under_way.remove(parcel)
        parts = [part for part in parcel.parts if part.call.ended is None]
        # Whoever is left of several may be innocent: the guilty one may be late by now, or have left.
        if isinstance(error, UpstreamInvalid) and len(parcel.parts) > 1 and parcel.allowance[0] > 1:
            parcel.allowance[0] -= 2
            middle = len(parts) // 2
            self._halved.extend(Parcel(half, "halved", 0.0, parcel.allowance) for half in (parts[:middle], parts[middle:]) if half)
        else:
            for part in parts:
                self._settle(part.call, self._told(error, part.call))
        self.pump("freed")

    def _told(self, error: TwotierError, call: Call) -> TwotierError:
        """The carrier may see that the time is over a moment before the lane does, and knows less of where it went."""
        over = isinstance(error, UpstreamTimeout) and self._clock() >= call.deadline - _MOMENT
        return call.late() if over else error

    def _next(self, reason: str) -> Parcel | None:
        now = self._clock()
        while self._halved:
            parcel = self._halved.popleft()
            self._drop_late(parcel.parts, now)
            parcel.parts = [part for part in parcel.parts if part.call.ended is None]
            if parcel.parts:
                parcel.sent = now
                return parcel
        stay = self.gives_way or sum(parcel.long for parcel in self.under_way) >= max(1, self._sizes.slots - 1)
        spare = 0 if stay else self.max_rows if self.alone else self._most_of_long
        parts, full = self._take(now, spare)
        if not parts:
            return None
        # One guilty caller among n is found in log2(n) halvings, of which each makes two parcels.
        return Parcel(parts, "full" if full else reason, now, [2 * len(parts).bit_length()])

    def _take(self, now: float, spare: int) -> tuple[list[Part], bool]:
        """Take rows for one parcel off the queues, at most `spare` of them of long calls, and say whether there was no room for more.

        It goes round the callers so that each gets an even share of what room is left.
        """
        room, parts, may_be_long = self.max_rows, list[Part](), bool(spare)
        # Long calls that could fill the parcel must not do so each time; where they cannot, they may have all that is theirs.
        bounded = spare < room
        if self._long and self._short and not bounded:
            self._short_first = not self._short_first
        while room and (waiting := (len(self._long) if spare else 0) + len(self._short)):
            share = max(1, room // waiting)
            of_long = max(1, spare // max(1, len(self._long))) if bounded else share
            queues = (self._long if spare else (), self._short)
            for call in list(islice(chain(*(reversed(queues) if self._short_first and not bounded else queues)), room)):
                if now >= call.deadline:
                    self._settle(call, call.late())
                    continue
                start = call.taken
                call.taken = stop = min(start + min(room, min(of_long, spare) if call.long else share), len(call.rows))
                taken = stop - start
                if not taken:
                    continue
                if call.sent is None:
                    call.sent = now
                parts.append(Part(call, start, stop))
                room -= taken
                spare -= taken if call.long else 0
                self.queued -= taken
                # Whoever is served goes to the end.
                queue = self._queue(call)
                del queue[call]
                if stop < len(call.rows):
                    queue[call] = None
                if not room:
                    break
        return joined(parts), not room or (may_be_long and not spare)

    def _queue(self, call: Call) -> OrderedDict[Call, None]:
        return self._long if call.long else self._short

    def _drop_late(self, parts: Sequence[Part], now: float) -> None:
        for part in parts:
            if part.call.ended is None and now >= part.call.deadline:
                self._settle(part.call, part.call.late())

    def _fill_in(self, part: Part, scores: Scores, at: int) -> None:
        call, count = part.call, part.stop - part.start
        if len(call.rows) == 1:
            call.answers = [scores.answers[at]]
            call.versions = [scores.version]
        else:
            call.answers[part.start : part.stop] = scores.answers[at : at + count]
            call.versions[part.start : part.stop] = [scores.version] * count
        call.model_seconds += scores.model_seconds
        call.unanswered -= count
        if not call.unanswered:
            self._settle(call, None)

    def _learn(self, parcel: Parcel) -> None:
        """Learn the pace from the time since the full parcel before it came back, or since it was sent if there was none under way then.

        A small parcel has much time per row, which says nothing of the pace of a busy lane but that it is no slower than that.
        """
        now, full = self._clock(), parcel.reason == "full"
        pace = (now - max(parcel.sent, self._last_full if full else 0.0)) / parcel.size
        if full or pace < self.seconds_per_row:
            self.seconds_per_row += (pace - self.seconds_per_row) * (_LEARNING if self.seconds_per_row else 1.0)
        if full:
            self._last_full = now

    def _settle(self, call: Call, error: TwotierError | None) -> None:
        call.error = error
        self._end(call)
        call.settle(call)

    def _end(self, call: Call) -> None:
        call.ended = self._clock()
        self.queued -= len(call.rows) - call.taken
        self._queue(call).pop(call, None)
