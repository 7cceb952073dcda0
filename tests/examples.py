"""Small values that several suites need: a family with a dependable model, and its card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from twotier.card import Card, DataFacts
from twotier.family import Answer, Dataset, Example, Family, Gate, Row, feature, on_request

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

LABELS = ("low", "high")


class CoinRow(Row):
    """Two numbers; the answer is `high` where they add up to more than nought."""

    a: float = feature("First number", unit="m", example=1.0, ge=-100, le=100, aliases=["first"])
    b: float = feature("Second number", example=-2.0, ge=-100, le=100)


class CoinAnswer(Answer):
    """The label."""

    label: str
    share: float | None = on_request("Probability of the label.")


def decide(probabilities: Sequence[float], card: Card) -> CoinAnswer:
    """Answer the likeliest label."""
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    return CoinAnswer(label=card.classes[best], share=probabilities[best])


def log_reg() -> LogisticRegression:
    """Logistic regression, all defaults."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


def rows_in_memory(rows: Sequence[Mapping[str, Any]], target: str = "label", table: str | None = None) -> Dataset:
    """A dataset of just these rows, in two batches."""
    names = tuple(rows[0]) if rows else ()
    halves = [half for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]) if half]
    return Dataset(
        source="memory",
        target=target,
        batches=lambda data: iter([{name: [row[name] for row in half] for name in names} for half in halves]),
        fingerprint=lambda data: "0" * 64,
        table=table,
    )


def grid(step: int = 1) -> list[dict[str, Any]]:
    """Rows of a square grid with their right labels."""
    side = range(-5, 6, step)
    return [{"a": float(a), "b": float(b), "label": LABELS[a + b > 0]} for a in side for b in side]


def family(**changes: Any) -> Family:
    """The family `coin`, with some of its parts changed."""
    estimators: dict[str, Callable[[], Any]] = {"log_reg": log_reg}
    parts: dict[str, Any] = {
        "name": "coin",
        "summary": "Which side of a line",
        "row": CoinRow,
        "answer": CoinAnswer,
        "estimators": estimators,
        "dataset": rows_in_memory(grid()),
        "decide": decide,
        "gate": Gate(metric="accuracy", floor=0.8),
        "examples": (
            Example(row={"a": 4.0, "b": 4.0}, answer={"label": "high"}),
            Example(row={"a": -4.0, "b": -4.0}, answer={"label": "low"}),
        ),
    }
    return Family(**parts | changes)


def card(**changes: Any) -> Card:
    """The card of a version of `coin`, with some of its facts changed."""
    facts: dict[str, Any] = {
        "family": "coin",
        "version": "log_reg_1",
        "estimator": "log_reg",
        "created_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "features": ["a", "b"],
        "classes": ["high", "low"],
        "parameters": {"C": 1.0},
        "metrics": {"train": {"accuracy": 1.0}, "test": {"accuracy": 1.0}},
        "data": DataFacts(source="memory", sha256="0" * 64, train_rows=90, test_rows=31, seed=42),
        "ranges": {},
        "libraries": {"python": "3.11.7"},
        "golden": [],
        "row_schema": CoinRow.model_json_schema(),
        "answer_schema": CoinAnswer.model_json_schema(),
    }
    return Card(**facts | changes)
