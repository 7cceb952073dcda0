"""The registry, as the commands open it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twotier.registry import Registry


@contextlib.contextmanager
def open_registry() -> Iterator[Registry]:
    """The registry that the settings name, closed when the block is left."""
    from twotier.registry import Registry
    from twotier.registry.settings import RegistrySettings
    from twotier.settings import SharedSettings

    with contextlib.closing(Registry.open(RegistrySettings.read(), SharedSettings.read())) as registry:
        yield registry
