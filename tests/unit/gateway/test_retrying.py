"""What may be sent once more, and how much of it."""

from __future__ import annotations

import aiohttp
import pytest

from twotier.errors import CircuitOpen, UpstreamError, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from twotier.gateway.retrying import MOST, RESERVE, Attempt, Reason, RetryBudget, reason_to_resend


def because(error: UpstreamError, cause: Exception | None) -> UpstreamError:
    """The error, for that reason."""
    error.__cause__ = cause
    return error


def unavailable(cause: Exception | None = None) -> UpstreamError:
    """A model server that did not answer, for that reason."""
    return because(UpstreamUnavailable("words"), cause)


@pytest.mark.parametrize(
    ("error", "attempt", "expected"),
    [
        (unavailable(aiohttp.ConnectionTimeoutError()), Attempt(), Reason.CONNECT),
        (unavailable(aiohttp.ServerDisconnectedError()), Attempt(reused=True), Reason.IDLE_CLOSE),
        (unavailable(aiohttp.ServerDisconnectedError()), Attempt(), Reason.BROKEN_OFF),
        (unavailable(), Attempt(answered=True, refused=True), Reason.REFUSED),
        (unavailable(), Attempt(given_up=True), Reason.GIVEN_UP),
        (unavailable(), Attempt(given_up=True, answered=True), Reason.GIVEN_UP),
        (unavailable(aiohttp.ClientOSError()), Attempt(answered=True), Reason.BROKEN_OFF),
        (unavailable(aiohttp.ClientOSError()), Attempt(answered=True, reused=True), Reason.BROKEN_OFF),
        (because(UpstreamInvalid("words"), aiohttp.ClientPayloadError()), Attempt(answered=True), Reason.BROKEN_OFF),
        (because(UpstreamTimeout("words"), TimeoutError()), Attempt(), None),
        (because(UpstreamTimeout("words"), aiohttp.SocketTimeoutError()), Attempt(reused=True), None),
        (UpstreamTimeout("words"), Attempt(answered=True), None),
        (because(UpstreamInvalid("words"), ValueError()), Attempt(), None),
        (UpstreamInvalid("words"), Attempt(answered=True), None),
    ],
)
def test_only_what_was_not_wholly_answered_is_sent_again(error: UpstreamError, attempt: Attempt, expected: Reason | None) -> None:
    """No connection, one that broke off, a refusal to serve now: yes. A time-out or any other answer: no."""
    assert expected is reason_to_resend(error, attempt)


def test_a_tenth_of_the_calls() -> None:
    """After the reserve, one call in ten may be sent again."""
    budget = RetryBudget(0.1)
    assert RESERVE == sum(budget.spend() for _ in range(1000))

    def retry_all(calls: int) -> int:
        granted = 0
        for _ in range(calls):
            budget.earn()
            granted += budget.spend()
        return granted

    assert retry_all(10_000) == pytest.approx(1000, abs=1)


def test_savings_are_bounded() -> None:
    """A million good calls do not pay for a hundred thousand retries at once."""
    budget = RetryBudget(0.1)
    for _ in range(1_000_000):
        budget.earn()

    assert MOST == sum(budget.spend() for _ in range(10_000))


def test_no_share_is_no_retry() -> None:
    """Retries can be turned off, the reserve with them."""
    budget = RetryBudget(0.0)
    budget.earn()

    assert not budget.spend()


def test_what_was_not_sent_is_unavailable() -> None:
    """Whoever handles an unavailable model server handles an open circuit."""
    assert isinstance(CircuitOpen("words"), UpstreamUnavailable)
