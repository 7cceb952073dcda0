"""A short soak of both tiers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from loadtest import soak


@pytest.mark.slow
@pytest.mark.unmeasured
def test_a_short_one(all_trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the callers leave; the others are answered, and nothing is left behind."""
    monkeypatch.setenv("TWOTIER_DATA", str(shutil.copytree(all_trained, tmp_path / "data")))
    assert 0 == soak.main(["--requests", "20000", "--callers", "20", "--page", str(tmp_path / "SOAK.md")])
    lines = (tmp_path / "SOAK.md").read_text().splitlines()
    first, *_, last = [line.strip("| ").split(" | ") for line in lines if line[:3].strip("| ").isdigit()]
    assert ("2,000", "20,000", "0") == (first[0], last[0], last[2])
    assert 1_800 < int(last[1].replace(",", "")) < 2_200
