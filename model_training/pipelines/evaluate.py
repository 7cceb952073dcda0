"""How well a version answers rows whose labels are known."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.metrics import brier_score_loss, roc_auc_score

from model_training.pipelines.read import Labelled
from twotier.scorer import Scorer


def evaluate(scorer: Scorer, data: Labelled) -> dict[str, float]:
    """Metrics by name.

    `accuracy` is the share of rows whose likeliest label is the right one. With two labels also `auc` (area under the ROC curve) and
    `brier` (mean squared error of the probability; less is better) of the second.
    """
    labels = [str(label) for label in data.labels]
    classes = scorer.card.classes
    probabilities = scorer.probabilities(data.values(scorer.family))
    right = sum(given == label for given, label in zip(likeliest(classes, probabilities), labels, strict=True))
    metrics = {"accuracy": right / len(labels)}
    if len(classes) == 2:
        positive = [label == classes[1] for label in labels]
        scores = [row[1] for row in probabilities]
        metrics |= {"auc": float(roc_auc_score(positive, scores)), "brier": float(brier_score_loss(positive, scores))}
    return metrics


def likeliest(classes: Sequence[str], probabilities: Sequence[Sequence[float]]) -> list[str]:
    """The likeliest class of each row; of equally likely ones the first."""
    return [classes[max(range(len(classes)), key=row.__getitem__)] for row in probabilities]
