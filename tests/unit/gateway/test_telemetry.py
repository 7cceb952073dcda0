"""What every request gets: an id, its metrics, where its time went, and an answer even if the gateway itself fails."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from twotier.gateway.metrics import Metrics
from twotier.gateway.readiness import Lifecycle
from twotier.gateway.telemetry import Telemetry

App = Callable[[Scope, Receive, Send], Awaitable[None]]


async def respond(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the method and the request's id."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{scope['method']} {scope['state']['request_id']}".encode()})


class Ran:
    """One request through the middleware around an application."""

    def __init__(self, app: App, lifecycle: Lifecycle | None = None, access_log: bool = True) -> None:
        self.metrics = Metrics()
        self.sent: list[Message] = []
        self._telemetry = Telemetry(app, self.metrics, lifecycle or Lifecycle(), access_log)

    async def run(self, method: str = "GET", headers: list[tuple[bytes, bytes]] | None = None, kind: str = "http") -> Ran:
        """Send the request."""

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            self.sent.append(message)

        await self._telemetry({"type": kind, "method": method, "path": "/x", "headers": headers or []}, receive, send)
        return self

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers."""
        return {name.decode().lower(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        """The answer's body."""
        body: bytes = self.sent[1]["body"]
        return body


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 64])
async def test_a_harmless_id_is_kept(given: str) -> None:
    """The caller's id is the request's, and comes back."""
    ran = await Ran(respond).run(headers=[(b"accept", b"*/*"), (b"x-request-id", given.encode())])

    assert (given, f"GET {given}".encode()) == (ran.headers["x-request-id"], ran.body)


@pytest.mark.parametrize("given", ["", "a b", "a\nb", "a\r\nSet-Cookie: x=1", "ä", "x" * 65, "a\n", '"', "{}"], ids=repr)
async def test_any_other_id_is_replaced(given: str) -> None:
    """What could break a header or a log line out of its place is not passed on."""
    ran = await Ran(respond).run(headers=[(b"x-request-id", given.encode("latin-1"))])

    assert given != ran.headers["x-request-id"]
    assert 32 == len(ran.headers["x-request-id"]) and ran.headers["x-request-id"].isalnum()


async def test_head_is_answered_as_get() -> None:
    """The application sees GET, and may find what was asked; the server, whose scope is untouched, leaves the body out."""
    asked: list[str] = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["state"]["method"])
        await respond(scope, receive, send)

    ran = await Ran(look).run("HEAD", [(b"x-request-id", b"a")])

    assert ["HEAD"] == asked
    assert b"GET a" == ran.body
    assert b'method="HEAD"' in ran.metrics.text()


async def test_an_unforeseen_error_is_a_problem_that_tells_nothing() -> None:
    """The last resort answers 500 as a problem, with the id under which the log has the rest."""

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("secret")

    ran = await Ran(fail).run(headers=[(b"x-request-id", b"a")])
    problem = json.loads(ran.body)

    assert (500, "application/problem+json") == (ran.sent[0]["status"], ran.headers["content-type"])
    assert ("/problems/internal-error", "a") == (problem["type"], problem["instance"])
    assert b"secret" not in ran.body
    assert ran.headers["server-timing"].startswith("validate;dur=0.00, ")


async def test_where_the_time_goes_is_told_by_the_answer() -> None:
    """What is written down while a request is answered is in its answer's header."""

    async def work(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["timing"].model = 0.25
        await respond(scope, receive, send)

    assert (await Ran(work).run()).headers["server-timing"].endswith(", model;dur=250.00")


async def test_an_error_within_an_answer_breaks_it_off() -> None:
    """An answer that has begun cannot become a problem: the server must see the error, and close."""

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError("secret")

    ran = Ran(fail)
    with pytest.raises(KeyError):
        await ran.run()
    assert 1 == len(ran.sent)


async def test_a_caller_who_left_is_answered_nothing() -> None:
    """Nobody is there to answer, and it is no failure of the gateway's."""

    async def leave(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    ran = await Ran(leave, access_log=False).run()

    assert [] == ran.sent
    assert b'status="499"' in ran.metrics.text()


async def test_labels_are_few() -> None:
    """Neither a path nor a method of a caller's making becomes a label."""
    text = (await Ran(respond).run("BREW")).metrics.text().decode()

    assert 'twotier_gateway_requests_total{method="OTHER",route="unmatched",status="200"} 1.0' in text
    assert "/x" not in text and "BREW" not in text


async def test_a_gateway_that_is_being_stopped_closes_its_connections() -> None:
    """Callers move to another gateway with their next call."""
    assert "close" == (await Ran(respond, Lifecycle(draining=True)).run()).headers["connection"]
    assert "connection" not in (await Ran(respond).run()).headers


async def test_what_is_not_http_passes() -> None:
    """The lifespan is none of its business."""
    seen: list[Any] = []

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await Ran(lifespan).run(kind="lifespan")
    assert ["lifespan"] == seen
