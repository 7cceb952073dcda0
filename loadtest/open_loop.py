"""Open-loop load: requests are sent when they are due, whether or not earlier ones are answered, as independent callers do.

`python -m loadtest.open_loop --url http://127.0.0.1:8000/iris/predict --rate 500 --seconds 10 --body '{"SepalLengthCm": 5, …}'`

Latency counts from the moment a request was DUE, so that a server that stalls cannot hide the requests that it kept from being sent
(coordinated omission). A request that is not answered within the deadline is given up: its connection is reset, as a caller who has
gone would. Goodput is what was answered rightly within the deadline; refusals (429, 503) are reported apart, since answering them
fast is a virtue and counting them as throughput would be a lie.

Three bounds keep a run finite: its seconds, the connections that may be open (an arrival that finds none free is `unsent`), and how
late the generator itself may be (an arrival that it reaches later than that is `unsent` too, and the lag of the others is reported).
All sockets are polled in one plain loop: an event loop with a client library on top takes several times the CPU, and the generator
shares the machine with what it measures. Linux only.
"""

from __future__ import annotations

import argparse
import dataclasses
import errno
import gc
import json
import resource
import select
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.arrivals import ARRIVALS, Arrivals, schedule
from loadtest.http_target import Target, Unreadable, parse, target
from loadtest.tally import OUTCOMES, Tally

SENDS_PER_TURN = 32
"""Requests sent before answers are read again: more would make the answers look later than they are."""

RESERVED_FILES = 64
"""File descriptors left to the rest of the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send, how fast, for how long, and what counts as good."""

    url: str
    rate: float
    """Requests per second."""

    seconds: float
    arrivals: Arrivals = "poisson"
    deadline_ms: float = 1000
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    expect: bytes = b""
    """What the body of a 200 must contain to be good."""

    connections: int = 8192
    max_lag_ms: float = 50
    """By how much a request may be sent late; a later one would say more about the generator than about the server."""

    seed: int = 0
    allow_remote: bool = False


class _Request:
    """One request that is due, and the connection that it is on while it is in flight."""

    __slots__ = ("moment", "connection")

    def __init__(self, moment: float, connection: _Connection) -> None:
        self.moment = moment
        self.connection: _Connection | None = connection


class _Connection:
    """One socket, its request in flight, what is still to be written of it, and what has been read of its answer."""

    __slots__ = ("socket", "descriptor", "request", "unwritten", "received")

    def __init__(self, peer: socket.socket) -> None:
        self.socket = peer
        self.descriptor = peer.fileno()
        self.request: _Request | None = None
        self.unwritten = b""
        self.received = b""


class _Generator:
    """One run. `_connections` is every open socket by its descriptor, `_idle` those without a request, the latest used last."""

    def __init__(self, load: Load, aim: Target) -> None:
        self._load = load
        self._target = aim
        self._deadline = load.deadline_ms / 1000
        self._max_lag = load.max_lag_ms / 1000
        self._connections: dict[int, _Connection] = {}
        self._idle: list[_Connection] = []
        self._in_flight: deque[_Request] = deque()
        self._poll = select.epoll()
        self._start = 0.0
        self.tally = Tally()

    def run(self) -> None:
        """Send everything, and wait for the last answer or its deadline."""
        dues = schedule(self._load.arrivals, self._load.rate, self._load.seconds, self._load.seed)
        due = next(dues, None)
        self._start = time.perf_counter()
        try:
            while due is not None or self._in_flight:
                now = self._now()
                sent = 0
                while due is not None and due <= now and sent < SENDS_PER_TURN:
                    self.tally.offer(due)
                    sent += self._send(due, now)
                    due = next(dues, None)
                self._give_up(now)
                self._read(self._pause(due))
        finally:
            for connection in list(self._connections.values()):
                self._close(connection)
            self._poll.close()

    def _now(self) -> float:
        return time.perf_counter() - self._start

    def _pause(self, due: float | None) -> float:
        """Seconds until something must be done even if nothing is answered."""
        moments = [] if due is None else [due]
        if self._in_flight:
            moments.append(self._in_flight[0].moment + self._deadline)
        return max(min(moments, default=0.0) - self._now(), 0.0)

    def _send(self, due: float, now: float) -> bool:
        """Send one request, on an idle connection or a new one; False if it cannot be."""
        if now - due > self._max_lag:
            self.tally.unsent["the generator is late"] += 1
            return False
        if self._idle:
            connection = self._idle.pop()
        elif len(self._connections) < self._load.connections:
            connection = self._connect()
        else:
            self.tally.unsent["no connection is free"] += 1
            return False
        self.tally.lag.add(now - due)
        connection.request = _Request(due, connection)
        connection.unwritten = self._target.request
        self._in_flight.append(connection.request)
        self._write(connection)
        return True

    def _connect(self) -> _Connection:
        peer = socket.socket(self._target.family, socket.SOCK_STREAM)
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Closed by a reset: thousands of sockets in TIME_WAIT would leave no port to send the rest of the load from.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Whether it worked is said by the socket, as it is for a connection that takes longer.
        peer.connect_ex(self._target.address)
        connection = self._connections[peer.fileno()] = _Connection(peer)
        self._poll.register(peer, select.EPOLLIN)
        return connection

    def _write(self, connection: _Connection) -> None:
        try:
            connection.unwritten = connection.unwritten[connection.socket.send(connection.unwritten):]
        except BlockingIOError:
            pass
        except OSError as error:
            self._lost(connection, _name(error))
            return
        if connection.unwritten:
            self._poll.modify(connection.descriptor, select.EPOLLIN | select.EPOLLOUT)

    def _give_up(self, now: float) -> None:
        """Reset the connections whose requests are past their deadline."""
        while self._in_flight:
            connection = self._in_flight[0].connection
            if connection is not None:
                if self._in_flight[0].moment + self._deadline > now:
                    return
                self.tally.timed_out += 1
                self._close(connection)
            self._in_flight.popleft()

    def _read(self, pause: float) -> None:
        """Handle what has happened on the sockets, waiting for at most `pause` seconds for something to."""
        events = self._poll.poll(0)
        if not events and pause:
            # epoll rounds its time-out up to a millisecond; select on the epoll itself does not.
            select.select([self._poll], [], [], pause)
            events = self._poll.poll(0)
        for descriptor, event in events:
            connection = self._connections[descriptor]
            if event == select.EPOLLOUT:
                self._poll.modify(descriptor, select.EPOLLIN)
                self._write(connection)
            else:
                self._receive(connection)

    def _receive(self, connection: _Connection) -> None:
        request = connection.request
        try:
            data = connection.socket.recv(1 << 18)
            connection.received += data
            answer = parse(connection.received)
        except (OSError, Unreadable) as error:
            self._lost(connection, _name(error))
            return
        if not data or request is None:
            self._lost(connection, "disconnected")
        elif answer is not None:
            latency = self._now() - request.moment
            # It may be read before its request was given up, and be late all the same.
            if latency > self._deadline:
                self.tally.timed_out += 1
            else:
                self.tally.answer(request.moment, latency, answer.status, self._load.expect in answer.body)
            request.connection = connection.request = None
            connection.received = b""
            if answer.close:
                self._close(connection)
            else:
                self._idle.append(connection)

    def _lost(self, connection: _Connection, why: str) -> None:
        """The connection broke: an error if it had a request, and no more than the end of a keep-alive if it had none."""
        if connection.request is not None:
            self.tally.errors[why] += 1
        else:
            self._idle.remove(connection)
        self._close(connection)

    def _close(self, connection: _Connection) -> None:
        if connection.request is not None:
            connection.request.connection = None
        del self._connections[connection.descriptor]
        connection.socket.close()


def _name(error: Exception) -> str:
    return errno.errorcode.get(error.errno or 0, "") if isinstance(error, OSError) else str(error)


def run(load: Load) -> dict[str, Any]:
    """Send the load and sum it up. Raises ValueError for a load that makes no sense or is aimed elsewhere."""
    if load.connections < 1 or load.deadline_ms <= 0:
        raise ValueError("a run needs at least one connection and a deadline above 0 ms")
    aim = target(load.url, load.body, load.headers, allow_remote=load.allow_remote)
    _allow_files(load.connections + RESERVED_FILES)
    generator = _Generator(load, aim)
    processor = time.process_time()
    # The loop leaves no garbage cycles behind, and a full collection among thousands of connections would take milliseconds.
    gc.disable()
    try:
        generator.run()
    finally:
        gc.enable()
    sent = {"body": load.body[:200].decode("utf-8", "replace"), "expect": load.expect.decode("utf-8", "replace")}
    spent = round(time.process_time() - processor, 2)
    return {"load": dataclasses.asdict(load) | sent, **generator.tally.summary(load.seconds), "generator_cpu_seconds": spent}


def _allow_files(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if needed > hard:
        raise ValueError(f"{needed - RESERVED_FILES} connections need {needed} open files, and this machine allows {hard}: ask for fewer")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))


def report(summary: dict[str, Any]) -> str:
    """The summary for a person to read."""
    lines = [f"{name.replace('_', ' '):>20} {summary[name]}" for name in ("offered", "sent", *OUTCOMES)]
    lines += [f"{name.replace('_', ' '):>20} {summary[name]}" for name in ("statuses", "errors", "unsent_because") if summary[name]]
    lines.append(f"{'goodput':>20} {summary['goodput_per_second']}/s of {summary['offered_per_second']}/s offered")
    for kind in ("accepted", "refused", "lag"):
        times = summary[f"{kind}_ms"]
        if times["count"]:
            lines.append(f"{kind:>20} " + "  ".join(f"{name} {times[name]:.2f}" for name in ("p50", "p90", "p99", "max")) + "  ms")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.open_loop", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--arrivals", choices=ARRIVALS, default="poisson")
    parser.add_argument("--deadline-ms", type=float, default=1000, help="a later answer is no good (default: %(default)s)")
    parser.add_argument("--body", default="", help="JSON to POST, or @file; without it, GET")
    parser.add_argument("--header", action="append", default=[], metavar="NAME:VALUE")
    parser.add_argument("--expect", default="", help="text that the body of a good answer contains")
    parser.add_argument("--connections", type=int, default=8192, help="most connections open at once (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the Poisson arrivals")
    parser.add_argument("--json", type=Path, help="also write the summary to this file")
    parser.add_argument("--allow-remote", action="store_true", help="allow a server of yours that is not on this machine")
    given = parser.parse_args(arguments)
    try:
        load = Load(
            url=given.url,
            rate=given.rate,
            seconds=given.seconds,
            arrivals=given.arrivals,
            deadline_ms=given.deadline_ms,
            body=Path(given.body[1:]).read_bytes() if given.body.startswith("@") else given.body.encode(),
            headers={name.strip(): value.strip() for name, _, value in (header.partition(":") for header in given.header)},
            expect=given.expect.encode(),
            connections=given.connections,
            seed=given.seed,
            allow_remote=given.allow_remote,
        )
        summary = run(load)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    if given.json:
        given.json.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(report(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
