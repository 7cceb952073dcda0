"""Until when a caller wants the answer."""

from __future__ import annotations

import re
import time

from starlette.requests import Request

from twotier.errors import InputRefused

__all__ = ["DEADLINE_HEADER", "deadline"]

DEADLINE_HEADER = "X-Request-Deadline-Ms"


def deadline(request: Request, budget_ms: int) -> float:
    """The time (`time.monotonic()`) that the header names, or that the gateway's budget ends at, if that is sooner. Raises InputRefused."""
    given = request.headers.get(DEADLINE_HEADER)
    if given is None:
        return time.monotonic() + budget_ms / 1000
    if not re.fullmatch("[0-9]{1,9}", given) or int(given) == 0:
        raise InputRefused(f"{DEADLINE_HEADER} must be a whole number of milliseconds, from 1 to 999999999")
    return time.monotonic() + min(budget_ms, int(given)) / 1000
