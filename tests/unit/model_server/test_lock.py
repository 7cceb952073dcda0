"""The lock says what goes into an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from twotier.model_server.lock import LOCK, locked

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("extra", "there", "absent"),
    [
        ("model-server", {"bentoml", "scikit-learn", "pydantic"}, {"fastapi", "flake8"}),
        ("gateway", {"fastapi", "pydantic"}, {"bentoml", "flake8"}),
    ],
)
def test_lock_is_read_by_extra(extra: str, there: set[str], absent: set[str]) -> None:
    """What both tiers share and what the extra adds, each pinned, with hashes; no tools, and nothing for other systems."""
    lines = list(locked(ROOT / LOCK, extra))
    names = {line.partition("==")[0] for line in lines}
    assert there <= names
    assert set() == names & (absent | {"colorama", "pywin32"})
    assert all(" --hash=sha256:" in line for line in lines)
