"""A spool gives back what it was given, has no file that could be left behind, and says when the disk takes no more."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from model_training.pipelines.spool import Spool
from twotier.errors import ConfigurationError


def test_values_come_back_in_order(tmp_path: Path) -> None:
    """It can be gone through several times, also while it is being gone through."""
    with Spool[list[int]](tmp_path) as spool:
        for value in ([1], [2, 3], []):
            spool.add(value)
        assert [([1], [1]), ([2, 3], [2, 3]), ([], [])] == list(zip(spool, spool, strict=True))
        assert 3 == len(list(spool))


def test_its_file_has_no_name(tmp_path: Path) -> None:
    """Nothing is in the folder even while it is used."""
    with Spool[bytes](tmp_path) as spool:
        spool.add(b"x" * 100_000)
        assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("most", "refused"), [(50_000, True), (1_000_000, False)])
def test_a_full_disk_is_told(tmp_path: Path, most: int, refused: bool) -> None:
    """A file that may not grow as far as it must is an error that names the folder; one that may is none."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def use() -> None:
        with Spool[bytes](tmp_path) as spool:
            spool.add(b"x" * 100_000)

    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        if not refused:
            use()
            return
        with pytest.raises(ConfigurationError, match=f"rows to learn from cannot be kept on disk in {tmp_path}: File too large"):
            use()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """Where there is no folder there is no room."""
    with pytest.raises(ConfigurationError, match="cannot be kept on disk in .*nowhere: No such file"):
        Spool(tmp_path / "nowhere")
