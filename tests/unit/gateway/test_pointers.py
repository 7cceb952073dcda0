"""Pointers are RFC 6901's, and safe to show whatever the caller put into them."""

from __future__ import annotations

import pytest

from twotier.gateway.pointers import pointer


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), ""),
        ((0, "a"), "/0/a"),
        (("",), "/"),
        (("a/b", "c~d"), "/a~1b/c~0d"),
        (("line\r\nbreak\x1b",), "/line\ufffd\ufffdbreak\ufffd"),
        (("x" * 1000,), "/" + "x" * 63 + "…"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_is_escaped_cleaned_and_short(path: tuple[str | int, ...], expected: str) -> None:
    """Each segment is escaped; what does not print is replaced, and what is long is cut."""
    assert expected == pointer(path)
