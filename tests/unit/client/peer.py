"""A gateway that follows a script: a real server on a real socket which answers each request as it is told to, or does not."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HANG_UP = b"hang up"
STAY_SILENT = b"stay silent"


def reply(document: Any, status: int = 200, kind: str = "application/json") -> bytes:
    """One whole HTTP/1.1 reply, after which the connection is kept."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (status, kind.encode(), len(body), body)


@dataclass
class Heard:
    """One request as it arrived: on which connection, and what it said."""

    connection: int
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Peer:
    """Where the scripted gateway listens, and what it has heard."""

    url: str
    heard: list[Heard] = field(default_factory=list)


@contextlib.contextmanager
def peer(*script: bytes) -> Iterator[Peer]:
    """Answer the first request by the first item of `script`, and so on.

    HANG_UP sends what follows it and closes; STAY_SILENT waits for the caller to leave.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Peer(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=_play, args=(listener, list(script), made.heard))
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _play(listener: socket.socket, script: list[bytes], heard: list[Heard]) -> None:
    number = 0
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                while request := _hear(lines, number):
                    heard.append(request)
                    action = script.pop(0)
                    if action == STAY_SILENT:
                        lines.read()
                        break
                    connection.sendall(action.removeprefix(HANG_UP))
                    if action.startswith(HANG_UP):
                        break
            number += 1


def _hear(lines: Any, number: int) -> Heard | None:
    line = lines.readline().decode().strip()
    if not line:
        return None
    headers = {}
    while text := lines.readline().decode().strip():
        name, _, value = text.partition(": ")
        headers[name.lower()] = value
    return Heard(number, line, headers, lines.read(int(headers.get("content-length", 0))))
