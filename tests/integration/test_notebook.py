"""The notebook runs from top to bottom against a freshly trained registry, and makes its figures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unmeasured

NOTEBOOK = Path(__file__).parents[2] / "model_training" / "notebooks" / "explore_iris.ipynb"

FIGURES = 5


def _code(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_bytes())["cells"] if cell["cell_type"] == "code"]


def test_tracked_notebook_has_no_outputs() -> None:
    """No output and no count is tracked, so that a difference in Git is one in the text or the code."""
    assert [] == [cell["source"] for cell in _code(NOTEBOOK) if cell["outputs"] or cell["execution_count"]]


def test_notebook_makes_its_figures(trained_data: Path, tmp_path: Path) -> None:
    """With TWOTIER_DATA set every cell runs without a warning, and the champion's name, its gate and every figure appear."""
    data = shutil.copytree(trained_data, tmp_path / "data")
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", str(tmp_path), "--output", "done"]
    done = subprocess.run(
        [*command, str(NOTEBOOK)], env={**os.environ, "TWOTIER_DATA": str(data)}, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stderr
    outputs = [output for cell in _code(tmp_path / "done.ipynb") for output in cell["outputs"]]
    assert FIGURES == sum("image/png" in output.get("data", {}) for output in outputs)
    assert [] == [output["text"] for output in outputs if output.get("name") == "stderr"]
    printed = "".join("".join(output["text"]) for output in outputs if output.get("name") == "stdout")
    assert "log_reg_1 of " in printed
    assert "passed: accuracy is 0.9474 on 38 held-out rows" in printed
