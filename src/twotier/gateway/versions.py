"""What the name of a version or alias may look like. No other name is worth asking the model server about."""

from __future__ import annotations

import re

__all__ = ["PATTERN", "is_name"]

PATTERN = "^[a-z][a-z0-9_]{0,63}$"


def is_name(text: str) -> bool:
    """Whether a version or alias may be called that."""
    return re.fullmatch(PATTERN, text) is not None
