"""A body is waited for as long as its call has time, and not longer."""

from __future__ import annotations

import asyncio
import time

import pytest
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from twotier.errors import BodyTooSlow, InputTooLarge
from twotier.gateway import bodies
from twotier.gateway.bodies import read_body, read_order


def request(*pieces: bytes, seconds: float = 0.0, ends: bool = True) -> Request:
    """One whose body comes in pieces, each of them after so long; after the last, its caller leaves or is silent for ever."""
    left = list(pieces)

    async def receive() -> Message:
        if left:
            await asyncio.sleep(seconds)
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or not ends}
        if seconds:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, receive)


async def test_a_body_in_time_is_read() -> None:
    """However many pieces it came in."""
    assert b"[1, 2]" == await read_body(request(b"[1,", b" 2", b"]", seconds=0.01), 6, time.monotonic() + 30)


async def test_a_body_that_is_there_is_read_without_a_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is late already: it is for those who answer the call to say that there is no time left."""
    cycle = RequestResponseCycle.__new__(RequestResponseCycle)
    cycle.scope, cycle.more_body, cycle.body = {"type": "http"}, False, bytearray(b"[1, 2]")  # type: ignore[typeddict-item]
    cycle.disconnected = cycle.response_complete = cycle.waiting_for_100_continue = False
    cycle.flow, cycle.message_event = FlowControl(asyncio.Transport()), asyncio.Event()
    cycle.message_event.set()
    monkeypatch.setattr(asyncio, "timeout", None)
    given = Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, cycle.receive)  # type: ignore[arg-type]
    assert b"[1, 2]" == await read_body(given, 6, time.monotonic() - 1)


async def test_a_body_that_does_not_end_is_too_slow() -> None:
    """It ends the wait on time, and what had come is counted."""
    begun = time.monotonic()
    with pytest.raises(BodyTooSlow, match="^the body had not all come when the call's time was over: 5 bytes of it had$"):
        await read_body(request(b"[1,", b" 2", seconds=0.01, ends=False), 6, begun + 0.2)
    assert 0.2 <= time.monotonic() - begun


async def test_an_order_must_come_in_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it has no deadline of its own."""
    monkeypatch.setattr(bodies, "_ORDER_SECONDS", 0.05)
    with pytest.raises(BodyTooSlow, match=" 1 bytes of it had$"):
        await read_order(request(b"{", seconds=0.01, ends=False), BaseModel)


async def test_other_ends_of_a_body() -> None:
    """Callers who leave, and those who send too much."""
    with pytest.raises(ClientDisconnect):
        await read_body(request(b"[", ends=False), 6, time.monotonic() + 30)
    with pytest.raises(InputTooLarge):
        await read_body(request(b"[1,", b"2,", b"3]"), 6, time.monotonic() + 30)
