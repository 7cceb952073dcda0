"""The fast way of predicting gives scikit-learn's probabilities, or is not taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, OneHotEncoder, PolynomialFeatures, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.examples import card, family
from twotier.linear import TOLERANCE, fast
from twotier.scorer import Scorer

pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.{ConvergenceWarning.__name__}")

TRANSFORMERS: list[Callable[[], Any]] = [
    StandardScaler,
    lambda: StandardScaler(with_mean=False),
    lambda: StandardScaler(with_std=False),
    MinMaxScaler,
    lambda: MinMaxScaler((-2, 3), clip=True),
    MaxAbsScaler,
    lambda: MaxAbsScaler(clip=True),
    RobustScaler,
    lambda: RobustScaler(with_centering=False),
    lambda: RobustScaler(with_scaling=False),
    lambda: SimpleImputer(strategy="median"),
    lambda: SimpleImputer(strategy="constant", fill_value=-7.0),
]


def _data(seed: int, features: int = 3, classes: int = 2, magnitudes: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """60 rows of features that differ in size and place by that many powers of ten, and the class of each row."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(60, features)) + random.normal(scale=3, size=features)
    y = np.concatenate([np.arange(classes), (X[classes:, 0] * 10).astype(np.int64) % classes])
    return X * 10.0 ** random.integers(-magnitudes, magnitudes, size=features, endpoint=True), y


def _fitted(model: Any, **shape: int) -> tuple[Any, NDArray[np.float64]]:
    X, y = _data(1, **shape)
    return model.fit(X, y), X


@given(data=st.data())
def test_any_qualified_model_predicts_as_scikit_learn_does(data: st.DataObject) -> None:
    """Whatever the shape, the sizes of the numbers, the classes and the transformers: no probability is off by more than 1e-12."""
    features, classes = data.draw(st.integers(1, 9)), data.draw(st.integers(2, 5))
    transformers = [make() for make in data.draw(st.lists(st.sampled_from(TRANSFORMERS), max_size=3))]
    last = LogisticRegression(C=10.0 ** data.draw(st.integers(-3, 6)), max_iter=20, fit_intercept=data.draw(st.booleans()))
    model = make_pipeline(*transformers, last) if transformers else last
    X, y = _data(data.draw(st.integers(0, 1000)), features, classes, data.draw(st.integers(0, 6)))
    model.fit(X, y)

    predict = fast(model, X)
    assert predict is not None
    values = st.floats(allow_nan=any(isinstance(each, SimpleImputer) for each in transformers), allow_infinity=False)
    strange = data.draw(st.lists(st.lists(values, min_size=features, max_size=features), min_size=1, max_size=20))
    # Numbers near the largest overflow on both ways.
    with np.errstate(all="ignore"), config_context(assume_finite=True):
        for rows in (X, X[:1], np.array(strange)):
            before = rows.copy()
            np.testing.assert_allclose(predict(rows), model.predict_proba(rows), rtol=0, atol=TOLERANCE)
            np.testing.assert_array_equal(before, rows)


@pytest.mark.parametrize("make", TRANSFORMERS)
def test_each_transformer_does_what_scikit_learns_does(make: Callable[[], Any]) -> None:
    """Each of them, whatever the test above happens to draw; and outside of the rows that it was fitted to."""
    model, X = _fitted(make_pipeline(make(), LogisticRegression()))
    predict = fast(model, X)
    assert predict is not None
    for rows in (X, X * 3):
        np.testing.assert_allclose(predict(rows), model.predict_proba(rows), rtol=0, atol=TOLERANCE)


def test_gaps_are_filled_as_scikit_learn_fills_them() -> None:
    """An imputer puts what it learnt in the place of each missing value."""
    X, y = _data(2)
    X[::7, 1] = np.nan
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(X, y)
    predict = fast(model, X)
    assert predict is not None
    np.testing.assert_allclose(predict(X), model.predict_proba(X), rtol=0, atol=TOLERANCE)
    assert np.isfinite(predict(X)).all()


@pytest.mark.parametrize("far", [1e6, 1e9, 1e12])
def test_a_mean_that_is_large_beside_its_spread_costs_no_digits(far: float) -> None:
    """Far from zero, a model whose scales were multiplied into its coefficients would be off by more than is allowed."""
    X, y = _data(3)
    X += far
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e3)).fit(X, y)
    predict = fast(model, X)
    assert predict is not None
    np.testing.assert_allclose(predict(X), model.predict_proba(X), rtol=0, atol=TOLERANCE)
    scaler, last = (step for _, step in model.steps)
    folded = last.coef_ / scaler.scale_
    decisions = X @ folded.T + last.intercept_ - folded @ scaler.mean_
    assert np.abs(1 / (1 + np.exp(-decisions[:, 0])) - model.predict_proba(X)[:, 1]).max() > TOLERANCE


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_order_in_memory_does_not_matter(order: Any) -> None:
    """Rows by columns or columns by rows: the answers are the same."""
    model, X = _fitted(make_pipeline(MinMaxScaler(), LogisticRegression()), classes=3)
    predict = fast(model, X)
    assert predict is not None
    np.testing.assert_allclose(predict(np.asarray(X, order=order)), model.predict_proba(X), rtol=0, atol=TOLERANCE)


class Renamed(LogisticRegression):  # type: ignore[misc]
    """A kind of its own that predicts as what it inherits from."""


class Cautious(LogisticRegression):  # type: ignore[misc]
    """Predicts otherwise."""

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows, features) -> (rows, classes)."""
        probabilities: NDArray[np.float64] = (super().predict_proba(X) + 0.5) / 2
        return probabilities


class Shifted(LogisticRegression):  # type: ignore[misc]
    """Decides otherwise, and so predicts otherwise."""

    def decision_function(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows, features) -> (rows,)."""
        decisions: NDArray[np.float64] = super().decision_function(X) + 1
        return decisions


class Doubling(StandardScaler):  # type: ignore[misc]
    """Scales otherwise."""

    def transform(self, X: NDArray[np.float64], copy: bool | None = None) -> NDArray[np.float64]:
        """(rows, features) -> the same."""
        scaled: NDArray[np.float64] = 2 * super().transform(X, copy)
        return scaled


class OwnPipeline(Pipeline):  # type: ignore[misc]
    """A pipeline that may do anything."""


def test_a_class_that_inherits_its_predictions_qualifies() -> None:
    """It is how a model predicts that counts, not what its class is called."""
    model, X = _fitted(Renamed())
    predict = fast(model, X)
    assert predict is not None
    np.testing.assert_allclose(predict(X), model.predict_proba(X), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    "model",
    [
        Cautious(),
        Shifted(),
        DecisionTreeClassifier(),
        RidgeClassifier(),
        make_pipeline(Doubling(), LogisticRegression()),
        make_pipeline(PolynomialFeatures(), LogisticRegression()),
        make_pipeline(StandardScaler(), DecisionTreeClassifier()),
        make_pipeline(SimpleImputer(missing_values=-1), LogisticRegression()),
        make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression()),
        OwnPipeline([("scaler", StandardScaler()), ("model", LogisticRegression())]),
        make_pipeline(ColumnTransformer([("all", Doubling(), [0, 1, 2])]), LogisticRegression()),
    ],
    ids=str,
)
def test_any_other_model_does_not_qualify(model: Any) -> None:
    """What may do anything else than the arithmetic that is known here is left to scikit-learn."""
    assert fast(*_fitted(model)) is None


WORDS = ["red", "green", "blue", math.nan]


def _mixed(seed: int, words: Sequence[Any] = WORDS) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """60 rows of two numbers, of which some are missing, between two words."""
    random = np.random.default_rng(seed)
    X = np.empty((60, 4), dtype=object)
    X[:, [1, 2]] = np.where(random.random((60, 2)) < 0.1, math.nan, random.normal(size=(60, 2)))
    X[:, [0, 3]] = np.array(words, dtype=object)[random.integers(len(words), size=(60, 2))]
    return X, random.integers(2, size=60)


def _by_column(encoder: OneHotEncoder, **more: Any) -> Pipeline:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return make_pipeline(ColumnTransformer([("numbers", numbers, [1, 2]), ("words", encoder, [0, 3])], **more), LogisticRegression())


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("places", [[0, 3], slice(0, 4, 3), [True, False, False, True]], ids=str)
def test_columns_of_several_kinds(sparse: bool, places: Any) -> None:
    """Numbers and words, each transformed in its own way; words that training has not seen add nothing, and missing is a word."""
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=sparse)
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer([("words", encoder, places), ("none", StandardScaler(), []), ("numbers", numbers, [1, 2])])
    model = make_pipeline(columns, LogisticRegression())
    X, y = _mixed(6)
    predict = fast(model.fit(X, y), X)
    assert predict is not None
    fresh, _ = _mixed(7, [*WORDS, "unheard of", ""])
    for rows in (X, fresh, fresh[:1]):
        before = rows.copy()
        np.testing.assert_allclose(predict(rows), model.predict_proba(rows), rtol=0, atol=TOLERANCE)
        assert all(a is b or a == b for a, b in zip(before.ravel(), rows.ravel(), strict=True))


@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10),
        OneHotEncoder(handle_unknown="ignore", drop="first"),
        OneHotEncoder(handle_unknown="ignore", max_categories=2),
    ],
    ids=str,
)
def test_encoders_that_do_more_do_not_qualify(encoder: OneHotEncoder) -> None:
    """They may refuse a word, or throw rare ones together."""
    X, y = _mixed(8)
    assert fast(_by_column(encoder).fit(X, y), X) is None


def test_missing_in_two_ways_does_not_qualify() -> None:
    """For scikit-learn None is one word and NaN another; rows here know only one way to be missing."""
    X, y = _mixed(8, ["red", None, math.nan])
    assert fast(_by_column(OneHotEncoder(handle_unknown="ignore")).fit(X, y), X) is None


@pytest.mark.parametrize("more", [{"remainder": "passthrough"}, {"transformer_weights": {"numbers": 2.0}}], ids=str)
def test_columns_that_are_treated_otherwise_do_not_qualify(more: dict[str, Any]) -> None:
    """What is done to them is scikit-learn's to do."""
    X, y = _mixed(8)
    X = np.column_stack([X, np.arange(60.0)])
    assert fast(_by_column(OneHotEncoder(handle_unknown="ignore"), **more).fit(X, y), X) is None


def test_columns_that_are_left_out() -> None:
    """By default, what no transformer is given is dropped."""
    X, y = _mixed(9)
    X = np.column_stack([X, ["anything"] * 60])
    model = _by_column(OneHotEncoder(handle_unknown="ignore")).fit(X, y)
    predict = fast(model, X)
    assert predict is not None
    np.testing.assert_allclose(predict(X), model.predict_proba(X), rtol=0, atol=TOLERANCE)


def test_a_pipeline_within_a_pipeline_qualifies() -> None:
    """However deep."""
    model, X = _fitted(make_pipeline(make_pipeline(make_pipeline(StandardScaler()), MinMaxScaler()), LogisticRegression()))
    predict = fast(model, X)
    assert predict is not None
    np.testing.assert_allclose(predict(X), model.predict_proba(X), rtol=0, atol=TOLERANCE)


def test_a_column_of_which_nothing_is_known_does_not_qualify() -> None:
    """An imputer leaves out a column that had no value in training."""
    X, y = _data(4)
    X[:, 2] = np.nan
    with pytest.warns(UserWarning, match="Skipping features"):
        model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(X, y)
        assert fast(model, X) is None


def test_a_model_that_does_not_predict_what_its_parts_say_does_not_qualify() -> None:
    """The answers to the probe are compared: a function put upon one instance is seen."""
    model, X = _fitted(LogisticRegression())
    honest = model.predict_proba
    model.predict_proba = lambda rows: honest(rows) + 2 * TOLERANCE
    assert fast(model, X) is None


def test_a_scorer_takes_the_fast_way() -> None:
    """Once loaded, a model that qualifies is not asked any more, and one that does not is."""
    X, y = _data(5, features=2)
    labels = np.array(["high", "low"])[y]
    rows = X.tolist()

    def refuse(rows: Any) -> Any:
        raise ArithmeticError("asked")

    for model, asked in ((LogisticRegression(), False), (DecisionTreeClassifier(), True)):
        expected = model.fit(X, labels).predict_proba(X)
        scorer = Scorer(family(), card(), model)
        np.testing.assert_allclose(scorer.probabilities(rows), expected, rtol=0, atol=TOLERANCE)
        model.predict_proba = refuse
        assert asked == all(isinstance(answer, ArithmeticError) for answer in scorer.answers(rows))
