"""Ask a tier over HTTP, as a plain client does, and see the whole answer."""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

JSON = {"Content-Type": "application/json"}

_TIMING = re.compile(r"validate;dur=(\d+\.\d\d), queue;dur=(\d+\.\d\d), upstream;dur=(\d+\.\d\d), model;dur=(\d+\.\d\d)")


@dataclass(frozen=True)
class Answered:
    """An answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


def ask(url: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None, seconds: float = 30) -> Answered:
    """Send one request on a connection of its own. An answer of any status is returned; no redirect is followed."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=seconds)
    try:
        connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body, headers or {})
        reply = connection.getresponse()
        return Answered(reply.status, reply.headers, reply.read())
    finally:
        connection.close()


def post(url: str, value: Any, **headers: str) -> Answered:
    """Send JSON."""
    return ask(url, "POST", json.dumps(value).encode(), JSON | {name.replace("_", "-"): text for name, text in headers.items()})


def timing(answered: Answered) -> tuple[float, ...]:
    """Validate, queue, upstream and model, in milliseconds, as the answer tells them."""
    found = _TIMING.fullmatch(answered.headers["Server-Timing"])
    assert found
    return tuple(map(float, found.groups()))
