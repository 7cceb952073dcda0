"""Transformers that are fitted block by block are those that scikit-learn fits to all rows at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from model_training.pipelines.transformers import fitted, unknown
from twotier.errors import ConfigurationError

NUMBERS = np.random.default_rng(1).normal(3, 2, size=(90, 3))
GAPS = NUMBERS.copy()
# In the first column something is missing from the start, in the second at the very end only, in the third never.
GAPS[::7, 0] = GAPS[85:, 1] = math.nan
EMPTY = np.column_stack([NUMBERS, np.full(90, math.nan)])
WORDS = np.array([["a", "x"]] * 80 + [["c", "y"], ["b", math.nan], ["a", math.nan]], dtype=object)
MIXED = np.concatenate([GAPS[:83].astype(object), WORDS], axis=1)


class Own(StandardScaler):  # type: ignore[misc]
    """A class that is not scikit-learn's own."""


def _in_blocks(transformer: Any, X: NDArray[Any]) -> Any:
    assert unknown(transformer) is None
    return fitted(transformer, lambda: iter([X[:30], X[30:31], X[31:]]))


def _numbers(X: Any) -> NDArray[np.float64]:
    """As numbers, each word by its place in the alphabet."""
    cells = X.toarray() if issparse(X) else X
    return np.array([[ord(cell) if isinstance(cell, str) else cell for cell in row] for row in cells.tolist()], dtype=np.float64)


@pytest.mark.parametrize(
    ("transformer", "X"),
    [
        (StandardScaler(), NUMBERS),
        (StandardScaler(with_mean=False), NUMBERS),
        (MinMaxScaler(), NUMBERS),
        (MaxAbsScaler(), NUMBERS),
        (FunctionTransformer(np.log1p, feature_names_out="one-to-one"), abs(NUMBERS)),
        *((SimpleImputer(strategy=strategy), GAPS) for strategy in ("mean", "median", "most_frequent", "constant")),
        (SimpleImputer(add_indicator=True), GAPS),
        (SimpleImputer(strategy="median", add_indicator=True), GAPS),
        (SimpleImputer(strategy="most_frequent"), WORDS),
        *((SimpleImputer(keep_empty_features=keep), EMPTY) for keep in (False, True)),
        (OneHotEncoder(handle_unknown="ignore"), WORDS),
        (OneHotEncoder(drop="if_binary", sparse_output=False), WORDS),
        (OneHotEncoder(), abs(np.round(NUMBERS))),
        (OrdinalEncoder(encoded_missing_value=-1), WORDS),
        (make_pipeline(SimpleImputer(), StandardScaler(), MinMaxScaler()), GAPS),
        (
            make_column_transformer(
                (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), [0, 1, 2]), (OneHotEncoder(), [4, 3])
            ),
            MIXED,
        ),
        (make_column_transformer(("drop", [0, 1]), (OrdinalEncoder(), slice(3, 4)), remainder="passthrough"), MIXED),
        (make_column_transformer((MinMaxScaler(), lambda X: [1]), ("passthrough", [True, False, False])), NUMBERS),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_blocks_make_no_difference(transformer: Any, X: NDArray[Any]) -> None:
    """They learn the same attributes, make the same columns with the same names, and are of the same class and parameters."""
    whole, parts = clone(transformer).fit(X), _in_blocks(transformer, X)
    np.testing.assert_allclose(_numbers(parts.transform(X)), _numbers(whole.transform(X)), rtol=1e-12, atol=1e-12)
    assert whole.get_feature_names_out().tolist() == parts.get_feature_names_out().tolist()
    assert vars(whole).keys() == vars(parts).keys()
    assert type(whole) is type(parts)
    assert repr(transformer) == repr(parts)


def test_columns_are_as_scikit_learn_leaves_them() -> None:
    """What a ColumnTransformer keeps, and where its columns come out, is the same."""
    columns = make_column_transformer((StandardScaler(), [2]), (OneHotEncoder(), [3, 4]), ("drop", [1]), remainder="passthrough")
    whole, parts = clone(columns).fit(MIXED), _in_blocks(columns, MIXED)
    assert whole.output_indices_ == parts.output_indices_
    kept = [[(name, type(each), list(np.atleast_1d(place))) for name, each, place in fit.transformers_] for fit in (whole, parts)]
    assert kept[0] == kept[1]


def test_the_given_one_stays_unfitted() -> None:
    """What is fitted is a copy."""
    scaler = StandardScaler()
    _in_blocks(Pipeline([("scaler", scaler)]), NUMBERS)
    assert not hasattr(scaler, "mean_")


def test_scalers_want_an_imputer_before_them() -> None:
    """Where something is missing a scaler is refused, as what it makes of blocks is another; behind an imputer it is not."""
    with pytest.raises(ConfigurationError, match="cannot fit MinMaxScaler where values are missing: put an imputer before it"):
        _in_blocks(MinMaxScaler(), GAPS)
    _in_blocks(make_pipeline(SimpleImputer(), MinMaxScaler()), GAPS)


@pytest.mark.parametrize(
    ("transformer", "told"),
    [
        (PCA(), "PCA"),
        (Own(), "Own"),
        ("passthrough", "str"),
        (make_pipeline(StandardScaler(), TfidfVectorizer()), "TfidfVectorizer"),
        (make_column_transformer((StandardScaler(), [0]), (PCA(), [1])), "PCA"),
        (make_column_transformer((StandardScaler(), [0]), remainder=PCA()), "ColumnTransformer with a remainder that learns"),
        (OneHotEncoder(min_frequency=3), "OneHotEncoder with rare categories put together"),
        (OrdinalEncoder(max_categories=3), "OrdinalEncoder with rare categories put together"),
        (SimpleImputer(missing_values=-1), "SimpleImputer with missing values other than NaN"),
    ],
    ids=str,
)
def test_others_are_unknown(transformer: Any, told: str) -> None:
    """What cannot be fitted so is told by name."""
    assert told == unknown(transformer)
