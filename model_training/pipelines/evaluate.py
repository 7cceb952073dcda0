"""How well a version answers rows whose labels are known."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.metrics import brier_score_loss, log_loss, precision_score, recall_score, roc_auc_score

from model_training.pipelines.read import Labelled
from twotier.scorer import Scorer


def evaluate(scorer: Scorer, data: Labelled) -> dict[str, float]:
    """Metrics by name.

    `accuracy` is the share of rows that are decided rightly: as the likeliest label or, where the family has a cut-off, by it.
    With two labels there are also `auc` (area under the ROC curve), `brier` (mean squared error of the probability) and `log_loss` (mean
    negative logarithm of the right label's probability; less is better of both). With a cut-off there are also `precision` (which share of
    the positive decisions is right) and `recall` (which share of the positive rows is found).
    """
    labels = [str(label) for label in data.labels]
    classes = scorer.card.classes
    probabilities = scorer.probabilities(data.rows)
    given = decided(scorer, probabilities)
    metrics = {"accuracy": sum(one == label for one, label in zip(given, labels, strict=True)) / len(labels)}
    if len(classes) == 2:
        positive = [label == classes[scorer.positive] for label in labels]
        scores = [row[scorer.positive] for row in probabilities]
        metrics |= {
            "auc": float(roc_auc_score(positive, scores)),
            "brier": float(brier_score_loss(positive, scores)),
            "log_loss": float(log_loss(positive, scores)),
        }
    if scorer.card.cutoff is not None:
        taken = [one == classes[scorer.positive] for one in given]
        metrics |= {
            "precision": float(precision_score(positive, taken, zero_division=0)),
            "recall": float(recall_score(positive, taken)),
        }
    return metrics


def decided(scorer: Scorer, probabilities: Sequence[Sequence[float]]) -> list[str]:
    """The label that each row is decided to have: by the cut-off if there is one, else the likeliest."""
    if scorer.card.cutoff is None:
        return likeliest(scorer.card.classes, probabilities)
    by_decision = {True: scorer.card.classes[scorer.positive], False: scorer.card.classes[1 - scorer.positive]}
    return [by_decision[scorer.card.positive(row[scorer.positive])] for row in probabilities]


def likeliest(classes: Sequence[str], probabilities: Sequence[Sequence[float]]) -> list[str]:
    """The likeliest class of each row; of equally likely ones the first."""
    return [classes[max(range(len(classes)), key=row.__getitem__)] for row in probabilities]
