"""Rows -> answers, with one loaded version. Training, promotion and the model server all score through here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context

from twotier.card import Card, Spread
from twotier.errors import SchemaMismatch
from twotier.family import Answer, Family
from twotier.linear import Matrix, fast


class Model(Protocol):
    """What a fitted scikit-learn classifier or pipeline offers."""

    classes_: NDArray[Any]

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """(rows, features) -> (rows, classes), each row adding up to 1."""
        ...  # pragma: no cover - a protocol's body never runs


def matrix(family: Family, rows: Sequence[Sequence[Any]]) -> NDArray[Any]:
    """Rows in feature order as a (rows, features) matrix: float64 if every feature is a number, else object.

    Raises ValueError or TypeError for rows that are not of the family's width or kind.
    """
    made = np.asarray(rows, dtype=np.float64 if family.numeric else object)
    if made.ndim != 2 or made.shape[1] != len(family.features):
        raise ValueError(f"{len(family.features)} values make a row of {family.name!r}")
    return made


class Scorer:
    """One version, ready to answer.

    Raises SchemaMismatch if the version was trained on other features or answers other classes than its card says.
    """

    def __init__(self, family: Family, card: Card, model: Model) -> None:
        if tuple(card.features) != family.features:
            raise SchemaMismatch(
                f"{family.name} {card.version} was trained on {card.features}, and the family now has {list(family.features)}: train again"
            )
        if [str(label) for label in model.classes_] != card.classes:
            raise SchemaMismatch(f"{family.name} {card.version}: the model's classes are not the card's {card.classes}")
        self.family = family
        self.card = card
        self._predict = (fast(model, _probe(card)) if family.numeric else None) or _unchecked(model)

    def probabilities(self, rows: Sequence[Sequence[Any]]) -> list[list[float]]:
        """Class probabilities of each row, in the order of `card.classes`. Raises whatever the model raises."""
        scores = self._predict(matrix(self.family, rows))
        return scores.tolist()  # type: ignore[no-any-return]

    def answers(self, rows: Sequence[Sequence[Any]]) -> list[Answer | Exception]:
        """The answer to each row, or, in its place, why that row cannot be scored.

        A row that makes the model raise fails alone: the rows are halved until only the guilty ones are left.
        """
        try:
            scores = self.probabilities(rows)
        except Exception as error:
            if len(rows) < 2:
                return [error for _ in rows]
            middle = len(rows) // 2
            return self.answers(rows[:middle]) + self.answers(rows[middle:])
        return [self._answer(score) for score in scores]

    def _answer(self, score: list[float]) -> Answer | Exception:
        if not math.isfinite(sum(score)):
            return ValueError("the model gave a probability that is not a finite number")
        try:
            return self.family.decide(score, self.card)
        except Exception as error:
            return error


def _unchecked(model: Model) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    """`predict_proba` without scikit-learn's checks.

    Rows were checked on their way in, and a non-finite result is caught on its way out: every caller would pay for a second check.
    """

    def predict(X: NDArray[Any]) -> NDArray[np.float64]:
        with config_context(assume_finite=True, skip_parameter_validation=True):
            return model.predict_proba(X)

    return predict


def _probe(card: Card) -> Matrix:
    """Rows that lie where the training rows did, and some around zero: (64, features)."""
    random = np.random.default_rng(0)
    spreads = [card.ranges.get(name, Spread(minimum=-1, maximum=1, mean=0)) for name in card.features]
    share = random.random((32, len(spreads)))
    near = (1 - share) * [each.minimum for each in spreads] + share * [each.maximum for each in spreads]
    return np.concatenate([near, random.normal(size=near.shape)])
