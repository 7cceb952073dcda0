"""A registry with four versions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.versions import with_versions


@pytest.fixture(scope="session")
def four_versions(trained_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with iris log_reg_1 to log_reg_4, of which the first is champion. Shared: copy it before you write to it."""
    return with_versions(trained_data, tmp_path_factory.mktemp("four") / "data", 4)


@pytest.fixture
def data(four_versions: Path, tmp_path: Path) -> Path:
    """A copy of it to write to."""
    return Path(shutil.copytree(four_versions, tmp_path / "data"))
