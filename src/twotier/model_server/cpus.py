"""How many CPUs this process may use, which in a container is fewer than the machine has."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def allowed_cpus(cgroup: Path = CGROUP) -> int:
    """The whole CPUs that affinity and the cgroup's quota (version 2 or 1) leave to this process; at least one."""
    affine = len(os.sched_getaffinity(0))
    for quota, period in (_read(cgroup / "cpu.max"), _read(cgroup / "cpu/cpu.cfs_quota_us", cgroup / "cpu/cpu.cfs_period_us")):
        if quota > 0 and period > 0:
            return max(1, min(affine, math.ceil(quota / period)))
    return affine


def _read(*files: Path) -> tuple[int, int]:
    """Quota and period in microseconds; zeroes if there is no such file, and a quota of -1 or `max` is none."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = " ".join(file.read_text() for file in files).split()
        return int(quota), int(period)
    return 0, 0
