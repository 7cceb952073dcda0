"""Figures for the model card are pictures of the held-out rows, and the same every time."""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_training.pipelines.plots import figures
from model_training.pipelines.read import Labelled
from tests.examples import card, family
from twotier.scorer import Scorer


class Told:
    """A model whose first class is as likely as the first feature says."""

    def __init__(self, *classes: str) -> None:
        self.classes_ = np.array(classes)

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """(rows, 2) -> (rows, classes)."""
        others = len(self.classes_) - 1
        return np.column_stack([X[:, 0], *[(1 - X[:, 0]) / others] * others])


def _figures(*classes: str, shift: float = 0.0) -> dict[str, tuple[str, bytes]]:
    rows = [[(index + shift) / 61, 0.0] for index in range(60)]
    held_out = Labelled(rows, [classes[index * 7 % len(classes)] for index in range(60)])
    return figures(Scorer(family(), card(classes=list(classes)), Told(*classes)), held_out)


@pytest.mark.parametrize(
    ("classes", "names"), [(("high", "low"), ["roc.png", "calibration.png"]), (("a", "b", "c"), ["confusion.png"])]
)
def test_figures_fit_the_number_of_labels(classes: tuple[str, ...], names: list[str]) -> None:
    """Two labels have a ROC curve and a calibration, more have a confusion matrix; each is a small picture, and is named."""
    made = _figures(*classes)
    assert names == list(made)
    for shows, png in made.values():
        assert b"\x89PNG\r\n\x1a\n" == png[:8]
        assert (320, 320) == struct.unpack(">II", png[16:24])
        assert len(png) < 64 * 1024
        assert shows


def test_same_rows_make_the_same_bytes() -> None:
    """Drawn twice, a figure is the same to the byte; drawn from other rows it is another."""
    assert _figures("high", "low") == _figures("high", "low")
    assert _figures("high", "low")["calibration.png"] != _figures("high", "low", shift=0.9)["calibration.png"]


def test_nothing_global_is_used() -> None:
    """No window system is asked for, and pyplot, which keeps every figure, is not imported; nor is anything before it is needed."""
    script = (
        "import sys, model_training; early = 'matplotlib' in sys.modules\n"
        "from tests.unit.model_training.test_plots import _figures\n"
        "_figures('a', 'b'); print(early, 'matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    assert "False True False\n" == subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
