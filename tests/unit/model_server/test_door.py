"""The door lets in calls in JSON, of a bounded size, to paths that exist, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from twotier.model_server.door import Door

JSON = (b"content-type", b"application/json")


class Inside:
    """An app that remembers what reached it, and answers 200."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            self.seen.append(("lifespan", b""))
            return
        body = (await receive())["body"] if scope["method"] == "POST" else b""
        if body:
            assert "http.disconnect" == (await receive())["type"]
        self.seen.append((scope["path"], body))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


class Reply:
    """What was answered."""

    def __init__(self, messages: list[Any]) -> None:
        self.status = messages[0]["status"]
        self.headers = dict(messages[0]["headers"])
        self.body = messages[1]["body"]

    @property
    def error(self) -> str:
        """What the body says was wrong."""
        assert b"application/json" == self.headers[b"content-type"]
        assert len(self.body) == int(self.headers[b"content-length"])
        return str(json.loads(self.body)["error"])


async def ask(
    door: Door, path: str, *, method: str = "POST", headers: Sequence[tuple[bytes, bytes]] = (JSON,), chunks: Sequence[bytes] = (b"{}",)
) -> Reply:
    """Send one request through the door."""
    messages: list[Any] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages[-1]["more_body"] = False
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await door({"type": "http", "path": path, "method": method, "headers": list(headers)}, receive, send)
    return Reply(sent)


def made(limit: int = 10) -> tuple[Door, Inside]:
    """A door with one call behind it."""
    inside = Inside()
    return Door(inside, ["/score"], limit), inside


@pytest.mark.parametrize("media_type", [b"application/json", b"Application/JSON; charset=utf-8"])
async def test_call_in_json_is_let_in_whole(media_type: bytes) -> None:
    """However its body was cut on the way, at the limit of its size too."""
    door, inside = made()
    reply = await ask(door, "/score", headers=[(b"content-type", media_type), (b"content-length", b"10")], chunks=[b"01234", b"", b"56789"])
    assert 200 == reply.status
    assert [("/score", b"0123456789")] == inside.seen


@pytest.mark.parametrize(
    "headers", [[], [(b"content-type", b"text/plain")], [(b"content-type", b"application/vnd.bentoml+pickle")], [(b"content-type", b"")]]
)
async def test_what_is_not_json_is_415(headers: list[tuple[bytes, bytes]]) -> None:
    """BentoML would parse it as JSON, or unpickle it."""
    door, inside = made()
    reply = await ask(door, "/score", headers=headers)
    assert (415, "the body must be application/json") == (reply.status, reply.error)
    assert [] == inside.seen


@pytest.mark.parametrize("length", [[], [(b"content-length", b"11")], [(b"content-length", b"1")], [(b"content-length", b"+1")]])
async def test_larger_body_is_413(length: list[tuple[bytes, bytes]]) -> None:
    """Said or not, one byte more than the limit is too much; the connection, with the rest unread, is closed."""
    door, inside = made()
    reply = await ask(door, "/score", headers=[JSON, *length], chunks=[b"0123456789", b"0"])
    assert (413, "the body is larger than 10 bytes") == (reply.status, reply.error)
    assert b"close" == reply.headers[b"connection"]
    assert [] == inside.seen


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_unknown_path_is_404(method: str) -> None:
    """It does not reach what keeps a metric for every path."""
    door, inside = made()
    reply = await ask(door, "/scores", method=method)
    assert 404 == reply.status
    assert "there is no such path; there are /docs.json, /healthz, /livez, /metrics, /readyz, /schema.json, /score" == reply.error
    assert [] == inside.seen


async def test_call_by_another_method_is_405() -> None:
    """It says which it takes."""
    door, inside = made()
    reply = await ask(door, "/score", method="GET")
    assert (405, "it is called by POST", b"POST") == (reply.status, reply.error, reply.headers[b"allow"])
    assert [] == inside.seen


@pytest.mark.parametrize("path", ["/livez", "/healthz", "/readyz", "/metrics", "/docs.json", "/schema.json"])
async def test_pages_are_let_through(path: str) -> None:
    """Without any look at their headers."""
    door, inside = made()
    assert 200 == (await ask(door, path, method="GET", headers=[])).status
    assert [(path, b"")] == inside.seen


async def test_draining_is_not_ready_and_still_answers() -> None:
    """Probes are told to send nobody here, calls are answered, and connections are closed after it."""
    door, inside = made()
    before = await ask(door, "/score")
    assert b"connection" not in before.headers
    door.draining = True
    assert (503, "it is about to end") == ((reply := await ask(door, "/readyz", method="GET")).status, reply.error)
    assert 200 == (await ask(door, "/livez", method="GET")).status
    reply = await ask(door, "/score")
    assert (200, b"close") == (reply.status, reply.headers[b"connection"])
    assert [("/score", b"{}"), ("/livez", b""), ("/score", b"{}")] == inside.seen


async def test_start_and_end_are_let_through() -> None:
    """The app inside learns of them."""
    door, inside = made()

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    await door({"type": "lifespan"}, nothing, nothing)
    assert [("lifespan", b"")] == inside.seen


async def test_websockets_are_turned_away() -> None:
    """There is nothing here that speaks it."""
    door, inside = made()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    await door({"type": "websocket", "path": "/score"}, receive, send)
    assert [{"type": "websocket.close"}] == sent
    assert [] == inside.seen
