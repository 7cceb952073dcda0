"""Models that knew their columns by name know them by position, and compute the same."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC

from model_training.adopting.positions import by_position, known_categories, parts

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "age": RNG.integers(18, 80, 120),
        "plan type": RNG.choice(np.array(["a", "b", None], dtype=object), 120),
        "bill": np.where(RNG.random(120) < 0.2, np.nan, RNG.normal(50, 10, 120)),
        "note": RNG.choice(["good stuff", "bad stuff", "so so"], 120),
    }
)
LABELS = np.where(RNG.normal(45, 10, 120) < TABLE.age, "yes", "no")
NAMES = list(TABLE)
MATRIX = TABLE.astype(object).where(TABLE.notna(), np.nan).to_numpy()


def _columns(**options: Any) -> ColumnTransformer:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    text = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    return ColumnTransformer([("n", numbers, ["age", "bill"]), ("t", text, ["plan type"]), ("w", CountVectorizer(), "note")], **options)


MODELS = {
    "columns": make_pipeline(_columns(), LogisticRegression()),
    "remainder": make_pipeline(ColumnTransformer([("d", "drop", ["plan type", "note"])], remainder=SimpleImputer()), LogisticRegression()),
    "selector": make_pipeline(
        ColumnTransformer([("n", SimpleImputer(), make_column_selector(dtype_include="number"))]), RandomForestClassifier(5, random_state=0)
    ),
    "tables within": make_pipeline(
        ColumnTransformer([("n", SimpleImputer(), ["age", "bill"])], verbose_feature_names_out=False),
        ColumnTransformer([("s", StandardScaler(), ["bill"])], remainder="passthrough"),
        GradientBoostingClassifier(n_estimators=3, random_state=0),
    ).set_output(transform="pandas"),
    "union": make_pipeline(
        FeatureUnion([("a", ColumnTransformer([("x", "passthrough", ["age"])])), ("b", ColumnTransformer([("c", OneHotEncoder(), [1])]))]),
        LogisticRegression(),
    ),
    "search": GridSearchCV(make_pipeline(_columns(), LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=3),
    "calibrated": CalibratedClassifierCV(make_pipeline(_columns(), LinearSVC()), cv=3),
}


@pytest.mark.parametrize("name", MODELS)
def test_same_answers_from_a_matrix(name: str) -> None:
    """The copy answers the bare matrix, without a warning, exactly as the model answers the table; the model itself is not touched."""
    model = MODELS[name].fit(TABLE, LABELS)
    said = model.predict_proba(TABLE)
    placed = by_position(model, NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(said, placed.predict_proba(MATRIX))
    assert np.array_equal(said, model.predict_proba(TABLE))


@pytest.mark.parametrize("name", MODELS)
def test_it_can_be_fitted_anew_on_a_matrix(name: str) -> None:
    """Its parameters are by position too, as far as they are not callables of a table."""
    placed = by_position(MODELS[name].fit(TABLE, LABELS), NAMES)
    assert 120 == len(placed.fit(MATRIX, LABELS).predict_proba(MATRIX))


def test_selector_that_has_seen_no_table_stays() -> None:
    """Inside a search it is not known what a callable would select: it is left as it is, and so are names that are not the table's."""
    selector = make_column_selector(dtype_include="number")
    inner = ColumnTransformer([("n", SimpleImputer(), selector), ("o", "drop", ["unheard of"])])
    placed = by_position(GridSearchCV(inner, {}), NAMES)
    assert [type(selector), list] == [type(columns) for _, _, columns in placed.estimator.transformers]


def test_categories_that_the_model_knows() -> None:
    """What encoders of the table's own columns have learnt is told by column; without such encoders, nothing."""
    assert {"plan type": {"a", "b"}} == known_categories(MODELS["columns"].fit(TABLE, LABELS), NAMES)
    alone = ColumnTransformer([("o", OrdinalEncoder(), ["plan type"])]).fit(TABLE)
    assert {"plan type": {"a", "b"}} == known_categories(alone, NAMES)
    assert {} == known_categories(LogisticRegression(), NAMES)


def test_each_part_once() -> None:
    """An estimator that is there twice comes once, wherever it is."""
    scaler = StandardScaler()
    assert 1 == [*parts(make_pipeline(scaler, scaler))].count(scaler)
