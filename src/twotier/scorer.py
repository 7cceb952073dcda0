"""Rows -> answers, with one loaded version. Training, promotion and the model server all score through here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache, cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from threadpoolctl import ThreadpoolController

from twotier.card import Card, Spread
from twotier.errors import NotExplainable, SchemaMismatch
from twotier.explaining import Explainer
from twotier.family import Answer, Family
from twotier.linear import fast
from twotier.reasons import REASONS, Explained, Reasons


class Model(Protocol):
    """What a fitted scikit-learn classifier or pipeline offers."""

    classes_: NDArray[Any]

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """(rows, features) -> (rows, classes), each row adding up to 1."""
        ...  # pragma: no cover - a protocol's body never runs


def matrix(family: Family, rows: Sequence[Sequence[Any]]) -> NDArray[Any]:
    """Rows in feature order as a (rows, features) matrix: float64 if every feature is a number, else object; what is missing is NaN.

    Raises ValueError or TypeError for rows that are not of the family's width or kind.
    """
    made = np.asarray(rows, dtype=np.float64 if family.numeric else object)
    if made.ndim != 2 or made.shape[1] != len(family.features):
        raise ValueError(f"{len(family.features)} values make a row of {family.name!r}")
    if not family.numeric:
        # Text too: scikit-learn's imputers look for NaN.
        made[np.equal(made, np.array(None))] = math.nan
    return made


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")


def one_thread() -> AbstractContextManager[object]:
    """Within it, trees are grown and asked by one thread.

    Sharing out the few rows that there are costs OpenMP more than it gains, and where other processes want the same processors its
    threads wait for each other: a row took 380 ms on two busy ones instead of 12.
    """
    limit: AbstractContextManager[object] = _openmp().limit(limits=1)
    return limit


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
        self._model = model
        arithmetic = fast(model, _probe(family, card))
        self._predict = arithmetic or _unchecked(model)
        self.quick = arithmetic is not None
        """Whether it has a few rows scored in less time than it takes to hand them to a thread."""

    @cached_property
    def positive(self) -> int:
        """Place, in `card.classes`, of the label that scores are probabilities of: the cut-off's, or the last of two."""
        return 1 if self.family.cutoff is None else self.card.classes.index(self.family.cutoff.positive)

    @property
    def explains(self) -> bool:
        """Whether the family's answers have a place for reasons."""
        return issubclass(self.family.answer, Explained)

    @cached_property
    def explainer(self) -> Explainer:
        """What gives the reasons of the version's answers. Raises NotExplainable."""
        try:
            return Explainer(self._model, self.family.features, self.positive)
        except ValueError as error:
            raise NotExplainable(f"{self.family.name} {self.card.version} has no reasons to give: {error}") from error

    def probabilities(self, rows: Sequence[Sequence[Any]]) -> list[list[float]]:
        """Class probabilities of each row, in the order of `card.classes`. Raises whatever the model raises."""
        scores = self._predict(matrix(self.family, rows))
        return scores.tolist()  # type: ignore[no-any-return]

    def answers(self, rows: Sequence[Sequence[Any]], *, explain: bool = False) -> list[Answer | Exception]:
        """The answer to each row, with its reasons if they are wanted, or, in its place, why that row cannot be scored.

        A row that makes the model raise fails alone: the rows are halved until only the guilty ones are left.
        Raises NotExplainable if reasons are wanted and the version has none.
        """
        explainer = self.explainer if explain else None
        try:
            scores = self.probabilities(rows)
            reasons = explainer.reasons(matrix(self.family, rows)) if explainer else [None] * len(scores)
        except Exception as error:
            if len(rows) < 2:
                return [error for _ in rows]
            middle = len(rows) // 2
            return self.answers(rows[:middle], explain=explain) + self.answers(rows[middle:], explain=explain)
        return [self._answer(*each) for each in zip(scores, reasons, strict=True)]

    def _answer(self, score: list[float], reasons: Reasons | None) -> Answer | Exception:
        if not math.isfinite(sum(score)):
            return ValueError("the model gave a probability that is not a finite number")
        try:
            answer = self.family.decide(score, self.card)
        except Exception as error:
            return error
        return answer if reasons is None else answer.model_copy(update={REASONS: reasons})


def _unchecked(model: Model) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    """`predict_proba` without scikit-learn's checks.

    Rows were checked on their way in, and a non-finite result is caught on its way out: every caller would pay for a second check.
    """

    def predict(X: NDArray[Any]) -> NDArray[np.float64]:
        with config_context(assume_finite=True, skip_parameter_validation=True), one_thread():
            return model.predict_proba(X)

    return predict


def _probe(family: Family, card: Card) -> NDArray[Any]:
    """Rows that lie where the training rows did, and some around zero, with every word that a word may be: (64, features)."""
    random = np.random.default_rng(0)
    spreads = [card.ranges.get(name, Spread(minimum=-1, maximum=1, mean=0)) for name in card.features]
    share = random.random((32, len(spreads)))
    near = (1 - share) * [each.minimum for each in spreads] + share * [each.maximum for each in spreads]
    rows = np.concatenate([near, random.normal(size=near.shape)])
    if family.numeric:
        return rows
    mixed = rows.astype(object)
    mixed[::7] = math.nan
    for at, schema in enumerate(family.row.model_json_schema()["properties"].values()):
        if words := [word for each in (schema, *schema.get("anyOf", ())) for word in each.get("enum", ())]:
            mixed[:, at] = ([math.nan, *words] * len(mixed))[: len(mixed)]
    return mixed
