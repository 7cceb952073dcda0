"""How versions are named: `log_reg_1`, an alias, or `log_reg_latest`."""

from __future__ import annotations

import re

from twotier.family import NAME

LATEST = "_latest"
"""What the name of an estimator's newest version that passed its gate ends in."""

_WORD = re.compile(r"[a-z][a-z0-9_]{0,49}\Z")
_VERSION = re.compile(r"(.+)_([1-9][0-9]{0,8})\Z")


def may_be_looked_up(name: str) -> bool:
    """Whether a version or an alias could have that name; other texts never reach the database, as not every one can hold every text."""
    return bool(_WORD.match(name))


def may_be_alias(name: str) -> bool:
    """Whether an alias may have that name: it must not look like a version, nor like the newest of an estimator."""
    return bool(NAME.match(name)) and not _VERSION.match(name) and not f"_{name}".endswith(LATEST)


def split_version(name: str) -> tuple[str, int] | None:
    """`log_reg_1` -> estimator `log_reg`, number 1; None for any other name."""
    match = _VERSION.match(name)
    return (match[1], int(match[2])) if match else None
