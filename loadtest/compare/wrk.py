"""The closed-loop client: Debian's wrk."""

from __future__ import annotations

import os
import shutil
import subprocess


class CannotMeasure(Exception):
    """Something that every measurement needs is missing."""


def require_wrk() -> None:
    """Install wrk if it is missing and this is root on Debian. Raises CannotMeasure, which says what to do."""
    if shutil.which("wrk"):
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise CannotMeasure("wrk is missing: install it (Debian and Ubuntu: sudo apt-get install wrk)")
    for step in (["update", "-qq"], ["install", "-qq", "--yes", "wrk"]):
        done = subprocess.run(["apt-get", *step], capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise CannotMeasure(f"wrk is missing, and apt-get {step[0]} failed: {done.stderr.strip()[-500:]}")
