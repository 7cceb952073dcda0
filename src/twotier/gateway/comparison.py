"""What two versions answered to the same rows, counted. Pure, and of bounded size: no row is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from twotier.family import Answer, Family
from twotier.gateway.catalogue import Pair
from twotier.gateway.pointers import clean

__all__ = ["Comparison", "Flip", "Seconds", "Sides", "Tally"]

_MAX_FLIPS = 50
"""How many kinds of flip are told apart; the others are only counted."""


class Flip(BaseModel):
    """Rows that one version decided so, and the other so."""

    champion: str
    challenger: str
    rows: int


class Sides(BaseModel):
    """Mean milliseconds per call. The calls of the two may hold different numbers of rows, for callers' rows are sent together."""

    champion: float
    challenger: float


class Comparison(BaseModel):
    """How the challenger answers what the champion is asked, by this gateway's count, while both versions stay what they are."""

    champion: str = Field(description="The version that callers were answered by.")
    challenger: str = Field(description="The version that answered in the background.")
    since: datetime
    rows: int = Field(description="Rows that both answered.")
    agreed: int = Field(description="Rows of them that both decided alike.")
    agreement: float | None = Field(description="The share of them.")
    flips: list[Flip] = Field(description="The others by what was decided, the most frequent first.")
    other_flips: int = Field(description="Rows that were decided in yet other ways.")
    score_difference: float | None = Field(
        description="Mean absolute difference of the probabilities in the answers, fields on request among them if callers wanted them."
    )
    model_ms: Sides | None = Field(description="Time of the model by its own clock.")
    upstream_ms: Sides | None = Field(description="Time of the call to the model server.")
    failed: dict[str, int] = Field(description="Rows that the challenger did not answer, by reason.")
    dropped: int = Field(description="Rows that were not sent to it, since too many waited or the gateway was busy.")


@dataclass(frozen=True, slots=True)
class Seconds:
    """What one call took."""

    model: float
    upstream: float


@dataclass(slots=True)
class Tally:
    """Counts for one pair of versions."""

    pair: Pair
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    rows: int = 0
    agreed: int = 0
    dropped: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    _flips: Counter[tuple[str, str]] = field(default_factory=Counter)
    _other_flips: int = 0
    _scored: int = 0
    _difference: float = 0.0
    _calls: int = 0
    _model: tuple[float, float] = (0.0, 0.0)
    _upstream: tuple[float, float] = (0.0, 0.0)

    def compare(self, family: Family, champion: Sequence[Answer | None], challenger: Sequence[Answer | None]) -> Counter[str]:
        """Count what both answered to the same rows: `agree`, `differ`, `failed`. What the champion could not answer is left out."""
        outcomes, named = Counter[str](), _named(family)
        for ours, theirs in zip(champion, challenger, strict=True):
            if ours is not None and theirs is not None:
                outcomes["agree" if self._agree(_parts(family, ours, named), _parts(family, theirs, named)) else "differ"] += 1
            elif ours is not None:
                outcomes["failed"] += 1
        self.rows += outcomes["agree"] + outcomes["differ"]
        self.agreed += outcomes["agree"]
        if outcomes["failed"]:
            self.failed["the row was not scored"] += outcomes["failed"]
        return outcomes

    def _agree(self, ours: _Parts, theirs: _Parts) -> bool:
        if both := ours.scores.keys() & theirs.scores.keys():
            self._scored += 1
            self._difference += sum(abs(ours.scores[name] - theirs.scores[name]) for name in both) / len(both)
        if ours.decision == theirs.decision:
            return True
        flip = ours.words(), theirs.words()
        if flip in self._flips or len(self._flips) < _MAX_FLIPS:
            self._flips[flip] += 1
        else:
            self._other_flips += 1
        return False

    def time(self, champion: Seconds, challenger: Seconds) -> None:
        """Take down how long each took for the same rows."""
        self._calls += 1
        self._model = self._model[0] + champion.model, self._model[1] + challenger.model
        self._upstream = self._upstream[0] + champion.upstream, self._upstream[1] + challenger.upstream

    def shown(self) -> Comparison:
        """As it is told."""
        return Comparison(
            champion=self.pair.champion,
            challenger=self.pair.challenger,
            since=self.since,
            rows=self.rows,
            agreed=self.agreed,
            agreement=self.agreed / self.rows if self.rows else None,
            flips=[Flip(champion=ours, challenger=theirs, rows=rows) for (ours, theirs), rows in self._flips.most_common()],
            other_flips=self._other_flips,
            score_difference=self._difference / self._scored if self._scored else None,
            model_ms=self._sides(self._model),
            upstream_ms=self._sides(self._upstream),
            failed=dict(self.failed),
            dropped=self.dropped,
        )

    def _sides(self, seconds: tuple[float, float]) -> Sides | None:
        if not self._calls:
            return None
        champion, challenger = (round(1000 * each / self._calls, 3) for each in seconds)
        return Sides(champion=champion, challenger=challenger)


@dataclass(frozen=True, slots=True)
class _Parts:
    """An answer, taken apart: what was decided, and the probabilities. What it repeats of the row is neither."""

    decision: list[Any]
    scores: dict[str, float]

    def words(self) -> str:
        """The decision, of bounded length."""
        return clean(", ".join(map(str, self.decision)))


def _named(family: Family) -> set[str]:
    """What the answers of the family's examples name: what was decided, for a probability is nothing that is known to the last digit."""
    return {name for example in family.examples for name in example.answer}.difference(family.on_request, family.row.model_fields)


def _parts(family: Family, answer: Answer, named: Set[str]) -> _Parts:
    parts = _Parts([], {})
    # Where only numbers with a point are named, labels are such numbers.
    labels = named if all(isinstance(getattr(answer, name, None), float) for name in named) else ()
    for name, value in answer.__dict__.items():
        if name in family.row.model_fields:
            continue
        if name in labels:
            parts.decision.append(value)
        elif isinstance(value, float):
            parts.scores[name] = value
        elif isinstance(value, dict) and all(isinstance(each, float) for each in value.values()):
            parts.scores.update((f"{name}.{key}", each) for key, each in value.items())
        elif name not in family.on_request:
            parts.decision.append(value)
    return parts
