"""Small real versions of `iris`, made in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sklearn.linear_model import LogisticRegression

from twotier.card import DataFacts, Golden, Spread
from twotier.families import iris
from twotier.registry import Draft, GateReport, Registry, RegistrySettings, Version
from twotier.scorer import matrix
from twotier.settings import SharedSettings

IRIS = iris.FAMILY
ROWS = [[5.1, 3.5, 1.4, 0.2], [4.9, 3.0, 1.4, 0.2], [6.4, 3.2, 4.5, 1.5], [5.7, 2.8, 4.1, 1.3], [6.3, 3.3, 6.0, 2.5], [5.8, 2.7, 5.1, 1.9]]
LABELS = ["Iris-setosa", "Iris-setosa", "Iris-versicolor", "Iris-versicolor", "Iris-virginica", "Iris-virginica"]
METRICS = {"train": {"accuracy": 0.97321, "log_loss": 0.25}, "test": {"accuracy": 0.94737}}
PASSED = GateReport(passed=True, findings=("passed: accuracy is 0.9474.",))
FAILED = GateReport(passed=False, findings=("failed: accuracy is 0.5.", "passed: it answers."))


def opened(data: Path, *, ledger_url: str | None = None, store_url: str | None = None, skew: str = "refuse") -> Registry:
    """A registry in that folder."""
    settings = RegistrySettings.read(ledger_url=ledger_url, store_url=store_url, skew=skew)
    return Registry.open(settings, SharedSettings.read(data=data))


def fitted() -> LogisticRegression:
    """A model of six flowers."""
    return LogisticRegression().fit(matrix(IRIS, ROWS), LABELS)


def draft(model: LogisticRegression | None = None, **changes: Any) -> Draft:
    """What training would say of it."""
    model = model or fitted()
    classes = [str(label) for label in model.classes_]
    golden = []
    for row, probabilities in zip(ROWS, model.predict_proba(matrix(IRIS, ROWS)).tolist(), strict=True):
        named = dict(zip(classes, probabilities, strict=True))
        answer = {"output": max(named, key=named.__getitem__), "probabilities": named}
        golden.append(Golden(row=dict(zip(IRIS.features, row, strict=True)), probabilities=probabilities, answer=answer))
    facts: Mapping[str, Any] = {
        "classes": classes,
        "parameters": {"C": 1.0, "penalty": None},
        "metrics": METRICS,
        "data": DataFacts(source="raw/iris.csv", sha256="ab" * 32, train_rows=4, test_rows=2, seed=42),
        "ranges": {name: Spread(minimum=0.1, maximum=7.9, mean=3.5) for name in IRIS.features},
        "golden": golden,
        "reference": "SepalLengthCm\n5.1\n",
    }
    return Draft(**{**facts, **changes})


def publish(registry: Registry, *, gate: GateReport | None = PASSED, **changes: Any) -> Version:
    """One more version, judged."""
    version = registry.publish(IRIS, "log_reg", fitted(), draft(**changes))
    return registry.record_gate(version, gate) if gate else version
