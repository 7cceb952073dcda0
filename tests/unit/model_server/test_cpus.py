"""A container's quota counts, whichever version of cgroup says it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twotier.model_server.cpus import allowed_cpus

FILES_2, FILES_1 = ("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")


@pytest.mark.parametrize(
    ("files", "contents", "expected"),
    [
        (FILES_2, ["100000 100000\n"], 1),
        (FILES_2, ["150000 100000\n"], 2),
        (FILES_2, ["10000 100000\n"], 1),
        (FILES_2, ["max 100000\n"], 3),
        (FILES_2, ["900000 100000\n"], 3),
        (FILES_2, ["nonsense"], 3),
        (FILES_1, ["200000\n", "100000\n"], 2),
        (FILES_1, ["-1\n", "100000\n"], 3),
        ((), [], 3),
    ],
)
def test_quota_is_rounded_up_and_bounded_by_affinity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], contents: list[str], expected: int
) -> None:
    """On three CPUs: part of one is one, no quota or an unreadable one is all three, and more than there are is all there are."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    for file, content in zip(files, contents, strict=True):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(content)
    assert expected == allowed_cpus(tmp_path)


def test_this_machine_has_at_least_one_cpu() -> None:
    """Whatever its cgroup says."""
    assert 1 <= allowed_cpus() <= len(os.sched_getaffinity(0))
