"""When a server counts as recovered."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.compare.measuring import recovery

CALM = {"accepted_ms": {"p99": 10.0}}


def second(p99: float | None, good: int = 5) -> dict[str, Any]:
    """One second of five requests."""
    return {"offered": 5, "good": good, "p99_ms": p99}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([second(9), second(20)], 0),
        ([second(900), second(21), second(20)], 2),
        ([second(9), second(300), second(9)], 2),
        ([second(9, good=4), second(9)], 1),
        ([second(None, good=0), second(9)], 1),
        ([second(9), second(21)], None),
        ([second(9), second(9, good=4)], None),
        ([], None),
    ],
)
def test_recovery_is_when_the_last_bad_second_is_over(seconds: list[dict[str, Any]], expected: int | None) -> None:
    """Bad is a p99 above twice that at ease, or a request that was not answered; a server whose last second is bad has not recovered."""
    assert recovery(CALM, {"timeline": seconds}) == expected


def test_recovery_is_not_known_without_a_measure_of_ease() -> None:
    """There is nothing to get back to."""
    assert recovery({"error": "NotRunning"}, {"timeline": [second(1)]}) is None
