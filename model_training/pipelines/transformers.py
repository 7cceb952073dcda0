"""Scikit-learn's transformers, fitted to blocks of rows as `fit` would fit them to all rows at once.

Those that sum up do so block by block. Those that only ask which values there are get a few rows that show each of them. Both by the
transformer's own `partial_fit` or `fit`, but for the means that an imputer fills in, so what comes out is what scikit-learn makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from twotier.errors import ConfigurationError
from twotier.transforming import Matrix, own_name

__all__ = ["Blocks", "fitted", "means", "unknown"]

Blocks = Callable[[], Iterator[NDArray[Any]]]
"""Goes through all rows anew: (some rows, columns) at a time."""


def unknown(step: Any) -> str | None:
    """What of an unfitted transformer cannot be fitted to blocks; None if nothing is in the way."""
    kind = own_name(step)
    if kind == "Pipeline":
        return next(filter(None, (unknown(each) for _, each in step.steps)), None)
    if kind == "ColumnTransformer":
        if not isinstance(step.remainder, str):
            return "ColumnTransformer with a remainder that learns"
        return next(filter(None, (unknown(each) for _, each, _ in step.transformers if not isinstance(each, str))), None)
    if kind not in _FITS:
        return type(step).__name__
    if getattr(step, "min_frequency", None) is not None or getattr(step, "max_categories", None) is not None:
        return f"{kind} with rare categories put together"
    if not _is_nan(getattr(step, "missing_values", np.nan)):
        return f"{kind} with missing values other than NaN"
    return None


def fitted(step: Any, blocks: Blocks) -> Any:
    """A fresh transformer like `step`, of which nothing is `unknown`, fitted to the blocks.

    Raises ConfigurationError for a scaler that meets missing values, and whatever the transformer raises.
    """
    return _FITS[own_name(step)](clone(step), blocks)


def _pipeline(pipeline: Pipeline, blocks: Blocks) -> Pipeline:
    steps = []
    for name, step in pipeline.steps:
        steps.append((name, done := fitted(step, blocks)))
        blocks = _mapped(blocks, done.transform)
    pipeline.steps = steps
    return pipeline


def _columns(columns: ColumnTransformer, blocks: Blocks) -> ColumnTransformer:
    """Each transformer sees its columns. The whole is then fitted to one block, by which they, frozen, no longer change."""
    given = columns.transformers
    # Which columns are meant it finds out itself, even if nothing is done to them.
    dropping = clone(columns).set_params(transformers=[(name, "drop", place) for name, _, place in given])
    places = [place for _, _, place in dropping.fit(next(blocks())).transformers_]
    columns.transformers = [
        (name, each if isinstance(each, str) else FrozenEstimator(fitted(each, _mapped(blocks, partial(_taken, place)))), place)
        for (name, each, _), place in zip(given, places, strict=False)
    ]
    columns.fit(next(blocks()))
    columns.transformers = given
    columns.transformers_ = [
        (name, each.estimator if isinstance(each, FrozenEstimator) else each, place) for name, each, place in columns.transformers_
    ]
    return columns


def _taken(place: Any, X: NDArray[Any]) -> NDArray[Any]:
    return X[:, place]


def _in_parts(transformer: Any, blocks: Blocks) -> Any:
    for block in blocks():
        if (block != block).any():
            # Of a block that shows nothing of a column, `partial_fit` learns that nothing of it is ever known.
            raise ConfigurationError(
                f"the engine stream cannot fit {type(transformer).__name__} where values are missing: put an imputer before it, or have the"
                " engine memory train it"
            )
        transformer.partial_fit(block)
    return transformer


def _at_once(transformer: Any, blocks: Blocks) -> Any:
    """Of a function, no more than the number of columns is learnt."""
    return transformer.fit(next(blocks()))


def _encoder(encoder: Any, blocks: Blocks) -> Any:
    return encoder.fit(_showing(blocks, lambda X: np.where(X != X, np.array(None), X)))


def _imputer(imputer: Any, blocks: Blocks) -> Any:
    imputer.fit(_showing(blocks, lambda X: X != X))
    if imputer.strategy == "mean":
        mean = means(blocks())
        # What is put into a column in which there is nothing is the imputer's own affair.
        imputer.statistics_ = np.where(np.isnan(mean), imputer.statistics_, mean)
    elif imputer.strategy != "constant":
        # A column at a time: all its rows are in memory, and no other column's.
        alone = (np.concatenate([block[:, [place]] for block in blocks()]) for place in range(imputer.n_features_in_))
        imputer.statistics_ = np.concatenate([clone(imputer).fit(column).statistics_ for column in alone])
    return imputer


def means(blocks: Iterable[NDArray[Any]]) -> Matrix:
    """The mean of each column; missing values do not count. NaN for a column in which there is nothing else."""
    total, known = 0.0, 0
    for block in blocks:
        numbers = block.astype(np.float64)
        total, known = total + np.nansum(numbers, axis=0), known + (numbers == numbers).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / known)


def _showing(blocks: Blocks, seen_as: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    """As few rows as it takes, taken in order, to show in each column everything that it is seen as."""
    known: list[set[Any]] = []
    shown = []
    for block in blocks():
        known = known or [set() for _ in range(block.shape[1])]
        rows: set[int] = set()
        for there, column in zip(known, seen_as(block).T.tolist(), strict=True):
            rows.update(column.index(value) for value in set(column) - there)
            there.update(column)
        shown.append(block[sorted(rows)])
    return np.concatenate(shown)


def _mapped(blocks: Blocks, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Blocks:
    return lambda: map(change, blocks())


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and bool(np.isnan(value))


_FITS: Mapping[str, Callable[[Any, Blocks], Any]] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _columns,
    "StandardScaler": _in_parts,
    "MinMaxScaler": _in_parts,
    "MaxAbsScaler": _in_parts,
    "FunctionTransformer": _at_once,
    "OneHotEncoder": _encoder,
    "OrdinalEncoder": _encoder,
    "SimpleImputer": _imputer,
}
