"""Blocks of rows on disk, to be gone through again and again."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Generic, Self, TypeVar

from twotier.errors import ConfigurationError

_T = TypeVar("_T")


class Spool(AbstractContextManager["Spool[_T]"], Generic[_T]):
    """Values in the order in which they were added. One at a time is in memory.

    Its file has no name, so whatever ends the process, the system gives its room back. Raises ConfigurationError if there is none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starts: list[int] = []
        with self._told():
            self._file = TemporaryFile(dir=folder)

    def add(self, value: _T) -> None:
        """Put a value at the end."""
        with self._told():
            self._starts.append(self._file.seek(0, 2))
            pickle.dump(value, self._file, pickle.HIGHEST_PROTOCOL)
            # A disk that is full is told now, and not when the file is closed.
            self._file.flush()

    def __iter__(self) -> Iterator[_T]:
        for start in self._starts:
            self._file.seek(start)
            yield pickle.load(self._file)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigurationError(f"rows to learn from cannot be kept on disk in {self._folder}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What could not be written before is tried once more.
        with self._told():
            self._file.close()
