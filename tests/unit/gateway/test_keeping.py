"""Idle connections are closed in time, one timer for all, and keep nothing of what was asked over them."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from twotier.gateway.keeping import Idle, Keeping
from twotier.gateway.leaving import Noticing
from twotier.gateway.shedding import shedding
from tests.unit.gateway.test_writing import Wire

KEEP = 10
CALL = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"


class Timer:
    """One that is set."""

    def __init__(self, at: float, then: Callable[[], None]) -> None:
        self.at = at
        self.then = then


class Loop:
    """An event loop whose time stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers = list[Timer]()
        self.create_task = asyncio.get_running_loop().create_task
        self.call_soon = asyncio.get_running_loop().call_soon

    def time(self) -> float:
        """Now."""
        return self.now

    def call_later(self, seconds: float, then: Callable[..., None], *with_: Any) -> Timer:
        """Set a timer."""
        self.timers.append(Timer(self.now + seconds, lambda: then(*with_)))
        return self.timers[-1]

    def go_on(self, seconds: float) -> None:
        """Let time pass, and whatever is due happen when it is."""
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer.at <= end]:
            timer = min(due, key=lambda each: each.at)
            self.timers.remove(timer)
            self.now = timer.at
            timer.then()
        self.now = end


class World:
    """Connections to an application that answers when it is let, and on one path at once."""

    def __init__(self, base: type[Keeping] = Keeping) -> None:
        self.loop = Loop()
        self.answer = asyncio.Event()
        self.answer.set()
        self.answered = 0
        self.config = uvicorn.Config(
            self._app, interface="asgi3", lifespan="off", log_config=None, proxy_headers=False, timeout_keep_alive=KEEP
        )
        self.config.load()
        self.protocol = type("Kept", (base,), {"__slots__": (), "_idle": Idle()})

    async def _app(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] != "/quick":
            await self.answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        self.answered += 1

    def connection(self) -> tuple[Any, Wire]:
        """One that was taken up just now."""
        wire = Wire()
        made = self.protocol(self.config, ServerState(), {}, self.loop)
        made.connection_made(wire)
        return made, wire


async def turns() -> None:
    """Whatever can be done is."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_connection_that_says_nothing_is_closed() -> None:
    """As one over which nothing more is asked; each when it has been idle for that long, by one timer."""
    world = World()
    (_, silent), (asking, asked), (later, last) = (world.connection() for _ in range(3))
    world.loop.go_on(4)
    asking.data_received(CALL)
    await turns()
    world.loop.go_on(2)
    later.data_received(CALL)
    await turns()
    assert (world.answered, len(world.loop.timers)) == (2, 1)
    states = []
    for moment in (9.9, 10.1, 13.9, 14.1, 15.9, 16.1):
        world.loop.go_on(moment - world.loop.now)
        states.append((silent.closed, asked.closed, last.closed))
    assert states == [
        (False, False, False), (True, False, False), (True, False, False), (True, True, False), (True, True, False), (True, True, True)
    ]
    assert not world.loop.timers
    # The next one that comes sets it anew.
    _, wire = world.connection()
    world.loop.go_on(KEEP)
    assert wire.closed


async def test_a_head_that_never_ends_is_not_waited_for() -> None:
    """However often a piece of it comes. It has as long as an idle connection, from its first byte, and one that came after it is closed
    in its own time.
    """
    world = World()
    (slow, wire), (_, silent) = world.connection(), world.connection()
    world.loop.go_on(9)
    slow.data_received(b"POST / HTTP/1.1\r\n")
    for _ in range(9):
        world.loop.go_on(1)
        slow.data_received(b"X: y\r\n")
        assert not wire.closed and silent.closed
    world.loop.go_on(1)
    assert wire.closed


async def test_a_call_is_waited_for() -> None:
    """Neither its body nor its answer is hurried by this, and a caller who sends the next call early is not idle."""
    world = World()
    world.answer.clear()
    calling, wire = world.connection()
    calling.data_received(CALL[:-4])
    world.loop.go_on(2 * KEEP)
    calling.data_received(CALL[-4:])
    calling.data_received(CALL + CALL[:20])
    await turns()
    world.loop.go_on(2 * KEEP)
    assert not wire.closed and world.answered < 1
    world.answer.set()
    await turns()
    assert world.answered == 2 and not wire.closed
    calling.data_received(CALL[20:])
    await turns()
    assert world.answered == 3
    world.loop.go_on(KEEP)
    assert wire.closed


async def test_calls_that_follow_wait_on_their_own_connection() -> None:
    """Whoever is answered on another one begins none of them, and is idle then."""
    world = World()
    world.answer.clear()
    (eager, first), (quick, other) = world.connection(), world.connection()
    eager.data_received(CALL + CALL)
    quick.data_received(CALL.replace(b"POST /", b"POST /quick"))
    await turns()
    assert (world.answered, first.handed, len(eager.pipeline)) == (1, [], 1)
    world.loop.go_on(KEEP)
    assert other.closed and not first.closed
    world.answer.set()
    await turns()
    assert world.answered == 3 and not eager.pipeline


async def test_what_leaves_is_forgotten() -> None:
    """It is not closed a second time, and nothing is left of it, nor of a call that was to follow, for which no garbage is looked for."""
    world = World(Noticing)
    leaving, wire = world.connection()
    world.answer.clear()
    leaving.data_received(CALL + CALL)
    await turns()
    leaving.connection_lost(ConnectionResetError())
    wire.close()
    gone, last = weakref.ref(wire), weakref.ref(leaving)
    gc.collect()
    gc.disable()
    try:
        del leaving, wire
        world.answer.set()
        await turns()
        assert world.answered == 1 and gone() is None and last() is None
    finally:
        gc.enable()
    world.loop.go_on(2 * KEEP)
    assert not world.loop.timers


@pytest.mark.parametrize("late", [False, True], ids=["answered after its body", "answered before its body"])
async def test_an_idle_connection_keeps_nothing_of_its_last_call(late: bool) -> None:
    """Neither head nor body, which nobody will ask for any more. While the call is under way it does."""
    world = World()
    world.answer.clear()
    calling, _ = world.connection()
    calling.data_received(CALL[:-4] if late else CALL)
    call = weakref.ref(calling.cycle)
    await turns()
    gc.collect()
    assert call() is not None
    world.answer.set()
    await turns()
    if late:
        gc.collect()
        assert call() is not None
        calling.data_received(CALL[-4:])
    gc.collect()
    assert call() is None
    assert [calling.cycle, calling.scope, calling.headers, calling.url] == [None, None, None, b""]
    calling.data_received(CALL)
    await turns()
    assert world.answered == 2


@pytest.mark.parametrize("protocol", [Keeping, Noticing, shedding(1, lambda: None)])
async def test_all_connections_share_one_table_of_names(protocol: type[Keeping]) -> None:
    """Python has one for each object that has more than thirty, which takes as much memory as a quarter of a connection."""
    world = World(protocol)
    calling, _ = world.connection()
    calling.data_received(CALL)
    await turns()
    assert world.answered == 1 and len(vars(calling)) <= 30
