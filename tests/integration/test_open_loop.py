"""The open-loop generator against a real server whose behaviour, and so whose goodput, is known."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from loadtest import open_loop
from loadtest.arrivals import schedule
from loadtest.open_loop import Load, main, run
from loadtest.tally import OUTCOMES

pytestmark = pytest.mark.unmeasured

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nIris-virginica"
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\nIris-virginica"
WRONG = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nRosa!"
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
GARBAGE = b"HTTP/1.1 200 OK\r\n\r\nhow long is this?"
HANG = b""
END = b"(end of connection)\n"
"""After an answer, or in place of one: the server closes the connection without having said that it would."""

SILENT = b" " * 20 + END
"""No answer."""

PATIENT = 20_000.0
"""Milliseconds that not even a loaded machine needs: what is counted here must not depend on how fast it is."""

Script = Callable[[int], bytes]
"""The number of a request -> how it is answered."""


class _Scripted(asyncio.Protocol):
    """One connection; answers each whole request by the script."""

    def __init__(self, script: Script, numbers: Iterator[int], delay: float, open_now: set[asyncio.Transport]) -> None:
        self._script = script
        self._numbers = numbers
        self._delay = delay
        self._open_now = open_now
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open_now.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_now.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0] or 0)
        if end and len(body) >= length:
            self._received = b""
            asyncio.get_running_loop().call_later(self._delay, self._reply, self._script(next(self._numbers)))

    def _reply(self, answer: bytes) -> None:
        # In two pieces, as a network may deliver it.
        self._transport.write(answer[:20])
        asyncio.get_running_loop().call_later(0.001, self._finish, answer[20:])

    def _finish(self, rest: bytes) -> None:
        self._transport.write(rest.removesuffix(END))
        if rest.endswith(END):
            self._transport.close()


async def _serve(script: Script, delay: float, port: Future[int], stop: threading.Event) -> None:
    open_now: set[asyncio.Transport] = set()
    numbers = itertools.count()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Scripted(script, numbers, delay, open_now), "127.0.0.1", 0)
    port.set_result(server.sockets[0].getsockname()[1])
    await asyncio.to_thread(stop.wait)
    server.close()
    for transport in open_now:
        transport.abort()
    while open_now:
        await asyncio.sleep(0.001)


@contextlib.contextmanager
def scripted(script: Script, delay: float = 0.0) -> Iterator[str]:
    """A server on a free port in a thread of its own; every answer takes `delay` seconds."""
    port: Future[int] = Future()
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(script, delay, port, stop)))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port.result(10)}/iris/predict"
    finally:
        stop.set()
        thread.join()


def outcomes(url: str, **load: Any) -> dict[str, int]:
    """What became of 100 requests, evenly spaced over half a second; outcomes that did not occur are left out."""
    given = {"max_lag_ms": PATIENT, "deadline_ms": PATIENT, **load}
    summary = run(Load(url=url, rate=200, seconds=0.5, arrivals="constant", body=b"{}", expect=b"virginica", **given))
    assert summary["offered"] == 100 == sum(summary[name] for name in OUTCOMES)
    return {name: summary[name] for name in OUTCOMES if summary[name]}


@pytest.mark.parametrize("answer", [GOOD, LAST])
def test_a_server_that_answers_all_has_full_goodput(answer: bytes) -> None:
    """On kept connections and on connections that the server ends after each answer alike."""
    with scripted(lambda number: answer) as url:
        assert outcomes(url) == {"good": 100}


def test_every_kind_of_answer_is_counted_as_what_it_is() -> None:
    """Of each ten requests: five good, one wrong, one refused, one failed, one garbage, one without an answer."""
    kinds = [GOOD, WRONG, GOOD, REFUSED, GOOD, FAILED, GOOD, GARBAGE, GOOD, SILENT]
    with scripted(lambda number: kinds[number % 10]) as url:
        assert outcomes(url) == {"good": 50, "wrong": 10, "refused": 10, "failed": 10, "error": 20}


@pytest.mark.parametrize(("deadline_ms", "outcome"), [(10.0, "timed_out"), (PATIENT, "good")], ids=["late", "in time"])
def test_a_late_answer_is_not_good_though_it_is_read(monkeypatch: pytest.MonkeyPatch, deadline_ms: float, outcome: str) -> None:
    """A generator that is busy may read it before it has given the request up."""
    give_up = open_loop._Generator._give_up

    def later(self: open_loop._Generator, now: float) -> None:
        if all(request.connection is None for request in self._in_flight):
            give_up(self, now)

    monkeypatch.setattr(open_loop._Generator, "_give_up", later)
    with scripted(lambda number: GOOD, 0.03) as url:
        assert outcomes(url, deadline_ms=deadline_ms) == {outcome: 100}


def test_a_request_without_an_answer_times_out_and_holds_up_nobody() -> None:
    """Every fourth hangs: it alone is lost, because its neighbours do not wait for it."""
    with scripted(lambda number: HANG if number % 4 == 0 else GOOD) as url:
        assert outcomes(url, deadline_ms=3000) == {"good": 75, "timed_out": 25}


def test_a_server_slower_than_the_deadline_has_no_goodput() -> None:
    """Its answers are right, and too late for everyone."""
    with scripted(lambda number: GOOD, delay=1.0) as url:
        assert outcomes(url, deadline_ms=300) == {"timed_out": 100}


def test_latency_counts_from_when_a_request_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator is held up, and sends all requests but the first late: that is part of the latency, beside the server's 0.2 s."""

    def held_up(*given: Any) -> Iterator[float]:
        dues = schedule(*given)
        yield next(dues)
        time.sleep(0.3)
        yield from dues

    monkeypatch.setattr(open_loop, "schedule", held_up)
    with scripted(lambda number: GOOD, delay=0.2) as url:
        summary = run(Load(url=url, rate=100, seconds=0.2, arrivals="constant", body=b"{}", deadline_ms=PATIENT, max_lag_ms=PATIENT))
    latency, lag = summary["accepted_ms"], summary["lag_ms"]
    assert 20 == latency["count"] == lag["count"]
    # All were due within 190 ms, and sent after 300.
    assert lag["p50"] >= 110
    for quantile in ("p50", "p90", "p99", "max"):
        assert latency[quantile] >= lag[quantile] + 199.9, quantile


def test_an_arrival_that_finds_no_connection_is_unsent() -> None:
    """With one connection and a server that hangs, the first is sent, and the rest are known not to have been."""
    with scripted(lambda number: HANG) as url:
        assert outcomes(url, connections=1, deadline_ms=2000) == {"timed_out": 1, "unsent": 99}


def test_a_body_larger_than_the_socket_takes_is_sent_whole() -> None:
    """Four megabytes go out in pieces, and are answered."""
    with scripted(lambda number: GOOD) as url:
        large = b" " * (1 << 22)
        summary = run(Load(url=url, rate=10, seconds=0.3, arrivals="constant", body=large, deadline_ms=PATIENT, max_lag_ms=PATIENT))
    assert summary["good"] == 3


def test_nobody_listening_is_an_error_each_time() -> None:
    """A refused connection is named."""
    with scripted(lambda number: GOOD) as url:
        pass
    summary = run(Load(url=url, rate=50, seconds=0.2, arrivals="constant", max_lag_ms=PATIENT))
    assert summary["errors"] == {"ECONNREFUSED": 10}


def test_a_generator_that_cannot_keep_up_says_so() -> None:
    """More than this machine can send: what was not sent in time is counted as unsent, and never as sent late."""
    with scripted(lambda number: GOOD) as url:
        summary = run(Load(url=url, rate=2_000_000, seconds=0.2, arrivals="constant", deadline_ms=10_000))
    assert summary["unsent_because"]["the generator is late"] > 0
    assert summary["lag_ms"]["max"] <= 50


def test_a_kept_connection_that_the_server_ends_is_replaced() -> None:
    """The end of an idle connection is no error."""
    with scripted(lambda number: GOOD + END) as url:
        summary = run(Load(url=url, rate=2, seconds=1, arrivals="constant", deadline_ms=PATIENT, max_lag_ms=PATIENT))
    assert (summary["good"], summary["offered"]) == (2, 2)


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ({"connections": 0}, "at least one connection"),
        ({"deadline_ms": 0}, "deadline above 0"),
        ({"connections": 10**9}, "open files"),
        ({"url": "http://192.0.2.1/"}, "--allow-remote"),
    ],
)
def test_a_load_that_makes_no_sense_is_refused_before_anything_is_sent(load: dict[str, Any], message: str) -> None:
    """The message says what to change."""
    with pytest.raises(ValueError, match=message):
        run(Load(**{"url": "http://127.0.0.1:9/", "rate": 1, "seconds": 1, **load}))


def test_the_command_prints_the_report_and_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed and what is written say the same."""
    (tmp_path / "row.json").write_text("{}")
    with scripted(lambda number: GOOD if number % 2 else REFUSED) as url:
        options = ["--rate", "20", "--seconds", "1", "--arrivals", "constant", "--deadline-ms", "10000", "--expect", "virginica"]
        files = ["--body", f"@{tmp_path / 'row.json'}", "--header", "X-Caller: me", "--json", str(tmp_path / "out.json")]
        assert main(["--url", url, *options, *files]) == 0
    summary = json.loads((tmp_path / "out.json").read_text())
    good, refused = summary["good"], summary["refused"]
    assert good + refused + summary["unsent"] == 20 and abs(good - refused) <= 1
    printed = capsys.readouterr().out
    assert f"statuses {{'200': {good}, '503': {refused}}}" in printed
    assert f"goodput {good:.1f}/s of 20.0/s offered" in printed


def test_the_command_says_what_is_wrong_with_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is named, with the usual exit code of a wrong command line."""
    with pytest.raises(SystemExit, match="2"):
        main(["--url", "http://127.0.0.1:9/", "--rate", "1", "--body", "@/no/such/file"])
    assert "/no/such/file" in capsys.readouterr().err


def test_the_command_runs_as_a_module_and_reports_a_server_that_is_not_there() -> None:
    """No latency is shown where there was no answer."""
    with scripted(lambda number: GOOD) as url:
        pass
    command = [sys.executable, "-m", "loadtest.open_loop", "--url", url, "--rate", "10", "--seconds", "0.2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "errors {'ECONNREFUSED': " in done.stdout
    assert "accepted" not in done.stdout and "goodput 0.0/s" in done.stdout


def test_connections_that_a_full_server_leaves_waiting_time_out() -> None:
    """Nobody accepts, and the queue of those who wait holds one: the requests of the others cannot even be written."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        url = f"http://127.0.0.1:{full.getsockname()[1]}/"
        summary = run(Load(url=url, rate=50, seconds=0.2, arrivals="constant", deadline_ms=600, max_lag_ms=PATIENT))
    assert (summary["timed_out"], summary["offered"]) == (10, 10)
