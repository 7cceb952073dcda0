"""Whether a call that failed may be sent once more, and to whom. Scoring has no side effect, so the question is what it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import aiohttp

from twotier.errors import UpstreamError, UpstreamTimeout

__all__ = ["CONNECTING", "Attempt", "Reason", "RetryBudget", "reason_to_resend"]

RESERVE = 10.0
"""Calls that may be sent again when few were made before."""

MOST = 100.0
"""What may be saved up, for the moment when a model server dies with many calls under way."""

CONNECTING = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_BROKEN_OFF = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError)


class Reason(StrEnum):
    """Why a call is sent again."""

    CONNECT = "connect"
    """It was never sent: there was no connection."""

    IDLE_CLOSE = "idle_close"
    """A connection out of the pool was closed before an answer began. Nothing speaks against the model server."""

    BROKEN_OFF = "broken_off"
    """The connection was closed before the whole answer was there, of which nothing has been passed on. The call itself may have felled the
    model server.
    """

    REFUSED = "refused"
    """The model server says that it cannot serve now."""

    GIVEN_UP = "given_up"
    """The model server had stopped answering altogether, and another one is there."""


@dataclass(slots=True)
class Attempt:
    """What is known of one exchange with a model server."""

    reused: bool = False
    """Whether its connection came out of the pool."""

    answered: bool = False
    """Whether an answer has begun."""

    refused: bool = False
    """Whether the answer is that it cannot serve now."""

    given_up: bool = False
    """Whether it was ended because the model server is down."""


class RetryBudget:
    """Keeps retries at a share of all calls, so that an outage is not made worse by calls that are sent twice."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._left = RESERVE if share else 0.0

    def earn(self) -> None:
        """A call was made."""
        self._left = min(MOST, self._left + self._share)

    def spend(self) -> bool:
        """Whether a call may be sent again; if so, it is paid for."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


def reason_to_resend(error: UpstreamError, attempt: Attempt, pure: bool = True) -> Reason | None:
    """Why the call may be sent again; None if it may not: it timed out, or was answered, however badly.

    What is not `pure` must not be done twice, so it may be sent again only if it was surely never sent.
    """
    if not pure:
        return Reason.CONNECT if isinstance(error.__cause__, CONNECTING) else None
    if attempt.given_up:
        return Reason.GIVEN_UP
    if attempt.refused:
        return Reason.REFUSED
    if isinstance(error.__cause__, CONNECTING):
        return Reason.CONNECT
    if isinstance(error, UpstreamTimeout) or not isinstance(error.__cause__, _BROKEN_OFF):
        return None
    return Reason.IDLE_CLOSE if attempt.reused and not attempt.answered else Reason.BROKEN_OFF
