"""More calls than a gateway may answer at once: they are refused before their bodies are read, and nothing else suffers."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import zoo
from tests.asking import Answered, ask, post
from tests.integration.model_server_calls import eventually, metric
from tests.processes import Tier, gateway

ROW = {"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}
BODY = json.dumps(ROW).encode()
LIMIT = 4


@pytest.fixture(name="keeper")
def _keeper() -> Iterator[zoo.Keeper]:
    with zoo.zoo() as keeper:
        keeper.held = True
        yield keeper


@pytest.fixture(name="tier")
def _tier(keeper: zoo.Keeper, tmp_path: Path) -> Iterator[Tier]:
    with gateway(keeper.url, tmp_path / "log", None, GATEWAY_MAX_REQUESTS=str(LIMIT), GATEWAY_CALLS_PER_LANE="8") as tier:
        tier.wait_ready()
        yield tier


def under_way(keeper: zoo.Keeper, rows: int) -> bool:
    """Whether that many rows have come to the model server. Who asked the gateway for its metrics would take the place of a call."""
    return sum(len(asked.rows) for asked in keeper.scored()) == rows


@contextlib.contextmanager
def full(tier: Tier, keeper: zoo.Keeper) -> Iterator[list[Future[Answered]]]:
    """As many calls under way as may be."""
    with ThreadPoolExecutor(LIMIT) as pool:
        calls = [pool.submit(post, tier.url + "/iris/predict", ROW) for _ in range(LIMIT)]
        assert eventually(lambda: under_way(keeper, LIMIT))
        yield calls
        keeper.held = False


def talk(tier: Tier, *pieces: bytes) -> bytes:
    """Send pieces over one connection, a moment apart, and read the first answer's head."""
    with socket.create_connection(("127.0.0.1", int(tier.url.rpartition(":")[2]))) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.05)
        return connection.recv(65536)


def call(body: bytes = BODY, extra: bytes = b"", length: bytes | None = None) -> bytes:
    """A whole call."""
    size = b"Content-Length: %d" % len(body) if length is None else length
    return b"POST /iris/predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + size + b"\r\n" + extra + b"\r\n" + body


def test_a_call_too_many_is_refused_at_once(tier: Tier, keeper: zoo.Keeper) -> None:
    """With a whole problem; those who were there before are answered, and so is whoever comes after."""
    with full(tier, keeper) as calls:
        refused = post(tier.url + "/iris/predict", ROW)
        protocol = post(tier.url + "/v2/models/iris/infer", ROW)
        assert not any(one.done() for one in calls)
    assert {200} == {one.result().status for one in calls}
    assert (503, "application/problem+json", "1") == (refused.status, refused.headers["Content-Type"], refused.headers["Retry-After"])
    assert ("/problems/overloaded", 503) == (refused.json["type"], refused.json["status"])
    assert (32, refused.headers["X-Request-ID"]) == (len(refused.json["instance"]), refused.json["instance"])
    assert refused.headers["Date"] and refused.headers["Server-Timing"]
    # Clients of the inference protocol are told in their own form.
    assert (503, "application/json", "1") == (protocol.status, protocol.headers["Content-Type"], protocol.headers["Retry-After"])
    assert protocol.json["error"] == protocol.json["detail"] == refused.json["detail"] and "error" not in refused.json
    assert 2 == metric(tier.url, 'twotier_gateway_requests_total{method="POST",route="refused unread",status="503"}')
    assert 2 == metric(tier.url, 'twotier_gateway_rows_shed_total{reason="too_many_calls"}')
    assert 200 == post(tier.url + "/iris/predict", ROW).status


def test_a_refused_caller_may_go_on_with_its_connection(tier: Tier, keeper: zoo.Keeper) -> None:
    """The next call over the same connection is answered once there is room."""
    with socket.create_connection(("127.0.0.1", int(tier.url.rpartition(":")[2]))) as connection:

        def status() -> bytes:
            connection.sendall(call())
            return connection.recv(65536)[:13]

        with full(tier, keeper):
            assert [b"HTTP/1.1 503 "] * 2 == [status(), status()]
        # Whoever has its answer may come back before the gateway has put the call behind it.
        assert eventually(lambda: status() == b"HTTP/1.1 200 ")


SPECIAL = {
    "head in pieces": (call()[:20], call()[20:]),
    "body in pieces": (call()[:-10], call()[-10:]),
    "kept alive by name": (call(extra=b"Connection: keep-alive\r\n"),),
    "with a long head": (call(extra=b"Cookie: %s\r\n" % (b"x" * 9000)),),
    "closing": (call(extra=b"Connection: close\r\n"),),
    "HTTP/1.0": (call().replace(b"HTTP/1.1", b"HTTP/1.0"),),
    "chunked": (call(b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), b"Transfer-Encoding: chunked\r\n", b"X: y"),),
    "two at once": (call() + call(),),
    "asked for by GET": (call().replace(b"POST /iris/predict", b"GET /serve_decision_tree"),),
    "waiting to be told to go on": (call(extra=b"Expect: 100-continue\r\n")[: -len(BODY)],),
}


@pytest.mark.parametrize("pieces", SPECIAL.values(), ids=SPECIAL)
def test_however_it_comes_a_call_too_many_is_refused(tier: Tier, keeper: zoo.Keeper, pieces: tuple[bytes, ...]) -> None:
    """Before its body is read if it is not whole, and by a whole problem."""
    with full(tier, keeper):
        answer = talk(tier, *pieces)
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 503 ") and b"\r\nserver-timing: " in head and b"\r\nretry-after: 1\r\n" in head
    (identity,) = re.findall(rb"\r\nx-request-id: ([0-9a-f]{32})", head)
    (size,) = map(int, re.findall(rb"\r\ncontent-length: ([0-9]+)", head))
    problem = json.loads(body[:size])
    assert ("/problems/overloaded", identity.decode()) == (problem["type"], problem["instance"])


@pytest.mark.parametrize("pieces", [pieces for name, pieces in SPECIAL.items() if "told" not in name and "GET" not in name])
def test_however_it_comes_a_call_is_answered_where_there_is_room(tier: Tier, keeper: zoo.Keeper, pieces: tuple[bytes, ...]) -> None:
    """The negative control."""
    keeper.held = False
    assert talk(tier, *pieces).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_comes_after_its_answer_is_not_a_call(tier: Tier, keeper: zoo.Keeper) -> None:
    """Bytes of a body that look like a call are dropped with it, and the call behind them is answered."""
    with socket.create_connection(("127.0.0.1", int(tier.url.rpartition(":")[2]))) as connection:
        connection.sendall(call(b"", length=b"Content-Length: %d" % len(call())).replace(b"/iris/predict", b"/nowhere"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
        with full(tier, keeper):
            connection.sendall(call())
            time.sleep(0.2)
        connection.sendall(call())
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_connection_that_is_only_refused_is_closed_when_it_is_idle(keeper: zoo.Keeper, tmp_path: Path) -> None:
    """As one that is answered; while calls come, it is not."""
    environment = {"GATEWAY_MAX_REQUESTS": str(LIMIT), "GATEWAY_KEEP_ALIVE_SECONDS": "2", "GATEWAY_CALLS_PER_LANE": "8"}
    with gateway(keeper.url, tmp_path / "log", None, **environment) as tier:
        tier.wait_ready()
        with full(tier, keeper), socket.create_connection(("127.0.0.1", int(tier.url.rpartition(":")[2]))) as connection:
            connection.settimeout(30)
            for _ in range(8):
                connection.sendall(call())
                assert connection.recv(65536).startswith(b"HTTP/1.1 503 ")
                time.sleep(0.4)
            assert b"" == connection.recv(65536)


@pytest.mark.parametrize("whole", [True, False], ids=["that ends", "that never ends"])
def test_a_body_that_comes_after_its_answer_keeps_no_connection(keeper: zoo.Keeper, tmp_path: Path, whole: bool) -> None:
    """Not when it is there, and not by coming on and on."""
    environment = {"GATEWAY_MAX_REQUESTS": str(LIMIT), "GATEWAY_KEEP_ALIVE_SECONDS": "1", "GATEWAY_CALLS_PER_LANE": "8"}
    with gateway(keeper.url, tmp_path / "log", None, **environment) as tier:
        tier.wait_ready()
        with full(tier, keeper), socket.create_connection(("127.0.0.1", int(tier.url.rpartition(":")[2]))) as connection:
            connection.settimeout(30)
            connection.sendall(call()[:-10])
            assert connection.recv(65536).startswith(b"HTTP/1.1 503 ")
            connection.sendall(call()[-10:] if whole else call()[-10:-5])
            assert b"" == connection.recv(65536)


@pytest.mark.parametrize("bytes_", [b"", b"POST /iris/pre"], ids=["nothing", "half a head"])
def test_a_connection_on_which_no_head_comes_is_closed(keeper: zoo.Keeper, tmp_path: Path, bytes_: bytes) -> None:
    """As one that is idle. One on which a call is under way is not, however long it takes."""
    with gateway(keeper.url, tmp_path / "log", None, GATEWAY_KEEP_ALIVE_SECONDS="1", GATEWAY_CALLS_PER_LANE="8") as tier:
        tier.wait_ready()
        with full(tier, keeper) as calls, socket.create_connection(("127.0.0.1", int(tier.url.rpartition(":")[2]))) as connection:
            connection.settimeout(30)
            connection.sendall(bytes_)
            assert b"" == connection.recv(65536)
        assert {200} == {one.result().status for one in calls}


@pytest.mark.parametrize("bytes_", [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/1.1\r\nHost x\r\n\r\n", b"NONSENSE\r\n\r\n"])
def test_what_is_no_http_is_told_so(tier: Tier, bytes_: bytes) -> None:
    """By a problem with an id and all the rest, and the connection is closed."""
    with socket.create_connection(("127.0.0.1", int(tier.url.rpartition(":")[2]))) as connection:
        connection.sendall(bytes_)
        connection.settimeout(30)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, body = answer.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n") and b"\r\nconnection: close" in head and b"\r\nserver-timing: " in head
    assert b"\r\ncontent-type: application/problem+json" in head
    assert ("/problems/unreadable-request", 400) == (json.loads(body)["type"], json.loads(body)["status"])


def test_probes_and_metrics_are_never_refused(tier: Tier, keeper: zoo.Keeper) -> None:
    """They matter most when there is too much to do."""
    with full(tier, keeper):
        assert [200, 200, 200] == [ask(tier.url + path).status for path in ("/livez", "/metrics", "/models")]


def test_with_room_nobody_is_refused(tier: Tier, keeper: zoo.Keeper) -> None:
    """The negative control: one call fewer than may be, and the next is answered."""
    with ThreadPoolExecutor(LIMIT) as pool:
        calls = [pool.submit(post, tier.url + "/iris/predict", ROW) for _ in range(LIMIT - 1)]
        assert eventually(lambda: under_way(keeper, LIMIT - 1))
        calls.append(pool.submit(post, tier.url + "/iris/predict", ROW))
        assert eventually(lambda: under_way(keeper, LIMIT))
        keeper.held = False
        assert {200} == {one.result().status for one in calls}
