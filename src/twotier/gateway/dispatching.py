"""The lanes at work: callers wait in them, and their rows travel together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from structlog import get_logger

from twotier.errors import Overloaded, TwotierError, UpstreamTimeout, UpstreamUnavailable
from twotier.gateway.forwarding import Ask, Carry, Scores, Timing
from twotier.gateway.lanes import Lane, Sizes
from twotier.gateway.metrics import Metrics
from twotier.gateway.parcels import Call, Parcel
from twotier.gateway.precedence import Precedence

__all__ = ["Dispatching"]

_MAX_LANES = 256
"""Lanes beyond this number are forgotten as soon as they are idle: callers may pin names without end."""

_AT_ONCE = 16
"""Callers who go on in one turn of the event loop. A full parcel has many times as many, and whoever comes meanwhile would wait for all."""

_TURNS = 3
"""Turns of the event loop that a parcel of a long call waits: by then, whoever was answered a moment ago has been sent the answer."""

_log = get_logger(__name__)

_Key = tuple[str, str, frozenset[str]]


class Dispatching:
    """A `Forward` that merges the rows of equal asks."""

    def __init__(self, carrier: Carry, sizes: Sizes, servers: Callable[[], int], metrics: Metrics) -> None:
        """`sizes.slots` is meant for one model server; `servers` says how many can be asked now."""
        self._carrier = carrier
        self._sizes = Sizes(sizes.slots, sizes.max_rows, sizes.max_queued)
        self._slots_per_server = sizes.slots
        self._servers = servers
        self._metrics = metrics
        self._lanes: dict[_Key, _Busy] = {}
        self._contexts: dict[Call, Context] = {}
        self._precedence = Precedence(time.monotonic, lambda seconds, then: asyncio.get_running_loop().call_later(seconds, then))
        self._carrying: set[asyncio.Task[None]] = set()
        self._settled: deque[asyncio.Future[None]] = deque()
        metrics.rows_queued.set_function(lambda: sum(busy.lane.queued for busy in self._lanes.values()))

    async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
        """Score rows; see `Forward`. Raises Overloaded too. When it is cancelled, rows that are not yet sent never are."""
        busy = self._busy(ask)
        loop = asyncio.get_running_loop()
        settled: asyncio.Future[None] = loop.create_future()

        def settle(_call: Call) -> None:
            self._settled.append(settled)
            if len(self._settled) == 1:
                loop.call_soon(self._wake)

        call = self._admit(busy, rows, deadline, settle)
        timer = loop.call_later(deadline - call.admitted, busy.lane.expire, call)
        if not busy.pumping:
            # Whoever else is read in this turn of the event loop comes along.
            busy.pumping = True
            loop.call_soon(self._pump, busy)
        self._contexts[call] = copy_context()
        try:
            await settled
        except asyncio.CancelledError:
            self._metrics.observe_shed("left", len(rows) - call.taken)
            raise
        finally:
            timer.cancel()
            del self._contexts[call]
            busy.lane.leave(call)
            before = timing.queue
            call.tell(timing)
            self._metrics.queue_seconds.observe(timing.queue - before)
        if call.taken < len(rows) and isinstance(call.error, UpstreamTimeout):
            self._metrics.observe_shed("expired", len(rows) - call.taken)
        return call.scores()

    def _busy(self, ask: Ask) -> _Busy:
        key = ask.family.name, ask.version, ask.wanted
        busy = self._lanes.get(key)
        if busy is None:
            if len(self._lanes) >= _MAX_LANES:
                self._lanes = {name: other for name, other in self._lanes.items() if other.pumping or not other.lane.idle}
            busy = self._lanes[key] = _Busy(ask, self._send, self._sizes)
        return busy

    def _admit(self, busy: _Busy, rows: list[list[Any]], deadline: float, settle: Callable[[Call], Any]) -> Call:
        try:
            return busy.lane.admit(rows, deadline, settle)
        except Overloaded as error:
            self._metrics.observe_shed(error.reason, len(rows))
            raise
        except UpstreamTimeout:
            self._metrics.observe_shed("expired", len(rows))
            raise

    def _pump(self, busy: _Busy) -> None:
        busy.pumping = False
        self._resize()
        busy.lane.pump()

    def _resize(self) -> None:
        self._sizes.slots = self._slots_per_server * max(1, self._servers())

    def _wake(self) -> None:
        """Let some callers go on whose calls are over, and the others in the next turns of the event loop."""
        for settled in [self._settled.popleft() for _ in range(min(_AT_ONCE, len(self._settled)))]:
            if not settled.cancelled():
                settled.set_result(None)
        if self._settled:
            asyncio.get_running_loop().call_soon(self._wake)

    def _send(self, busy: _Busy, parcel: Parcel) -> None:
        self._metrics.observe_dispatch(busy.ask.family.name, parcel.size, parcel.reason)
        self._precedence.sent(parcel)
        first, *others = parcel.parts
        # What is done for several callers is done in the name of none: its lines in the log have no request's id.
        context = None if others else self._contexts.get(first.call)
        task = asyncio.create_task(self._carry(busy, parcel), context=context or Context())
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, busy: _Busy, parcel: Parcel) -> None:
        result: Scores | TwotierError
        try:
            for _ in range(_TURNS if parcel.long else 0):
                await asyncio.sleep(0)
            result = await self._carrier.carry(busy.ask, parcel.rows, parcel.deadlines)
        except TwotierError as error:
            result = error
        except asyncio.CancelledError:
            self._back(busy, parcel, UpstreamUnavailable("the gateway is being stopped"))
            raise
        except Exception:
            _log.exception("a call to the model server failed in the gateway")
            result = TwotierError("the gateway failed to ask the model server")
        self._back(busy, parcel, result)

    def _back(self, busy: _Busy, parcel: Parcel, result: Scores | TwotierError) -> None:
        self._resize()
        self._precedence.back(busy.lane, parcel)
        if isinstance(result, TwotierError):
            busy.lane.failed(parcel, result)
        else:
            busy.lane.answered(parcel, result)


class _Busy:
    """A lane, what its rows ask for, and whether it is about to be pumped."""

    def __init__(self, ask: Ask, send: Callable[[_Busy, Parcel], None], sizes: Sizes) -> None:
        self.ask = ask
        self.lane = Lane(time.monotonic, partial(send, self), sizes, len(ask.family.features))
        self.pumping = False
