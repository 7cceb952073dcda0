"""The vocabulary that both tiers and training share: a family is described once, and the rest is derived from it.

Nothing here, and nothing at the top of a family file, may import scikit-learn or numpy: the gateway imports families too.
A family file imports them inside its functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from twotier.card import Card
from twotier.errors import ConfigurationError

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
"""What a family, an estimator or an alias may be called: it becomes a URL segment, a folder and a metric label."""

Batch = Mapping[str, Sequence[Any]]
"""Some raw rows as columns of equal length: every feature and the target, by name. A missing value is None."""


class Row(BaseModel):
    """Base of every family's row. Field order is feature order; types are strict and unknown fields are refused."""

    # A field whose name callers spell otherwise is dumped as they spell it.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, serialize_by_alias=True)


class Answer(BaseModel):
    """Base of every family's answer. Fields made by `on_request` are left out unless the caller asks for them."""

    # By default pydantic would dump a NaN in a loosely typed field as null: an answer that looks good and is not.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, ser_json_inf_nan="constants")


class Options(BaseModel):
    """Base of what a family lets a deployment choose. Each has a default; a version's card keeps what it was trained with."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def feature(
    description: str, *, example: Any, name: str | None = None, unit: str | None = None, aliases: Sequence[str] = (), **constraints: Any
) -> Any:
    """Describe one field of a row.

    `name` is what it is called everywhere but in Python, if that is no Python name (`mean radius`). `aliases` are further names under
    which callers may send it; `constraints` are pydantic's (`gt`, `le`, `max_length`, `default`, …).
    """
    extra: dict[str, Any] = {"unit": unit} if unit else {}
    if aliases:
        extra["aliases"] = list(aliases)
    return Field(description=description, examples=[example], json_schema_extra=extra, alias=name, **constraints)


def on_request(description: str, *, flag: str | None = None) -> Any:
    """Describe a field of an answer that is sent only on request: field `risk` is asked for by `?risk=true`, or by another flag."""
    return Field(default=None, description=description, json_schema_extra={"on_request": flag or True})


def _extra(info: FieldInfo, key: str) -> Any:
    extra = info.json_schema_extra
    return extra.get(key) if isinstance(extra, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Raw data as a stream, so that it need not fit in memory."""

    source: str
    """Where it comes from: a path relative to the data folder, or a word for generated data."""

    target: str
    """The column to predict."""

    batches: Callable[[Path], Iterator[Batch]]
    """Called with the data folder; yields the same rows in the same order every time."""

    fingerprint: Callable[[Path], str]
    """Called with the data folder; SHA-256 of the raw data, in hexadecimal."""

    table: str | None = None
    """The ledger's table that mirrors the raw file for SQL users, if there is to be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A row and what it is answered by: feeds /docs, the README, the client's tests, the load test and the golden replay."""

    row: Mapping[str, Any]
    answer: Mapping[str, Any]


Predict = Callable[[Sequence[Mapping[str, Any]]], list[Answer]]
"""Rows as callers send them -> their answers. What behavioural checks are handed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoff:
    """The decision of a family with two labels: positive from a score on that training learns and the card keeps.

    The score is the probability of the label `positive`. The cut-off is the given quantile, between 0 and 1, of the scores of the very
    model that is served over the rows it was trained on.
    """

    positive: str
    quantile: float


LESS_IS_BETTER = frozenset({"brier", "log_loss"})
"""Metrics that measure errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a version must show before an alias may point at it."""

    metric: str
    """A metric of the held-out rows of which more is better, such as `accuracy` or `auc`."""

    floor: float
    """The least value of it that may serve."""

    checks: Mapping[str, Callable[[Predict], bool]] = field(default_factory=dict)
    """Behavioural checks by name: each makes rows, has them predicted, and says whether the answers make sense."""

    def __post_init__(self) -> None:
        if self.metric in LESS_IS_BETTER:
            raise ConfigurationError(f"a gate wants a metric of which more is better, and {self.metric} is none: take auc, for example")


@dataclass(frozen=True, kw_only=True)
class Family:
    """A prediction problem with one row schema and one answer schema, and the ways to solve it.

    `decide` turns one row's class probabilities, in the order of `card.classes`, into its answer. An answer of a family with `echo` has
    beside its own fields those of the row, as they were sent, and all of them in alphabetical order.
    `estimators` maps a name to a factory of an unfitted scikit-learn classifier or pipeline with `predict_proba`; the first is the
    default. A factory imports scikit-learn itself, when called. `options` is what the deployment chose; `decide` finds it in
    `card.options`.
    """

    name: str
    summary: str
    row: type[Row]
    answer: type[Answer]
    estimators: Mapping[str, Callable[[], ClassifierMixin]]
    dataset: Dataset
    decide: Callable[[Sequence[float], Card], Answer]
    gate: Gate
    examples: tuple[Example, ...]
    cutoff: Cutoff | None = None
    echo: bool = False
    options: Options = Options()

    def __post_init__(self) -> None:
        for name in (self.name, *self.estimators):
            if not NAME.match(name):
                raise ConfigurationError(f"family {self.name!r}: the name {name!r} must be lower-case letters, digits and _")
        if not self.estimators:
            raise ConfigurationError(f"family {self.name!r} has no estimator: give it at least one")
        if len(self.examples) < 2:
            raise ConfigurationError(f"family {self.name!r} needs at least two examples: they are its golden rows")
        names = [*self.features, *self.aliases]
        if len(set(names)) != len(names) or len(self.aliases) != sum(len(_aliases(f)) for f in self.row.model_fields.values()):
            raise ConfigurationError(f"family {self.name!r}: two fields of its row share a name or an alias")
        if self.echo and not {"model_name", *self.answer.model_fields}.isdisjoint(names):
            raise ConfigurationError(f"family {self.name!r}: its answers repeat the row, so no field of both may have the same name")

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Names in feature order, as callers send them."""
        return tuple(info.alias or name for name, info in self.row.model_fields.items())

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Alias -> feature name."""
        return {alias: name for name, info in zip(self.features, self.row.model_fields.values(), strict=True) for alias in _aliases(info)}

    @cached_property
    def numeric(self) -> bool:
        """Whether every feature is a number, if it is not missing: then rows make a float matrix, otherwise an object matrix."""
        return all(info.annotation in _NUMBERS for info in self.row.model_fields.values())

    @cached_property
    def on_request(self) -> Mapping[str, str]:
        """Name of each of the answer's fields that are sent only on request -> the flag that asks for it."""
        flags = {name: _extra(info, "on_request") for name, info in self.answer.model_fields.items()}
        return {name: name if flag is True else flag for name, flag in flags.items() if flag}

    @property
    def default_estimator(self) -> str:
        """The estimator that is trained when none is named."""
        return next(iter(self.estimators))

    def values(self, row: Row) -> list[Any]:
        """The row's values in feature order."""
        return list(row.__dict__.values())


_NUMBERS = (float, int, float | None, int | None)


def _aliases(info: FieldInfo) -> Sequence[str]:
    return _extra(info, "aliases") or ()
