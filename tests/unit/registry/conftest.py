"""A registry in a fresh folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.registry.kit import opened
from twotier.registry import Registry


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder: not there yet."""
    return tmp_path / "data"


@pytest.fixture
def registry(data: Path) -> Iterator[Registry]:
    """An empty registry in it."""
    opened_registry = opened(data)
    yield opened_registry
    opened_registry.close()
