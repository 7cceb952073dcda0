"""A model that was fitted on a table with names -> the same model for a plain matrix, which is all that serving makes.

Names of columns become their positions, in what is fitted and in what would be fitted anew. Nothing that is computed changes; that it did
not is checked by whoever calls this.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

_ABOUT_TABLES = ("feature_names_in_", "_sklearn_output_config")
"""What makes an estimator warn of a matrix, or make tables itself."""


def by_position(model: Any, names: list[str]) -> Any:
    """Copy a fitted model, and let the copy know its columns, which are called `names`, by position alone."""
    made = pickle.loads(pickle.dumps(model))
    for part in list(parts(made)):
        if isinstance(part, ColumnTransformer):
            _place(part, names)
    for part in list(parts(made)):
        for name in _ABOUT_TABLES:
            vars(part).pop(name, None)
    return made


def known_categories(model: Any, names: list[str]) -> Mapping[str, set[str]]:
    """The texts that an encoder has learnt, by column: those of encoders that are given columns of the table as it is."""
    found: dict[str, set[str]] = {}
    first = model.steps[0][1] if hasattr(model, "steps") else model
    for name, transformer, _ in getattr(first, "transformers_", ()):
        indices = first._transformer_to_input_indices[name]
        for encoder in parts(transformer):
            categories = getattr(encoder, "categories_", ())
            if len(categories) == len(indices):
                for index, values in zip(indices, categories, strict=True):
                    found.setdefault(names[index], set()).update(value for value in values if isinstance(value, str))
    return found


def parts(value: Any) -> Iterator[BaseEstimator]:
    """Every estimator in an estimator, itself included; one that is there twice comes once."""
    seen: set[int] = set()

    def walk(value: Any) -> Iterator[BaseEstimator]:
        if id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, BaseEstimator):
            yield value
        if type(value).__module__.startswith("sklearn.") and hasattr(value, "__dict__"):
            value = vars(value)
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, np.ndarray) and value.dtype == object:
            value = value.ravel().tolist()
        if isinstance(value, list | tuple):
            for each in value:
                yield from walk(each)

    return walk(value)


def _place(part: ColumnTransformer, names: list[str]) -> None:
    fitted: Mapping[str, list[int]] | None = getattr(part, "_transformer_to_input_indices", None)

    def placed(name: str, columns: Any) -> Any:
        if fitted is not None:
            # A lone name stays a lone position: its transformer is given a vector.
            return fitted[name][0] if isinstance(columns, str | int) else list(fitted[name])
        # What is only there to be copied and fitted, as inside a search, has looked at no table yet.
        if isinstance(columns, str):
            return names.index(columns)
        return [names.index(each) for each in columns] if isinstance(columns, list) and {*columns} <= {*names} else columns

    part.transformers = [(name, transformer, placed(name, columns)) for name, transformer, columns in part.transformers]
    if fitted is not None:
        part.transformers_ = [(name, transformer, placed(name, columns)) for name, transformer, columns in part.transformers_]
