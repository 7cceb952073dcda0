"""Model servers for the gateway's tests, on real sockets: one that behaves well, and every bad habit that one may have.

`with zoo() as keeper` runs one in a thread. It speaks `twotier.wire` for the family iris; `keeper.habit` is how it answers /score, and may
be changed at any time. /info and /card are answered well unless `keeper.sick` says that the habit is for every path.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from twotier.card import Card, DataFacts
from twotier.families.iris import FAMILY
from twotier.wire import Alias, AliasInfo, FamilyInfo, Info, VersionInfo

Habit = Callable[["Keeper", "Asked", asyncio.StreamWriter], Awaitable[None]]

VERSIONS = ("log_reg_2", "log_reg_1")


class Asked:
    """One request to the model server."""

    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path = path
        self.headers = headers
        self.body = body
        self.message: Any = json.loads(body)

    @property
    def rows(self) -> list[list[float]]:
        """The rows of its one block."""
        rows: list[list[float]] = self.message["blocks"][0]["rows"]
        return rows


class Keeper:
    """Tells the model server how to behave, and sees what it is asked."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, certificate: ssl.SSLContext | None = None) -> None:
        self.host = host
        self.certificate = certificate
        self.habit: Habit = well
        self.sick = False
        self.port = port
        self.asked: list[Asked] = []
        self.connections = 0
        self.open: set[asyncio.StreamWriter] = set()
        self.champion = AliasInfo(version="log_reg_1", serving="log_reg_1")
        self.challenger: AliasInfo | None = None
        self.families = ["iris"]
        self.elsewhere = "http://127.0.0.1:9/"
        self.delay = 0.0
        self.held = False
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The base URL of the model server."""
        return f"http{'s' if self.certificate else ''}://{self.host}:{self.port}"

    def scored(self) -> list[Asked]:
        """The calls to /score, in order."""
        return [asked for asked in self.asked if asked.path == "/score"]

    async def pause(self) -> None:
        """What comes before a good answer: `delay` seconds, and then whatever time it is `held`."""
        await asyncio.sleep(self.delay)
        while self.held:
            await asyncio.sleep(0.01)

    def listen(self) -> None:
        """Start to listen, on the port of before if there was one."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def leave(self) -> None:
        """Stop to listen, and break every connection off: the process is gone."""
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result(10)

    def run(self) -> None:
        """Run the event loop, in a thread of its own, until `end`."""
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def end(self) -> None:
        """Leave, and end the event loop."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, self.port, limit=64 * 1024 * 1024, ssl=self.certificate)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _leave(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            # A connection that is just being accepted while its server closes is neither served nor closed by asyncio, so its caller hangs.
            for listening in server.sockets:
                self._loop.remove_reader(listening.fileno())
            await asyncio.sleep(0.01)
            server.close()
        for writer in list(self.open):
            writer.transport.abort()

    async def _end(self) -> None:
        await self._leave()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        try:
            while asked := await _read(reader):
                self.asked.append(asked)
                await (self.habit if self.sick or asked.path == "/score" else well)(self, asked, writer)
                await writer.drain()
        except OSError:
            pass
        except asyncio.CancelledError:
            pass
        finally:
            self.open.discard(writer)
            writer.close()


@contextlib.contextmanager
def zoo(host: str = "127.0.0.1", port: int = 0, certificate: ssl.SSLContext | None = None) -> Iterator[Keeper]:
    """A model server in a thread."""
    keeper = Keeper(host, port, certificate)
    thread = threading.Thread(target=keeper.run)
    thread.start()
    try:
        keeper.listen()
        yield keeper
    finally:
        keeper.end()
        thread.join(10)


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    request, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(request.split(" ")[1], headers, await reader.readexactly(int(headers["content-length"])))


# How it answers when it behaves.


def species(row: list[float]) -> dict[str, Any]:
    """What the double knows of irises."""
    names = ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
    best = 0 if row[2] < 2.5 else 2 if row[3] > 1.7 else 1
    return {"output": names[best], "probabilities": {name: 0.8 if at == best else 0.1 for at, name in enumerate(names)}}


def card(version: str) -> Card:
    """A card of iris."""
    return Card(
        family="iris",
        version=version,
        estimator="log_reg",
        created_at=datetime(2026, 11, 21, tzinfo=UTC),
        features=list(FAMILY.features),
        classes=["Iris-setosa", "Iris-versicolor", "Iris-virginica"],
        parameters={"C": 1.0},
        metrics={"train": {"accuracy": 0.97321}, "test": {"accuracy": 0.94737}},
        data=DataFacts(source="raw/iris.csv", sha256="0" * 64, train_rows=112, test_rows=38, seed=42),
        ranges={},
        libraries={"scikit-learn": "1.9.0"},
        golden=[],
        row_schema={},
        answer_schema={},
    )


async def well(keeper: Keeper, asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Answer as the wire says."""
    await (keeper.pause() if asked.path == "/score" else asyncio.sleep(keeper.delay))
    message = asked.message
    if asked.path == "/info":
        versions = [
            VersionInfo(
                version=name,
                estimator="log_reg",
                created_at=card(name).created_at,
                metrics={},
                gate_passed=True,
                gate_findings=["passed: accuracy is 0.9474."],
                loaded=True,
            )
            for name in VERSIONS
        ]
        challenger = {"challenger": keeper.challenger} if keeper.challenger else {}
        family = FamilyInfo(aliases={"champion": keeper.champion, **challenger}, versions=versions)
        answer: Any = Info(server={"twotier": "0"}, families={name: family for name in keeper.families}).model_dump(mode="json")
    elif asked.path == "/card":
        refused = refusal(message["version"])
        answer = refused or card(_resolved(keeper, message["version"])).model_dump(mode="json")
    elif asked.path == "/move":
        answer = Alias(version=message["order"]["version"], serving=message["order"]["version"], history=[]).model_dump(mode="json")
    else:
        (block,) = message["blocks"]
        result = {"version": _resolved(keeper, block["version"]), "answers": [species(row) for row in block["rows"]], "faults": []}
        answer = [refusal(block["version"]) or result]
    send(writer, json.dumps(answer))


def _resolved(keeper: Keeper, version: str) -> str:
    return keeper.champion.serving or "" if version == "champion" else version


def refusal(version: str) -> dict[str, str] | None:
    """A version that is named after a refusal gets it, and one that does not exist is unknown."""
    words = ("unknown_family", "not_servable", "expired", "failed")
    if version in (*VERSIONS, "champion"):
        return None
    return {"refused": version if version in words else "unknown_version", "detail": "/secret/path: as asked"}


def send(writer: asyncio.StreamWriter, body: str | bytes, status: str = "200 OK", kind: str = "application/json", extra: str = "") -> None:
    """Write a whole answer."""
    data = body.encode() if isinstance(body, str) else body
    writer.write(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n{extra}\r\n".encode() + data)


def _answering(change: Callable[[dict[str, Any]], None]) -> Habit:
    """Answer well, but for one change of the result."""

    async def habit(keeper: Keeper, asked: Asked, writer: asyncio.StreamWriter) -> None:
        result = {"version": "log_reg_1", "answers": [species(row) for row in asked.rows], "faults": []}
        change(result)
        send(writer, json.dumps([result]))

    return habit


def _sending(body: str | bytes, status: str = "200 OK", kind: str = "application/json", extra: str = "") -> Habit:
    """Answer always the same."""

    async def habit(keeper: Keeper, asked: Asked, writer: asyncio.StreamWriter) -> None:
        send(writer, body, status, kind, extra)

    return habit


def _breaking_off(data: bytes) -> Habit:
    """Write some bytes and close."""

    async def habit(keeper: Keeper, asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    return habit


async def hang(keeper: Keeper, asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def reset(keeper: Keeper, asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Break the connection off with a RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def drip(keeper: Keeper, asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Answer one byte at a time, for ever."""
    writer.write(_OK + b"Content-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless(keeper: Keeper, asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Answer as fast as the socket takes it, for ever."""
    writer.write(_OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await writer.drain()


async def redirect(keeper: Keeper, asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Send the caller, body and all, to another host."""
    send(writer, "", "308 Permanent Redirect", extra=f"Location: {keeper.elsewhere}\r\n")


async def close_used(keeper: Keeper, asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Close every connection that has carried a call before, as a server does whose keep-alive has just run out."""
    if getattr(writer, "carried", False):
        writer.close()
    else:
        setattr(writer, "carried", True)
        await well(keeper, asked, writer)


def only(version: str, habit: Habit) -> Habit:
    """That habit when rows are for that version, and else good behaviour."""

    async def choosing(keeper: Keeper, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await (habit if asked.message["blocks"][0]["version"] == version else well)(keeper, asked, writer)

    return choosing


INVALID: dict[str, Habit] = {
    "half headers": _breaking_off(b"HTTP/1.1 200 OK\r\nContent-Type: appl"),
    "truncated body": _breaking_off(_OK + b"Content-Length: 1000\r\n\r\n[{"),
    "SSH banner": _breaking_off(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    "100 KB header": _sending("[]", extra="X-Long: " + "x" * 100_000 + "\r\n"),
    "redirect": redirect,
    "endless body": endless,
    "gzip bomb": _sending(gzip.compress(b" " * 200_000_000, 9), extra="Content-Encoding: gzip\r\n"),
    "garbage": _sending("{{{"),
    "HTML": _sending("<html>It works!</html>", kind="text/html"),
    "NaN": _sending('[{"version": "log_reg_1", "answers": [{"output": "x", "probabilities": {"x": NaN}}]}]'),
    "1e999": _sending('[{"version": "log_reg_1", "answers": [{"output": "x", "probabilities": {"x": 1e999}}]}]'),
    "not UTF-8": _sending(b'[{"version": "log_reg_1", "answers": [{"output": "\xff"}]}]'),
    "half of a surrogate pair": _sending('[{"version": "log_reg_1", "answers": [{"output": "\\ud800"}]}]'),
    "too few answers": _answering(lambda result: result["answers"].pop()),
    "too many answers": _answering(lambda result: result["answers"].append(result["answers"][0])),
    "a number for a label": _answering(lambda result: result["answers"][0].update(output=5)),
    "an object for a label": _answering(lambda result: result["answers"][0].update(output={})),
    "an unknown field": _answering(lambda result: result["answers"][0].update(secret=1)),
    "no version": _answering(lambda result: result.pop("version")),
    "a fault of an answered row": _answering(lambda result: result["faults"].append({"row": 0, "detail": "no"})),
    "an unanswered row without a fault": _answering(lambda result: result["answers"].__setitem__(0, None)),
    "no result": _sending("[]"),
    "an error in a list": _sending('[{"error": "Invalid input"}]', "400 Bad Request"),
    "status 500": _sending('{"error": "An unexpected error has occurred"}', "500 Internal Server Error"),
    "status 201": _sending("[]", "201 Created"),
}
"""Habits that must be answered by 502, or 503 where the connection broke."""

UNAVAILABLE: dict[str, Habit] = {
    "closes": _breaking_off(b""),
    "resets": reset,
    "status 429": _sending("{}", "429 Too Many Requests"),
    "status 503": _sending("{}", "503 Service Unavailable"),
}
"""Habits that must be answered by 503."""

SLOW: dict[str, Habit] = {
    "hangs": hang,
    "drips": drip,
    "status 504": _sending("{}", "504 Gateway Timeout"),
}
"""Habits that must be answered by 504."""

scoring_nothing = _answering(
    lambda result: result.update(
        answers=[None] * len(result["answers"]),
        faults=[{"row": at, "detail": "could not convert 'secret'"} for at in range(len(result["answers"]))],
    )
)
"""Not one row can be scored."""

scoring_all_but_the_first = _answering(
    lambda result: result.update(answers=[None, *result["answers"][1:]], faults=[{"row": 0, "detail": "could not convert 'secret'"}])
)
"""The first row of each block cannot be scored, and its neighbours can."""

asking_to_wait = _sending("{}", "503 Service Unavailable", extra="Retry-After: 7\r\n")
"""Unavailable, and says for how long."""
