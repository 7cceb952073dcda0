"""Shelves over real registries that can be made slow, be broken, and be watched."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twotier.model_server.shelf import Shelf
from twotier.registry import Registry, RegistrySettings
from twotier.scorer import Scorer
from twotier.settings import SharedSettings
from twotier.wire import AliasInfo, FamilyInfo

ROW = [5.0, 2.0, 3.0, 4.0]


class Watched(Registry):
    """A registry that remembers what it was asked to load, and waits until it may, or raises what it is told to."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.loads: list[str] = []
        self.may_load = threading.Event()
        self.may_load.set()
        self.error: BaseException | None = None

    def load(self, family: str, version: str) -> Scorer:
        """As the registry does."""
        self.loads.append(version)
        assert self.may_load.wait(60)
        if self.error is not None:
            raise self.error
        return super().load(family, version)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Rig:
    """A shelf and what it stands on."""

    def __init__(self, data: Path, max_loaded: int = 8) -> None:
        self.data = data
        self.registry = Watched.open(RegistrySettings.read(), SharedSettings.read(data=data))
        self.clock = Clock()
        self.shelf = Shelf(self.registry, max_loaded=max_loaded, retry_seconds=5, clock=self.clock)

    def answers(self, name: str = "champion") -> str:
        """The version that answers for a name; it has really answered."""
        scorer = self.shelf.scorer("iris", name)
        assert "Iris-virginica" == getattr(scorer.answers([ROW])[0], "output")
        return scorer.card.version

    def iris(self) -> FamilyInfo:
        """What is said of iris."""
        return self.shelf.info()["iris"]

    def champion(self) -> AliasInfo:
        """What is said of its champion."""
        return self.iris().aliases["champion"]

    def loaded(self) -> list[str]:
        """The versions in memory, oldest first."""
        return [each.version for each in reversed(self.iris().versions) if each.loaded]


@contextlib.contextmanager
def rig(data: Path, max_loaded: int = 8) -> Iterator[Rig]:
    """A shelf that was refreshed once."""
    made = Rig(data, max_loaded)
    made.shelf.refresh()
    try:
        yield made
    finally:
        made.registry.close()


@contextlib.contextmanager
def unreadable_ledger(data: Path) -> Iterator[None]:
    """While the block lasts, whoever reads the ledger fails."""
    with contextlib.closing(sqlite3.connect(data / "database.sqlite", isolation_level=None)) as connection:
        connection.execute("ALTER TABLE version RENAME TO hidden")
        try:
            yield
        finally:
            connection.execute("ALTER TABLE hidden RENAME TO version")
