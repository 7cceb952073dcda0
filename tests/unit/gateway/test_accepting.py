"""Connections are taken up, however many wait and whatever becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from twotier.gateway import accepting
from twotier.gateway.__main__ import _Server
from twotier.gateway.accepting import Acceptor
from twotier.gateway.leaving import Noticing
from twotier.gateway.readiness import Lifecycle

pytestmark = pytest.mark.anyio


class Greeting(asyncio.Protocol):
    """Greets whoever comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"hello")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """The gateway's own event loop."""
    return "asyncio", {"loop_factory": uvloop.new_event_loop}


class Full(socket.socket):
    """A listening socket in a process that may open no more files, until `files` is set."""

    files = False

    def accept(self) -> tuple[socket.socket, object]:
        """See socket."""
        if not self.files:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@contextlib.asynccontextmanager
async def acceptor(listener: socket.socket) -> AsyncIterator[Acceptor]:
    """One at work on that socket."""
    listener.bind(("127.0.0.1", 0))
    listener.listen(100)
    made = Acceptor(listener, Greeting)
    try:
        yield made
    finally:
        made.close()
        await made.wait_closed()
        listener.close()


async def greeting(listener: socket.socket) -> bytes:
    """What somebody hears who comes now."""
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        return await reader.readexactly(5)
    finally:
        writer.close()


async def test_all_who_come_at_once_are_taken_up() -> None:
    """More than in one turn."""
    with socket.socket() as listener:
        async with acceptor(listener):
            heard = await asyncio.gather(*(greeting(listener) for _ in range(90)))
    assert heard == [b"hello"] * 90


async def test_several_are_taken_up_in_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is what it is for: an event loop's own server takes up one. No more than that many, for others are to have their turn."""
    monkeypatch.setattr(accepting, "_AT_ONCE", 16)
    with socket.socket() as listener:
        async with acceptor(listener):
            with contextlib.ExitStack() as waiting:
                for _ in range(40):
                    # Blocking, so the event loop has no turn meanwhile: the kernel connects them.
                    waiting.enter_context(socket.create_connection(listener.getsockname()))
                taken = 0
                while not taken:
                    await asyncio.sleep(0)
                    taken = 40 - _waiting(listener)
    assert taken == 16


def _waiting(listener: socket.socket) -> int:
    """How many connections the kernel holds for a listening socket: `tcpi_unacked` of its TCP_INFO."""
    return int.from_bytes(listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)[24:28], "little")


async def test_the_gateway_takes_up_its_connections_so() -> None:
    """And answers over them, until it is closed."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    config = uvicorn.Config(app, http=Noticing, lifespan="off", log_config=None)
    config.load()
    server = _Server(config, Lifecycle(), 0)
    server.lifespan = config.lifespan_class(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        await server.startup([listener])
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 204")
        writer.close()
        taking_up: list[object] = list(server.servers)
        assert [type(each) for each in taking_up] == [Acceptor]
        await server.shutdown([listener])


async def test_answers_are_not_held_back() -> None:
    """Small ones are sent at once, and not when what was sent before them is acknowledged."""
    seen = list[int]()

    class Noting(Greeting):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            seen.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            super().connection_made(transport)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Acceptor(listener, Noting)
        assert await greeting(listener) == b"hello"
        made.close()
    assert seen == [1]


async def test_one_that_cannot_be_served_is_closed() -> None:
    """And the next is taken up."""
    made: list[Greeting] = []

    def make() -> Greeting:
        made.append(Greeting())
        if len(made) == 1:
            raise RuntimeError("no protocol")
        return made[-1]

    with socket.create_server(("127.0.0.1", 0)) as listener, capture_logs() as logged:
        acceptor_ = Acceptor(listener, make)
        with pytest.raises(asyncio.IncompleteReadError):
            await greeting(listener)
        assert await greeting(listener) == b"hello"
        acceptor_.close()
    assert [line["event"] for line in logged] == ["a connection could not be taken up"]


async def test_without_files_it_waits_for_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is lost, and the processor is left alone meanwhile."""
    monkeypatch.setattr(accepting, "_PAUSE", 0.01)
    with Full() as listener:
        async with acceptor(listener):
            heard = asyncio.create_task(greeting(listener))
            await asyncio.sleep(0.05)
            assert not heard.done()
            listener.files = True
            assert await heard == b"hello"


async def test_whoever_comes_after_the_end_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another gateway may listen on the same port. Nor does a pause for files outlive the end."""
    monkeypatch.setattr(accepting, "_PAUSE", 0.05)
    with Full() as listener:
        async with acceptor(listener) as made:
            heard = asyncio.create_task(greeting(listener))
            await asyncio.sleep(0.02)
            made.close()
            listener.files = True
            await asyncio.sleep(0.1)
            assert not heard.done()
            heard.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heard
