"""How refusals are written; what is refused, and how it reads, is tested over real sockets."""

from __future__ import annotations

from twotier.gateway.shedding import shedding
from tests.unit.gateway.test_keeping import CALL, World, turns


async def test_who_does_not_read_is_not_written_to() -> None:
    """Else anybody could have refusals kept without end. Whoever reads is refused at once, and so is he as soon as he goes on."""
    shed = list[None]()
    world = World(shedding(0, lambda: shed.append(None)))
    (reading, read), (silent, unread) = world.connection(), world.connection()
    silent.pause_writing()
    for each in (reading, silent):
        for _ in range(3):
            each.data_received(CALL)
    await turns()
    assert (len(shed), b"".join(read.handed).count(b"HTTP/1.1 503 "), unread.handed) == (3, 3, [])
    silent.resume_writing()
    await turns()
    assert (len(shed), b"".join(unread.handed).count(b"HTTP/1.1 503 "), world.answered) == (6, 3, 0)
