"""What is read of a request beside its path: until when its answer is wanted, and its body."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from twotier.errors import InputRefused, InputTooLarge
from twotier.gateway.settings import GatewaySettings

__all__ = ["DEADLINE_HEADER", "deadline", "is_json", "read_body"]

DEADLINE_HEADER = "X-Request-Deadline-Ms"


def deadline(request: Request, settings: GatewaySettings) -> float:
    """When the answer is no longer wanted (`time.monotonic()`). Raises InputRefused."""
    return time.monotonic() + _budget_ms(request, settings.budget_ms) / 1000


def _budget_ms(request: Request, most: int) -> int:
    given = request.headers.get(DEADLINE_HEADER)
    if given is None:
        return most
    if not re.fullmatch("[0-9]{1,9}", given) or int(given) == 0:
        raise InputRefused(f"{DEADLINE_HEADER} must be a whole number of milliseconds, from 1 to 999999999")
    return min(most, int(given))


def is_json(content_type: str) -> bool:
    """Whether it is JSON in UTF-8 by its content type."""
    if content_type == "application/json":
        return True
    media, *parameters = content_type.lower().split(";")
    charsets = [value.strip().strip('"') for name, _, value in (one.partition("=") for one in parameters) if name.strip() == "charset"]
    return media.strip() == "application/json" and charsets in ([], ["utf-8"])


async def read_body(request: Request, settings: GatewaySettings, taken: Callable[[str], bool] = is_json) -> bytes:
    """The body, if its content type is `taken`, and no longer than allowed: nothing beyond that is read.

    Raises HTTPException with status 415, and InputTooLarge.
    """
    headers = request.headers
    if not taken(headers.get("Content-Type", "")) or headers.get("Content-Encoding", "identity") != "identity":
        raise HTTPException(415, headers={"Accept": "application/json"})
    most = settings.max_body_bytes
    too_long = InputTooLarge(f"the body has more than {most} bytes: send the rows in several calls")
    if int(headers.get("Content-Length", "0")) > most:
        raise too_long
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message["body"])
        size += len(chunks[-1])
        if size > most:
            raise too_long
        more = message["more_body"]
    return b"".join(chunks)
