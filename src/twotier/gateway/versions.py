"""What the name of a version or alias may look like. No other name is worth asking the model server about."""

from __future__ import annotations

import re

from twotier.errors import UnknownVersion

__all__ = ["PATTERN", "checked", "is_name"]

PATTERN = "^[a-z][a-z0-9_]{0,63}$"


def is_name(text: str) -> bool:
    """Whether a version or alias may be called that."""
    return re.fullmatch(PATTERN, text) is not None


def checked(family: str, text: str) -> str:
    """The name, if a version or alias may be called that. Raises UnknownVersion."""
    if not is_name(text):
        raise UnknownVersion(f"{family} has no version or alias of that name: GET /models/{family} lists them")
    return text
