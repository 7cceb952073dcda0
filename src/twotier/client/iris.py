"""Irises in four numbers, species in one: the client that callers of the older iris service know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from twotier.client.exchange import DEFAULT_SECONDS, DEFAULT_URL
from twotier.client.synchronous import Client

FEATURES = ("SepalLengthCm", "SepalWidthCm", "PetalLengthCm", "PetalWidthCm")
CLASSES = ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
"""A species' class id is its place here, which is also the model's order."""

ROWS_PER_CALL = 10_000


def get_prediction(rows: Sequence[Sequence[float]], *, url: str = DEFAULT_URL, timeout: float = DEFAULT_SECONDS) -> list[int]:
    """The class id of each flower: 0 for setosa, 1 for versicolor, 2 for virginica.

    Each row is sepal length, sepal width, petal length and petal width, in cm. Any number of rows may be given. Raises ValueError,
    which names the row, if a row has not four finite numbers or if there is no row, and Problem or NoAnswer if the gateway does
    not answer.
    """
    if not len(rows):
        raise ValueError("there is no row to predict: give at least one")
    named = [_named(index, row) for index, row in enumerate(rows)]
    with Client(url, timeout=timeout) as client:
        calls = (client.predict("iris", named[start:start + ROWS_PER_CALL]) for start in range(0, len(named), ROWS_PER_CALL))
        return [CLASSES.index(answer["output"]) for answers in calls for answer in answers]


def _named(index: int, row: Sequence[float]) -> Mapping[str, float]:
    try:
        values = [float(value) for value in row]
    except (TypeError, ValueError):
        raise ValueError(f"row {index} is not a list of numbers") from None
    if len(values) != len(FEATURES):
        raise ValueError(f"row {index} has {len(values)} values, and a flower has {len(FEATURES)}: {', '.join(FEATURES)}")
    if not all(map(math.isfinite, values)):
        raise ValueError(f"row {index} holds a value that is not finite")
    return dict(zip(FEATURES, values, strict=True))
