"""Which iris is it? Fisher's 150 flowers: four lengths in, one of three species out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from twotier.card import Card
from twotier.datasets import csv_dataset
from twotier.family import Answer, Example, Family, Gate, Predict, Row, feature, on_request

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from sklearn.tree import DecisionTreeClassifier


class IrisRow(Row):
    """One flower."""

    SepalLengthCm: float = feature("Length of the sepal", unit="cm", example=5.0, gt=0, le=100, aliases=["sepalLength"])
    SepalWidthCm: float = feature("Width of the sepal", unit="cm", example=2.0, gt=0, le=100, aliases=["sepalWidth"])
    PetalLengthCm: float = feature("Length of the petal", unit="cm", example=3.0, gt=0, le=100, aliases=["petalLength"])
    PetalWidthCm: float = feature("Width of the petal", unit="cm", example=4.0, gt=0, le=100, aliases=["petalWidth"])


class IrisAnswer(Answer):
    """Its species."""

    output: str
    probabilities: dict[str, float] | None = on_request("Probability of each species; they add up to 1.")


def decide(probabilities: Sequence[float], card: Card) -> IrisAnswer:
    """Answer the likeliest species."""
    named = dict(zip(card.classes, probabilities, strict=True))
    return IrisAnswer(output=max(named, key=named.__getitem__), probabilities=named)


def log_reg() -> LogisticRegression:
    """Logistic regression, all defaults."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


def decision_tree() -> DecisionTreeClassifier:
    """Decision tree of two questions deep: a deeper one learns this sample by heart. Seeded, since equally good questions are many."""
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=2, random_state=42)


def _flower(*lengths: float) -> Mapping[str, float]:
    return dict(zip(IrisRow.model_fields, lengths, strict=True))


def tiny_petals_are_setosa(predict: Predict) -> bool:
    """Setosa's petals are tiny, whatever its sepals."""
    answers = predict([_flower(sepal, 3.4, 1.4, 0.2) for sepal in (4.5, 5.0, 5.5)])
    return {getattr(answer, "output") for answer in answers} == {"Iris-setosa"}


def longer_petals_are_never_likelier_setosa(predict: Predict) -> bool:
    """Growing the petals alone never makes setosa likelier."""
    answers = predict([_flower(5.8, 3.0, 1.0 + step / 4, 1.2) for step in range(24)])
    setosa = [getattr(answer, "probabilities")["Iris-setosa"] for answer in answers]
    return setosa == sorted(setosa, reverse=True)


FAMILY = Family(
    name="iris",
    summary="Which of three irises a flower is, by the lengths of its sepal and petal",
    row=IrisRow,
    answer=IrisAnswer,
    estimators={"log_reg": log_reg, "decision_tree": decision_tree},
    dataset=csv_dataset(
        "raw/iris.csv",
        target="Species",
        columns={name: float for name in IrisRow.model_fields} | {"Species": str},
        table="iris",
    ),
    decide=decide,
    gate=Gate(
        metric="accuracy",
        floor=0.9,
        checks={check.__name__: check for check in (tiny_petals_are_setosa, longer_petals_are_never_likelier_setosa)},
    ),
    examples=(
        Example(row=_flower(5, 2, 3, 4), answer={"output": "Iris-virginica"}),
        Example(row=_flower(4.8, 3.0, 1.4, 0.1), answer={"output": "Iris-setosa"}),
        Example(row=_flower(6.4, 2.9, 4.3, 1.3), answer={"output": "Iris-versicolor"}),
        Example(row=_flower(6.3, 3.3, 6.0, 2.5), answer={"output": "Iris-virginica"}),
    ),
)
