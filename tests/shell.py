"""Runs a line of the documentation as a reader would: in a shell, with `twotier` and `curl` at hand.

Where curl is not installed, `python -m tests.shell` stands in for it, as far as the documentation uses it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def in_shell(line: str, environment: Mapping[str, str] | None = None, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run it in a folder, the repository's root if none is given, in this environment (ours if none is given); it must end well."""
    with tempfile.TemporaryDirectory() as tools:
        if shutil.which("curl") is None:
            curl = Path(tools, "curl")
            curl.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.shell "$@"\n')
            curl.chmod(0o755)
        found = {**(environment or os.environ)}
        found["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), found["PATH"], tools))
        ran = subprocess.run(line, shell=True, cwd=folder, env=found, capture_output=True, text=True, check=False)
    assert 0 == ran.returncode, f"{line}\n{ran.stdout}{ran.stderr}"
    return ran


def curl() -> None:
    """Send one request, print the answer's body."""
    options = argparse.ArgumentParser(prog="curl")
    options.add_argument("-s", "-S", "-sS", action="store_true")
    options.add_argument("-X")
    options.add_argument("-H", action="append", default=[])
    options.add_argument("-d")
    options.add_argument("url")
    given = options.parse_args()
    headers = dict(line.split(": ", 1) for line in given.H)
    body = None if given.d is None else given.d.encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(given.url, body, headers, method=given.X)) as response:
            sys.stdout.write(response.read().decode())
    except urllib.error.HTTPError as refusal:
        sys.stdout.write(refusal.read().decode())


if __name__ == "__main__":
    curl()
