"""Data folders for tests, and the registry over one."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from twotier.settings import SharedSettings

if TYPE_CHECKING:
    from twotier.registry import Registry

DATA = Path(__file__).parents[1] / "data"
"""The repository's own data folder: only `raw/` of it is read by tests, and none of it is written."""


def with_raw_data(folder: Path) -> Path:
    """Make a data folder at `folder` that holds the raw data and nothing else."""
    shutil.copytree(DATA / "raw", folder / "raw")
    return folder


@contextlib.contextmanager
def registry_over(data: Path) -> Iterator[Registry]:
    """The registry of a data folder."""
    from twotier.registry import Registry, RegistrySettings

    registry = Registry.open(RegistrySettings.read(), SharedSettings.read(data=data))
    try:
        yield registry
    finally:
        registry.close()
