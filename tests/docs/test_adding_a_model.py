"""docs/adding-a-model.md, done as it says on a copy of the repository."""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path

import pytest

from tests.docs.pages import files, steps
from tests.installed import Home
from tests.shell import ROOT

PAGE = (ROOT / "docs/adding-a-model.md").read_text(encoding="utf-8")


@pytest.fixture
def copy(all_trained: Path, tmp_path: Path) -> Home:
    """A copy of the repository, with the shipped families trained; `make` finds the environment that it would have made: this one."""
    folder = tmp_path / "repository"
    shutil.copytree(all_trained, folder / "data")
    for name in ("src", "model_training", "deploy/containers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "poetry.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name, command in ((".tools/bin/python", ""), (".venv/bin/python", ""), (".venv/bin/twotier", "-m twotier.cli")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {command} "$@"\n')
        (folder / name).chmod(0o755)
    # They are newer than the lock, so nothing is to be installed.
    for stamp in (".tools/stamp", ".venv/run.stamp"):
        (folder / stamp).touch()
    return Home(folder, [folder / "src", folder])


@pytest.mark.timeout(300)
def test_the_page_is_true(copy: Home) -> None:
    """Its one file, its data and each command, in its order; `make run` stands for `twotier up`, which is what it ends in."""
    with contextlib.ExitStack() as serving:
        for step in steps(PAGE):
            if step.command == "make run":
                serving.enter_context(copy.up())
                continue
            printed = copy.runs(step.command.replace("http://127.0.0.1:8000", copy.url))
            assert step.is_as_said(printed), f"{step.command}\n{printed}"
            if step.command.startswith("head "):
                for name, content in files(PAGE).items():
                    (copy.folder / name).write_text(content, encoding="utf-8")
    assert ["src/twotier/families/wine.py"] == [str(name) for name in files(PAGE)]
    assert 7 == len(steps(PAGE))
