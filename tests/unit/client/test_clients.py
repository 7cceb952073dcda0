"""Both clients, sync and async, behave alike: every test here runs on each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.processes import free_port
from tests.unit.client.peer import HANG_UP, STAY_SILENT, peer, reply
from twotier.client import AsyncClient, Client, NoAnswer, Problem
from twotier.errors import ConfigurationError, Fault

ROW = {"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}
ANSWER = {"output": "Iris-virginica", "model_name": "log_reg_1"}


class Awaited:
    """An AsyncClient whose calls are waited for."""

    def __init__(self, runner: asyncio.Runner, client: AsyncClient) -> None:
        self._runner = runner
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *arguments, **options: self._runner.run(getattr(self._client, name)(*arguments, **options))


@contextmanager
def _sync(url: str, timeout: float) -> Iterator[Any]:
    with Client(url, timeout=timeout) as client:
        yield client


@contextmanager
def _async(url: str, timeout: float) -> Iterator[Any]:
    with asyncio.Runner() as runner:
        client = AsyncClient(url, timeout=timeout)
        runner.run(client.__aenter__())
        yield Awaited(runner, client)
        runner.run(client.__aexit__())


@pytest.fixture(params=[_sync, _async], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Opens a client of one of the two kinds: `connect(url, timeout)`."""
    kind: Callable[..., Any] = request.param
    return lambda url, timeout=5.0: kind(url, timeout)


@pytest.mark.parametrize(
    "rows", [ROW, [ROW, ROW], {"a": ROW, "b": ROW}], ids=["one row", "a list", "by key"]
)
def test_what_is_asked(connect: Callable[..., Any], rows: Any) -> None:
    """The rows are posted as they are given, as JSON, with the deadline in milliseconds, and the answer comes back as it is."""
    with peer(reply(ANSWER)) as gateway, connect(gateway.url, 2.5) as client:
        answer = client.predict("iris", rows)

    (heard,) = gateway.heard
    assert ANSWER == answer
    assert "POST /iris/predict HTTP/1.1" == heard.line
    assert rows == json.loads(heard.body)
    assert "application/json" == heard.headers["content-type"]
    assert "2500" == heard.headers["x-request-deadline-ms"]


def test_options_are_in_the_address(connect: Callable[..., Any]) -> None:
    """A pinned version is part of the path, escaped; options are part of the query; a path of the base address is kept."""
    with peer(reply(ANSWER)) as gateway, connect(gateway.url + "/models/") as client:
        client.predict("iris", ROW, "log reg/1", probabilities=True, partial=True)

    assert "POST /models/iris/versions/log%20reg%2F1/predict?probabilities=true&partial=true HTTP/1.1" == gateway.heard[0].line


def test_models(connect: Callable[..., Any]) -> None:
    """`models` answers what the gateway lists."""
    with peer(reply({"iris": {}})) as gateway, connect(gateway.url) as client:
        assert {"iris": {}} == client.models()

    assert "GET /models HTTP/1.1" == gateway.heard[0].line


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
def test_ready(connect: Callable[..., Any], status: int, ready: bool) -> None:
    """`ready` says what /readyz says."""
    with peer(reply({}, status)) as gateway, connect(gateway.url) as client:
        assert ready is client.ready()

    assert "GET /readyz HTTP/1.1" == gateway.heard[0].line


def test_one_connection_is_kept(connect: Callable[..., Any]) -> None:
    """Three calls use one connection."""
    with peer(reply(1), reply(2), reply(3)) as gateway, connect(gateway.url) as client:
        assert [1, 2, 3] == [client.predict("iris", ROW) for _ in range(3)]

    assert [0, 0, 0] == [heard.connection for heard in gateway.heard]


def test_a_stale_connection_is_replaced(connect: Callable[..., Any]) -> None:
    """If the gateway closes a kept connection under a request, the request is sent once more on a new one."""
    with peer(reply(1), HANG_UP, reply(2)) as gateway, connect(gateway.url) as client:
        assert [1, 2] == [client.predict("iris", ROW) for _ in range(2)]

    assert [0, 0, 1] == [heard.connection for heard in gateway.heard]


def test_a_new_connection_is_not_tried_twice(connect: Callable[..., Any]) -> None:
    """If the gateway closes a new connection, that is an error at once: no request is sent twice on new connections."""
    with peer(HANG_UP, reply(1)) as gateway, connect(gateway.url) as client:
        with pytest.raises(NoAnswer, match="could not be reached"):
            client.predict("iris", ROW)

    assert 1 == len(gateway.heard)


def test_the_second_try_is_the_last(connect: Callable[..., Any]) -> None:
    """If the new connection is closed as well, the caller is told."""
    with peer(reply(1), HANG_UP, HANG_UP, reply(2)) as gateway, connect(gateway.url) as client:
        client.predict("iris", ROW)
        with pytest.raises(NoAnswer, match="could not be reached"):
            client.predict("iris", ROW)

    assert 3 == len(gateway.heard)


def test_a_client_recovers(connect: Callable[..., Any]) -> None:
    """After a failure the same client works again."""
    with peer(HANG_UP, reply(1)) as gateway, connect(gateway.url) as client:
        with pytest.raises(NoAnswer):
            client.predict("iris", ROW)
        assert 1 == client.predict("iris", ROW)


def test_silence_is_given_up(connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that says nothing is given up after the timeout and a little grace, and is not asked again."""
    monkeypatch.setattr("twotier.client.exchange.GRACE_SECONDS", 0.05)
    with peer(reply(1), STAY_SILENT, reply(2)) as gateway, connect(gateway.url, 0.05) as client:
        client.predict("iris", ROW)
        with pytest.raises(NoAnswer, match=r"did not answer within 0\.1 s"):
            client.predict("iris", ROW)

    assert 2 == len(gateway.heard)


def test_nobody_there(connect: Callable[..., Any]) -> None:
    """Where nobody listens, the error names the address."""
    url = f"http://127.0.0.1:{free_port()}"

    with connect(url) as client, pytest.raises(NoAnswer, match=f"{url} could not be reached"):
        client.ready()


def test_half_an_answer(connect: Callable[..., Any]) -> None:
    """An answer that breaks off is no answer, although the connection had been kept."""
    with peer(reply(1), HANG_UP + b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n[1") as gateway, connect(gateway.url) as client:
        client.predict("iris", ROW)
        with pytest.raises(NoAnswer, match="could not be reached"):
            client.predict("iris", ROW)


def test_a_problem_carries_all_it_says(connect: Callable[..., Any]) -> None:
    """A problem document becomes an exception with its status, type, detail, request id and faults, and one line that says it all."""
    document = {
        "type": "https://example.org/problems/input",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "1 of 2 rows cannot be read",
        "instance": "abc",
        "errors": [{"pointer": "/1/PetalWidthCm", "detail": "is missing"}],
    }
    with peer(reply(document, 422, "application/problem+json")) as gateway, connect(gateway.url) as client:
        with pytest.raises(Problem) as caught:
            client.predict("iris", [ROW, {}])

    problem = caught.value
    assert (422, "https://example.org/problems/input", "abc") == (problem.status, problem.type, problem.instance)
    assert "1 of 2 rows cannot be read" == problem.detail
    assert (Fault("/1/PetalWidthCm", "is missing"),) == problem.errors
    assert "422 Unprocessable Content: 1 of 2 rows cannot be read; /1/PetalWidthCm: is missing" == str(problem)


@pytest.mark.parametrize(
    "body",
    [b"<html>bad gateway</html>", b"[]", b"\xff", b'{"errors": "many"}', b'{"errors": ["many"]}'],
    ids=["a page", "a list", "no text", "errors that are none", "errors in words"],
)
def test_a_refusal_by_somebody_else(connect: Callable[..., Any], body: bytes) -> None:
    """A proxy's error page is a problem too, with the status and no more."""
    with peer(reply(body, 502)) as gateway, connect(gateway.url) as client:
        with pytest.raises(Problem, match="502") as caught:
            client.predict("iris", ROW)

    assert (502, "about:blank", ()) == (caught.value.status, caught.value.type, caught.value.errors)


def test_a_redirect_is_not_followed(connect: Callable[..., Any]) -> None:
    """Rows are sent to the address that was given, and to no other."""
    away = b"HTTP/1.1 308 X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    with peer(away, reply(1)) as gateway, connect(gateway.url) as client:
        with pytest.raises(Problem, match="308"):
            client.predict("iris", ROW)

    assert 1 == len(gateway.heard)


@pytest.mark.parametrize("body", [b"", b"hello"], ids=["nothing", "text"])
def test_a_success_that_is_not_json(connect: Callable[..., Any], body: bytes) -> None:
    """200 with something that is not JSON is no answer."""
    with peer(reply(body)) as gateway, connect(gateway.url) as client:
        with pytest.raises(NoAnswer, match="is it a gateway"):
            client.predict("iris", ROW)


def test_a_nan_is_not_sent(connect: Callable[..., Any]) -> None:
    """What JSON cannot carry is refused before anything is sent."""
    with peer() as gateway, connect(gateway.url) as client:
        with pytest.raises(ValueError, match="not JSON compliant"):
            client.predict("iris", {**ROW, "PetalWidthCm": float("nan")})

    assert [] == gateway.heard


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port"])
def test_a_wrong_address(connect: Callable[..., Any], url: str) -> None:
    """An address that cannot be a gateway's is refused when the client is made."""
    with pytest.raises(ConfigurationError, match="is not the address of a gateway"):
        with connect(url):
            pass


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan")])
def test_a_wrong_timeout(connect: Callable[..., Any], timeout: float) -> None:
    """A timeout that is over before it begins is refused when the client is made."""
    with pytest.raises(ConfigurationError, match="more than 0 seconds"):
        with connect("http://127.0.0.1", timeout):
            pass


def test_a_client_that_asked_nothing_closes(connect: Callable[..., Any]) -> None:
    """Opening and closing a client opens no connection."""
    with peer() as gateway, connect(gateway.url):
        pass

    assert [] == gateway.heard
