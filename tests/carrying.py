"""Rows of one caller, sent to a model server without a lane."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from twotier.gateway.forwarding import Ask, Scores
from twotier.gateway.upstream import Upstream


async def carried(upstream: Upstream, ask: Ask, rows: Sequence[list[Any]], seconds: float) -> Scores:
    """Score rows that are waited for for so many seconds from now."""
    deadline = time.monotonic() + seconds
    return await upstream.carry(ask, rows, lambda: [deadline] * len(rows))
