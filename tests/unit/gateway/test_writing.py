"""What is written in a turn leaves in the next, together."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
import uvloop

from twotier.gateway.writing import Gathered


class Wire(asyncio.Transport):
    """A transport that remembers what it is handed."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.handed: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        """Remember it; as a real one, refuse it once closed."""
        assert not self.closed
        self.handed.append(bytes(data))

    def close(self) -> None:
        """Be closed."""
        self.closed = True

    def is_closing(self) -> bool:
        """Whether it is."""
        return self.closed

    def pause_reading(self) -> None:
        """Nothing to pause."""

    def resume_reading(self) -> None:
        """Nothing to resume."""


def made() -> tuple[Wire, Gathered]:
    """A wire, and what gathers for it."""
    wire = Wire()
    return wire, Gathered(wire, asyncio.get_running_loop())


async def test_the_pieces_of_a_turn_are_handed_over_as_one() -> None:
    """In the next turn, on every connection, in the order in which they were written; nothing is handed over twice."""
    (one, first), (other, second) = made(), made()
    first.write(b"head")
    second.write(bytearray(b"other"))
    first.write(memoryview(b"body"))
    assert [[], []] == [one.handed, other.handed]
    await asyncio.sleep(0)
    assert [[b"headbody"], [b"other"]] == [one.handed, other.handed]
    await asyncio.sleep(0)
    first.write(b"next")
    await asyncio.sleep(0)
    assert [b"headbody", b"next"] == one.handed


async def test_what_is_long_is_handed_over_as_it_comes() -> None:
    """Behind what waits, so that the order stays; what is written after it waits again."""
    wire, gathered = made()
    gathered.write(b"head")
    gathered.write(b"x" * 65_537)
    gathered.write(b"tail")
    assert [b"head", b"x" * 65_537] == wire.handed
    await asyncio.sleep(0)
    assert [b"tail"] == wire.handed[2:]


async def test_what_is_closed_is_handed_over_first() -> None:
    """An answer is not lost by the connection's being closed behind it."""
    wire, gathered = made()
    gathered.write(b"answer")
    gathered.close()
    assert ([b"answer"], True, True) == (wire.handed, wire.closed, gathered.is_closing())
    await asyncio.sleep(0)
    assert [b"answer"] == wire.handed


async def test_who_has_left_keeps_nobody_from_an_answer() -> None:
    """The wire of one is closed between the turns; the others get theirs."""
    (left, first), (stays, second) = made(), made()
    first.write(b"for nobody")
    second.write(b"answer")
    left.close()
    await asyncio.sleep(0)
    assert [[], [b"answer"]] == [left.handed, stays.handed]


def test_on_real_connections() -> None:
    """As the gateway uses it: callers of whom some are gone before their answer is written, the others read theirs in one piece."""
    assert [b"headbody"] * 5 == uvloop.run(_answered(leaving=5, staying=5))


async def _answered(leaving: int, staying: int) -> list[bytes]:
    loop = asyncio.get_running_loop()
    transports: list[Gathered] = []

    class Server(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(Gathered(cast(asyncio.Transport, transport), loop))

    server = await loop.create_server(Server, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    gone = [await asyncio.open_connection(*address[:2]) for _ in range(leaving)]
    waits = [await asyncio.open_connection(*address[:2]) for _ in range(staying)]
    while len(transports) < leaving + staying:
        await asyncio.sleep(0)
    for _, writer in gone:
        writer.transport.abort()
    while sum(transport.is_closing() for transport in transports) < leaving:
        await asyncio.sleep(0)
    for transport in transports:
        transport.write(b"head")
        transport.write(b"body")
    answers = [await reader.read(100) for reader, _ in waits]
    for _, writer in waits:
        writer.close()
    server.close()
    return answers


@pytest.mark.parametrize("name", ["peername", "sslcontext"])
async def test_it_is_the_other_transport_for_all_else(name: str) -> None:
    """Whoever asks it is told what the wrapped one says."""
    wire, gathered = made()
    assert wire.get_extra_info(name) == gathered.get_extra_info(name)
    gathered.pause_reading()
    gathered.resume_reading()
