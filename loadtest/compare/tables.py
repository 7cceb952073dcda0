"""Tables in Markdown, and the numbers in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; every column but the first is aligned to the right."""
    lines = [head, ["---", *(["---:"] * (len(head) - 1))], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | None) -> str:
    """Three digits, or all of a large one; a dash if there is none, and a word for what was waited for in vain."""
    if value == math.inf:
        return "never"
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def whole(value: float | None) -> str:
    """Without a fraction; a dash if there is none."""
    return "–" if value is None else f"{value:,.0f}"
