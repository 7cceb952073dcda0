"""A sound family with fields of several kinds: text, a choice, a number that may be absent, a whole number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from typing_extensions import TypeAliasType

from tests.examples import rows_in_memory
from twotier.card import Card
from twotier.family import Answer, Example, Family, Gate, Row, feature, on_request


Way = TypeAliasType("Way", Literal["air", "sea"])
"""A type with a name of its own, to which the schema refers."""


class KindsRow(Row):
    """One parcel."""

    size: float = feature("Its longest side", unit="m", example=0.5, ge=0)
    way: Way = feature("How it goes", example="air")
    note: str = feature("What is written on it", example="fragile", max_length=100)
    weight: float | None = feature("Its weight, if it was weighed", unit="kg", example=2.0, default=None)
    stamps: int = feature("How many stamps it bears", example=3)


class KindsAnswer(Answer):
    """Whether it comes late."""

    late: bool
    risk: float | None = on_request("Probability that it comes late.")


def decide(probabilities: Sequence[float], card: Card) -> KindsAnswer:
    """It is late if that is the likelier."""
    risk = probabilities[card.classes.index("late")]
    return KindsAnswer(late=risk >= 0.5, risk=risk)


def _pipeline(model: Any) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = make_column_transformer((SimpleImputer(), [0, 3, 4]), (OneHotEncoder(handle_unknown="ignore"), [1, 2]))
    return make_pipeline(columns, model)


def log_reg() -> Any:
    """Logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return _pipeline(LogisticRegression())


def tree() -> Any:
    """A decision tree."""
    from sklearn.tree import DecisionTreeClassifier

    return _pipeline(DecisionTreeClassifier(random_state=0))


def _parcel(number: int) -> dict[str, Any]:
    way = ("air", "sea")[number % 2]
    weight = None if number % 5 == 0 else float(number % 7)
    return {"size": number / 10, "way": way, "note": f"note {number % 3}", "weight": weight, "stamps": number % 4}


FAMILY = Family(
    name="kinds",
    summary="Whether a parcel comes late",
    row=KindsRow,
    answer=KindsAnswer,
    estimators={"log_reg": log_reg, "tree": tree},
    dataset=rows_in_memory(
        [_parcel(number) | {"label": "late" if number % 2 else "on time"} for number in range(80)],
    ),
    decide=decide,
    gate=Gate(metric="auc", floor=0.9),
    examples=(
        Example(row={"size": 1.0, "way": "air", "note": "fragile", "stamps": 1}, answer={"late": False}),
        Example(row={"size": 1.0, "way": "sea", "note": "note 1", "weight": 2.5, "stamps": 1}, answer={"late": True}),
    ),
)
