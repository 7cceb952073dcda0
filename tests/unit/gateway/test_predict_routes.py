"""What the predict routes read of a request beside its body."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from twotier.gateway.headers import sticky_key

ADDRESS = ("192.0.2.1", 50_000)


@pytest.mark.parametrize(
    ("header", "client", "key"),
    [
        (b"alice", ADDRESS, "alice"),
        (b"\xe9", None, "é"),
        (b"", ADDRESS, "192.0.2.1"),
        (None, ADDRESS, "192.0.2.1"),
        (None, None, "some-id"),
    ],
)
def test_the_key_of_a_caller(header: bytes | None, client: Any, key: str) -> None:
    """What it sends, whatever that is; else its address; and else, as on a Unix socket, what is of this request alone."""
    headers = [] if header is None else [(b"x-sticky-key", header)]
    request = Request({"type": "http", "headers": headers, "client": client, "state": {"request_id": "some-id"}})

    assert key == sticky_key(request)
