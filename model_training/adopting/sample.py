"""The sample, read as the model wants it: its features in order, and the right labels if the sample has them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from model_training.adopting import columns as inferring
from model_training.adopting.columns import Column
from model_training.adopting.pickles import Adoptee
from model_training.adopting.positions import known_categories
from twotier.datasets import truth
from twotier.errors import ConfigurationError


@dataclass(frozen=True)
class Sample:
    """What the sample says."""

    path: Path
    columns: Sequence[Column]
    """The features, in the order of the model's."""

    labels: list[Any] | None
    """Of each row, if they are known."""

    @property
    def names(self) -> list[str]:
        """Of the features."""
        return [column.name for column in self.columns]

    @cached_property
    def values(self) -> list[list[Any]]:
        """(rows, features)."""
        return [list(row) for row in zip(*(column.values for column in self.columns), strict=True)]

    @cached_property
    def sha256(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def read_sample(path: Path, adoptee: Adoptee, target: str | None) -> Sample:
    """Read it. `target` is the column with the right labels, if there is one. Raises ConfigurationError."""
    names = adoptee.features or [name for name in inferring.header(path) if name != target]
    wanted = getattr(adoptee.model, "n_features_in_", len(names))
    if len(names) != wanted:
        raise ConfigurationError(
            f"the model was fitted on {wanted} columns without names, and the sample {path} has {len(names)}: give it those alone, in the"
            " same order, and name the column of the right labels, if there is one, by --target"
        )
    if target in names:
        raise ConfigurationError(f"{target} is one of the model's features, so it cannot be the target")
    given = inferring.cells(path, names)
    if len(given[names[0]]) < 2:
        raise ConfigurationError(f"the sample {path} must have at least two rows")
    made = inferring.columns(given, known_categories(adoptee.model, names))
    return Sample(path, made, None if target is None else _labels(path, target, adoptee))


def label_kind(adoptee: Adoptee) -> type[bool | int | float | str]:
    """What the model's labels are."""
    kind: type[bool | int | float | str] = type(adoptee.model.classes_.tolist()[0])
    return kind


def _labels(path: Path, target: str, adoptee: Adoptee) -> list[Any]:
    kind, known = label_kind(adoptee), adoptee.model.classes_.tolist()
    read = truth if kind is bool else kind
    labels: list[Any] = []
    for row, text in enumerate(inferring.cells(path, [target])[target], 1):
        try:
            labels.append(read(text or ""))
        except ValueError:
            labels.append(None)
        if labels[-1] not in known:
            raise ConfigurationError(f"{path}, row {row}, column {target}: none of the model's labels, which are {known}")
    if lacking := [str(label) for label in known if label not in labels]:
        raise ConfigurationError(f"the sample {path} has no row with label {', '.join(lacking)}: add some, or leave --target out")
    return labels
