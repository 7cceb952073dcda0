"""The one request that a run sends, as bytes, and the reading of its answers. Plain HTTP/1.1 with Content-Length, and no more."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


class Unreadable(Exception):
    """The answer is not one that this reader understands."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect to, and what to send there."""

    family: int
    address: tuple[str, int]
    request: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    body: bytes
    close: bool
    """Whether the server ends the connection after it."""


def target(url: str, body: bytes, headers: Mapping[str, str] | None = None, *, allow_remote: bool = False) -> Target:
    """Resolve the address and write the request: a POST of JSON, or a GET if the body is empty.

    Raises ValueError for an address that is no plain HTTP or, unless `allow_remote`, that is not this machine: load is aimed at what
    one owns.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url} is not an http:// address")
    family, _, _, _, resolved = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)[0]
    address = (str(resolved[0]), int(resolved[1]))
    if not allow_remote and not ipaddress.ip_address(address[0]).is_loopback:
        raise ValueError(f"{url} is not on this machine; --allow-remote sends load elsewhere, to a server of your own")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {"Host": parts.netloc, **(headers or {})}
    if body:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return Target(family, address, f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)


def parse(data: bytes) -> Answer | None:
    """The answer that `data` is, or None while some of it is still to come. Raises Unreadable."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    try:
        status = int(head[9:12])
        start = head.index(b"\r\ncontent-length:") + 17
        length = int(head[start:].split(b"\r\n", 1)[0])
    except ValueError:
        raise Unreadable("an answer without status or Content-Length") from None
    body = data[end + 4:]
    return Answer(status, body, b"\r\nconnection: close" in head) if len(body) >= length else None
