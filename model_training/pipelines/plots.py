"""Figures for the model card, drawn from the held-out rows: the same rows give the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, roc_curve

from model_training.pipelines.evaluate import decided
from model_training.pipelines.read import Labelled
from twotier.scorer import Scorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 10
"""Into how many equally large groups, by their scores, rows are put to see whether the scores are right on average."""


def figures(scorer: Scorer, held_out: Labelled) -> dict[str, tuple[str, bytes]]:
    """File name -> what it shows, and the PNG: ROC curve and calibration for two labels, the confusion matrix for more."""
    labels = [str(label) for label in held_out.labels]
    probabilities = scorer.probabilities(held_out.rows)
    if len(scorer.card.classes) != 2:
        shows = "Confusion matrix: how many held-out rows of each label were given which"
        return {"confusion.png": (shows, _confusion(scorer.card.classes, labels, decided(scorer, probabilities)))}
    name = scorer.card.classes[scorer.positive]
    positive = np.array([label == name for label in labels])
    scores = np.array(probabilities)[:, scorer.positive]
    return {
        "roc.png": (f"ROC curve of {name} on the held-out rows", _roc(positive, scores)),
        "calibration.png": (f"Calibration of {name}: how often it came true, by its probability", _calibration(positive, scores)),
    }


def _confusion(classes: list[str], labels: list[str], given: list[str]) -> bytes:
    counts = confusion_matrix(labels, given, labels=classes)
    figure, axes = _figure("given", "true")
    axes.imshow(counts, cmap="Blues")
    axes.set_xticks(range(len(classes)), classes, rotation=30, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, str(count), ha="center", va="center", color="white" if count > counts.max() / 2 else "black")
    return _png(figure)


def _roc(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> bytes:
    wrong, right, _ = roc_curve(positive, scores)
    figure, axes = _figure("share of the others taken for it", "share of it that is found")
    axes.plot(wrong, right)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    return _png(figure)


def _calibration(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> bytes:
    share, told = calibration_curve(positive, scores, n_bins=BINS, strategy="quantile")
    figure, axes = _figure("mean probability", "share that came true")
    axes.plot(told, share, marker="o")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    return _png(figure)


def _figure(across: str, up: str) -> tuple[Figure, Axes]:
    # Imported only when a figure is drawn: it takes as long as a small training.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), dpi=80, layout="constrained")
    axes = figure.add_subplot(xlabel=across, ylabel=up)
    return figure, axes


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    # The name and version of the program would be in it otherwise.
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
