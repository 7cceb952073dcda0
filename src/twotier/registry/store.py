"""Where artefacts are kept: `<store>/<family>/<version>/<file>`, in a local folder or behind any fsspec URL."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from twotier.errors import ConfigurationError, DigestMismatch, NotServable
from twotier.registry.manifest import Files

TEMPORARY = ".tmp"


class ArtefactStore:
    """The artefacts behind one fsspec URL. Raises ConfigurationError if the URL makes no sense."""

    def __init__(self, url: str) -> None:
        try:
            self._fs, self._root = fsspec.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(f"setting store_url of [registry]: {error}") from error

    def write(self, family: str, version: str, files: Files) -> None:
        """Put an artefact in its place, whole or not at all, instead of whatever a killed training left there.

        Call it under the ledger's lock, for a version that the ledger does not have.
        """
        if isinstance(self._fs, LocalFileSystem):
            _write_folder(Path(self._root, family, version), files)
            return
        self.remove(family, version)
        folder = f"{self._root}/{family}/{version}"
        # There is no rename here: the signature goes last, and without it the rest is worth nothing.
        for name, content in files.items():
            self._fs.pipe_file(f"{folder}/{name}", content)

    def remove(self, family: str, version: str) -> None:
        """Remove whatever a killed training left there. Call it as `write`."""
        if isinstance(self._fs, LocalFileSystem):
            _remove_temporary(Path(self._root, family))
        folder = f"{self._root}/{family}/{version}"
        if self._fs.exists(folder):
            self._fs.rm(folder, recursive=True)

    def read(self, family: str, version: str) -> Files:
        """Read every file of an artefact, once: what is verified is what is used.

        Raises DigestMismatch if there is no artefact, NotServable if it cannot be read.
        """
        folder = f"{self._root}/{family}/{version}"
        try:
            # Another process may have written since this one last looked.
            self._fs.invalidate_cache()
            return {path.rsplit("/", 1)[-1]: self._fs.cat_file(path) for path in self._fs.ls(folder, detail=False)}
        except FileNotFoundError as error:
            raise DigestMismatch(f"{family} {version}: {folder} is not there: put it back from a backup, or train again") from error
        except Exception as error:
            raise NotServable(f"{family} {version}: {folder} cannot be read: {type(error).__name__}: {error}") from error


def _write_folder(folder: Path, files: Files) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_temporary(folder.parent)
    temporary, orphan = (folder.with_name(f".{folder.name}.{kind}{TEMPORARY}") for kind in ("new", "orphan"))
    temporary.mkdir()
    for name, content in files.items():
        with (temporary / name).open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    _sync(temporary)
    if folder.exists():
        folder.rename(orphan)
    temporary.rename(folder)
    _sync(folder.parent)
    shutil.rmtree(orphan, ignore_errors=True)


def _remove_temporary(folder: Path) -> None:
    # Only the holder of the ledger's lock writes here, so whatever is temporary was left by a process that was killed.
    for leftover in folder.glob(f".*{TEMPORARY}"):
        shutil.rmtree(leftover)


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
