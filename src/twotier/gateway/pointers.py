"""RFC 6901 JSON pointers whose segments may come from the caller: they are shortened and cleaned, and so are safe to send and to log."""

from __future__ import annotations

from collections.abc import Iterable

MAX_FAULTS = 20
"""How many faults a problem names; the others are only counted."""

_MAX_SEGMENT = 64


def clean(segment: str) -> str:
    """The segment as it may be shown: of bounded length, and each character that does not print replaced."""
    if len(segment) > _MAX_SEGMENT:
        segment = segment[: _MAX_SEGMENT - 1] + "…"
    return segment if segment.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in segment)


def pointer(path: Iterable[str | int]) -> str:
    """The path as a JSON pointer: `("a/b", 3)` -> `/a~1b/3`."""
    return "".join("/" + clean(str(segment)).replace("~", "~0").replace("/", "~1") for segment in path)
