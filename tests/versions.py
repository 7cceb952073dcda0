"""Trained versions for tests, and ways to break them."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.folders import registry_over

MODEL = "model.pkl"


def with_versions(trained: Path, folder: Path, count: int) -> Path:
    """Copy a data folder in which iris log_reg_1 is trained, and train until there are `count`; the first stays champion."""
    from model_training import train

    data = Path(shutil.copytree(trained, folder))
    with registry_over(data) as registry:
        for _ in range(count - 1):
            train(registry, registry.families["iris"], data=data)
        assert f"log_reg_{count}" == registry.versions("iris")[0].name
    return data


def promote(data: Path, version: str, alias: str = "champion") -> None:
    """Move an alias, as the command line would."""
    with registry_over(data) as registry:
        registry.promote("iris", alias, version, who="test")


def artefact(data: Path, version: str) -> Path:
    """The folder of a version's files."""
    return data / "models" / "iris" / version


def flip_byte(file: Path) -> bytes:
    """Change one byte in the middle of a file; what it held before is returned."""
    before = file.read_bytes()
    middle = len(before) // 2
    file.chmod(0o644)
    file.write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
    return before
