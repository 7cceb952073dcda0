"""The README's section for people who only have a pickle, done in an empty folder with the installed wheel."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks, section, steps
from tests.installed import Home
from tests.shell import ROOT

PICKLE = "If you only have a pickle"


@pytest.mark.timeout(300)
def test_the_section_is_true(wheel: Path, tmp_path: Path) -> None:
    """Each command prints what the section says, in its order."""
    text = section((ROOT / "README.md").read_text(encoding="utf-8"), PICKLE)
    home = Home(tmp_path / "home", [wheel])
    home.folder.mkdir()
    (script,) = blocks(text, "python")
    subprocess.run([sys.executable, "-c", script], cwd=home.folder, check=True)
    with contextlib.ExitStack() as serving:
        for step in steps(text):
            if step.command == "twotier up":
                serving.enter_context(home.up())
            else:
                printed = home.runs(step.command.replace("http://127.0.0.1:8000", home.url))
                assert step.is_as_said(printed), f"{step.command}\n{printed}"
    assert 4 == len(steps(text))
