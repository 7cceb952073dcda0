"""What callers say in headers of how they want to be answered."""

from __future__ import annotations

import re
import time

from starlette.requests import Request

from twotier.errors import InputRefused

__all__ = ["DEADLINE_HEADER", "STICKY_HEADER", "deadline", "header", "sticky_key"]

DEADLINE_HEADER = "X-Request-Deadline-Ms"
STICKY_HEADER = "X-Sticky-Key"

_DEADLINE = DEADLINE_HEADER.lower().encode()


def header(request: Request, name: bytes) -> str | None:
    """The first header of that name, which is in lower case. The framework's own way takes three times as long."""
    for given, value in request.scope["headers"]:
        if given == name:
            return str(value, "latin-1")
    return None


def deadline(request: Request, budget_ms: int) -> float:
    """The time (`time.monotonic()`) that the header names, or that the gateway's budget ends at, if that is sooner. Raises InputRefused."""
    given = header(request, _DEADLINE)
    if given is None:
        return time.monotonic() + budget_ms / 1000
    if not re.fullmatch("[0-9]{1,9}", given) or int(given) == 0:
        raise InputRefused(f"{DEADLINE_HEADER} must be a whole number of milliseconds, from 1 to 999999999")
    return time.monotonic() + min(budget_ms, int(given)) / 1000


def sticky_key(request: Request) -> str:
    """What keeps the caller on one side of a canary: the key it sends, else its address, else nothing that stays."""
    given = request.headers.get(STICKY_HEADER)
    return given or (request.client.host if request.client else request.state.request_id)
