"""What a long load is judged by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtest.soak import MAX_MORE, Tenth, grown, page

FIRST = Tenth(900, 100, 0, 100.0, 80, 20, 200.0, 30)


@pytest.mark.parametrize(
    ("last", "found"),
    [
        (FIRST, []),
        (replace(FIRST, gateway_mb=110.0, tasks=20 + MAX_MORE), []),
        (replace(FIRST, gateway_mb=110.1), ["gateway_mb"]),
        (replace(FIRST, model_server_mb=221.0, tasks=21 + MAX_MORE), ["model_server_mb", "tasks"]),
        (replace(FIRST, gateway_sockets=81 + MAX_MORE, model_server_sockets=31 + MAX_MORE), ["gateway_sockets", "model_server_sockets"]),
    ],
)
def test_what_has_grown_is_named(last: Tenth, found: list[str]) -> None:
    """A tenth more memory and a few more descriptors and tasks are allowed, and no more."""
    assert found == grown(FIRST, last)


def test_the_page_says_what_was_seen() -> None:
    """Each tenth, what is left, and what has grown."""
    told = page("python -m loadtest.soak", "2026-01-02", "a machine", [FIRST, replace(FIRST, answered=1800, left=200, tasks=90)], 3)
    assert "| 1,000 | 100 | 0 | 100.0 | 80 | 20 | 200.0 | 30 |" in told.splitlines()
    assert "| 2,000 | 200 | 0 | 100.0 | 80 | 90 | 200.0 | 30 |" in told.splitlines()
    assert told.endswith("Left under way in the end: 3. Grown by more than is allowed: tasks.\n")
    assert page("x", "y", "z", [FIRST], 0).endswith("in the end: 0. Grown by more than is allowed: nothing.\n")
