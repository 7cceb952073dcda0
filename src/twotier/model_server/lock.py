"""poetry.lock -> the requirements of an image."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.markers import Marker

__all__ = ["LOCK", "locked"]

LOCK = Path("poetry.lock")
"""In the repository's root, where one builds; a finished Bento has none."""

_LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
"""Where an image runs, wherever it is built. Its Python is the one that builds it."""


def locked(lock: Path, extra: str) -> Iterator[str]:
    """Give the requirements, hashes included, of the project with one of its extras, as Poetry locked them."""
    for package in tomllib.loads(lock.read_text(encoding="utf-8"))["package"]:
        markers = package.get("markers", "")
        marker = markers if isinstance(markers, str) else markers.get("main", "")
        if "main" in package["groups"] and (not marker or Marker(marker).evaluate({**_LINUX, "extra": extra})):
            hashes = " ".join(f"--hash={file['hash']}" for file in package["files"])
            yield f"{package['name']}=={package['version']} {hashes}"
