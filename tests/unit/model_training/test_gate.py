"""Which of several versions is the best."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from model_training.gate import best
from tests.examples import family
from twotier.registry import GateReport, Version


def version(number: int, accuracy: float, passed: bool | None = True) -> Version:
    """A version of coin with that accuracy, judged or not."""
    return Version(
        family="coin",
        estimator="log_reg",
        number=number,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        metrics={"train": {"accuracy": 1 - accuracy}, "test": {"accuracy": accuracy, "auc": 1 - accuracy}},
        parameters={},
        data_sha256="0" * 64,
        manifest_sha256="0" * 64,
        gate=None if passed is None else GateReport(passed=passed, findings=()),
    )


@pytest.mark.parametrize(
    ("versions", "wins"),
    [
        ([version(1, 0.9), version(2, 0.8)], "log_reg_1"),
        ([version(1, 0.8), version(2, 0.9)], "log_reg_2"),
        ([version(1, 0.8), version(2, 0.9), version(3, 0.85)], "log_reg_2"),
        ([version(1, 0.9), version(2, 0.9)], "log_reg_1"),
        ([version(1, 0.8), version(2, 0.9, passed=False)], "log_reg_1"),
        ([version(1, 0.9, passed=None), version(2, 0.8)], "log_reg_2"),
    ],
    ids=["first", "second", "middle", "equal", "refused", "never judged"],
)
def test_best(versions: list[Version], wins: str) -> None:
    """It has the most of the gate's metric on the held-out rows, wherever it stands, and passed its gate; of equal ones it is the first."""
    found = best(family(), versions)
    assert found is not None and wins == found[0].name


def test_why_it_is_the_best() -> None:
    """The metric of each that passed is told; without any there is no best."""
    found = best(family(), [version(1, 0.8), version(2, 0.9), version(3, 1.0, passed=False)])
    assert found is not None
    assert "the most accuracy on the same held-out rows: log_reg_1 0.8000, log_reg_2 0.9000" == found[1]
    assert best(family(), [version(3, 1.0, passed=False)]) is None
