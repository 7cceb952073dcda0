"""What scikit-learn's transformers do to a matrix, and nothing of what they do around it: no checks, no configuration, no copies.

Each operation is scikit-learn's own, in its order, so that no digit changes. What is not known here is left to scikit-learn itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler

__all__ = ["Matrix", "Transform", "own_name", "transform"]

Matrix = NDArray[np.float64]

Transform = Callable[[NDArray[Any]], Matrix]
"""(rows, features) of numbers or of objects -> (rows, columns). The given matrix stays as it is."""


def transform(transformer: Any) -> Transform:
    """What a fitted transformer does. Raises NotImplementedError, or anything else, for one that is not known here."""
    kind = own_name(transformer)
    if kind in _WHOLE:
        return _WHOLE[kind](transformer)
    if kind not in _ARITHMETIC:
        raise NotImplementedError(f"{type(transformer).__name__} is not known here")
    operations = tuple(_ARITHMETIC[kind](transformer))

    def calculate(X: NDArray[Any]) -> Matrix:
        X = X.astype(np.float64, copy=False)
        for function, operand in operations:
            X = function(X, operand)
        return X

    return calculate


def own_name(model: Any) -> str:
    """What scikit-learn calls it; nothing for a class that is not scikit-learn's own."""
    # By name, since importing them all costs a quarter of a second and memory for what no model here may use.
    kind = type(model)
    return kind.__name__ if kind.__module__.startswith("sklearn.") else ""


def _pipeline(pipeline: Pipeline) -> Transform:
    steps = [transform(step) for _, step in pipeline.steps]

    def follow(X: NDArray[Any]) -> Matrix:
        for step in steps:
            X = step(X)
        return X

    return follow


def _by_column(columns: ColumnTransformer) -> Transform:
    """Each transformer sees some columns; what they make of them stands side by side."""
    if columns.transformer_weights:
        raise NotImplementedError
    every = np.arange(columns.n_features_in_)
    given = [(each, every[places]) for _, each, places in columns.transformers_ if not isinstance(each, str) or each != "drop"]
    blocks = [(transform(each), places) for each, places in given if len(places)]

    def join(X: NDArray[Any]) -> Matrix:
        return np.concatenate([block(X[:, places]) for block, places in blocks], axis=1)

    return join


def _one_hot(encoder: OneHotEncoder) -> Transform:
    """A column for each category, with a 1 in that of the row's."""
    plain = encoder.handle_unknown == "ignore" and encoder.drop is None and encoder.min_frequency is encoder.max_categories is None
    if not plain:
        # It may refuse a row, leave out columns, or throw rare categories together.
        raise NotImplementedError
    places: list[dict[Any, int]] = []
    width = 0
    for categories in encoder.categories_:
        places.append({_hashed(category): width + at for at, category in enumerate(categories.tolist())})
        if len(places[-1]) < len(categories):
            # There are several kinds of missing values, which are all the same here.
            raise NotImplementedError
        width += len(categories)

    def encode(X: NDArray[Any]) -> Matrix:
        made = np.zeros((len(X), width))
        for row, cells in enumerate(X.tolist()):
            for cell, known in zip(cells, places, strict=True):
                place = known.get(_hashed(cell))
                if place is not None:
                    made[row, place] = 1.0
        return made

    return encode


def _hashed(cell: Any) -> Any:
    """A missing value equals no other, but is a category of its own."""
    return cell if cell == cell else None


def _standard(scaler: StandardScaler) -> Iterator[Operation]:
    if scaler.with_mean:
        yield np.subtract, scaler.mean_
    if scaler.with_std:
        yield np.divide, scaler.scale_


def _min_max(scaler: MinMaxScaler) -> Iterator[Operation]:
    yield np.multiply, scaler.scale_
    yield np.add, scaler.min_
    if scaler.clip:
        yield np.maximum, scaler.feature_range[0]
        yield np.minimum, scaler.feature_range[1]


def _max_abs(scaler: MaxAbsScaler) -> Iterator[Operation]:
    yield np.divide, scaler.scale_
    if scaler.clip:
        yield np.maximum, -1.0
        yield np.minimum, 1.0


def _robust(scaler: RobustScaler) -> Iterator[Operation]:
    if scaler.with_centering:
        yield np.subtract, scaler.center_
    if scaler.with_scaling:
        yield np.divide, scaler.scale_


def _impute(imputer: SimpleImputer) -> Iterator[Operation]:
    fill = np.asarray(imputer.statistics_, dtype=np.float64)
    if not np.isnan(imputer.missing_values) or imputer.add_indicator or not np.isfinite(fill).all():
        # It would add columns, or leave out those of which nothing is known.
        raise NotImplementedError
    yield lambda X, statistics: np.where(np.isnan(X), statistics, X), fill


Operation = tuple[Callable[[Matrix, Any], Matrix], Any]
"""A function of a (rows, features) matrix and of the second argument that stands beside it."""

_ARITHMETIC: Mapping[str, Callable[[Any], Iterator[Operation]]] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
    "RobustScaler": _robust,
    "SimpleImputer": _impute,
}
"""Transformers that calculate with each number by itself."""

_WHOLE: Mapping[str, Callable[[Any], Transform]] = {"Pipeline": _pipeline, "ColumnTransformer": _by_column, "OneHotEncoder": _one_hot}
"""Transformers that do anything else."""
