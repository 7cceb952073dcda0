"""Will a loan go bad? Thirteen facts about an applicant and the loan in; the probability, and a decision on it, out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from twotier.card import Card
from twotier.datasets import csv_dataset
from twotier.family import Cutoff, Example, Family, Gate, Predict, Row, feature
from twotier.reasons import Explained

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

WORDS = ("Home", "Marital", "Records", "Job")


class CreditRow(Row):
    """One application. Amounts of money are in the data's own unit; what may be missing may be null or left out."""

    Seniority: float = feature("How long the applicant has had this job", unit="years", example=9, ge=0, le=100)
    Home: Literal["ignore", "other", "owner", "parents", "priv", "rent"] | None = feature("Housing", example="rent", default=None)
    Time: float = feature("How long the loan is to run", unit="months", example=60, gt=0, le=1000)
    Age: float = feature("The applicant's age", unit="years", example=30, ge=18, le=120)
    Marital: Literal["divorced", "married", "separated", "single", "widow"] | None = feature(
        "Marital status", example="married", default=None
    )
    Records: Literal["no", "yes"] = feature("Whether there are records of unpaid debts", example="no")
    Job: Literal["fixed", "freelance", "others", "partime"] | None = feature("Kind of job", example="freelance", default=None)
    Expenses: float = feature("Expenses", example=73, ge=0, le=1e9)
    Income: float | None = feature("Income", example=129, ge=0, le=1e9, default=None)
    Assets: float | None = feature("Assets", example=0, ge=0, le=1e9, default=None)
    Debt: float | None = feature("Debt", example=0, ge=0, le=1e9, default=None)
    Amount: float = feature("How much is asked for", example=800, ge=0, le=1e9)
    Price: float = feature("What the goods cost that it is for", example=846, ge=0, le=1e9)


class CreditAnswer(Explained):
    """Whether the loan is among those likeliest to go bad; the application as it was sent comes back beside it."""

    decision: Literal["bad", "good"]
    phat: float


def decide(probabilities: Sequence[float], card: Card) -> CreditAnswer:
    """Answer `bad` from the cut-off on."""
    phat = probabilities[card.classes.index("bad")]
    return CreditAnswer(decision="bad" if card.positive(phat) else "good", phat=phat)


def _places() -> tuple[list[int], list[int]]:
    """Where numbers and words stand in a row."""
    words = [FAMILY.features.index(name) for name in WORDS]
    return sorted(set(range(len(FAMILY.features))).difference(words)), words


def log_reg() -> Pipeline:
    """Logistic regression on logarithms; that a number is missing is told apart from its value, and so is a missing word."""
    import numpy as np
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    numbers, words = _places()
    logarithm = FunctionTransformer(np.log1p, feature_names_out="one-to-one")
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), logarithm, StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
    )
    return make_pipeline(columns, LogisticRegression())


def boosted_trees() -> Pipeline:
    """Many small trees, each grown on what those before it left unexplained; they take what is missing as it is."""
    import numpy as np
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    numbers, words = _places()
    columns = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), words), ("passthrough", numbers)
    )
    trees = HistGradientBoostingClassifier(
        categorical_features=[0, 1, 2, 3], learning_rate=0.05, max_iter=100, max_leaf_nodes=8, random_state=42
    )
    return make_pipeline(columns, trees)


def applicant(**facts: Any) -> dict[str, Any]:
    """An unremarkable application with some of its facts changed."""
    typical = {"Seniority": 5, "Home": "owner", "Time": 48, "Age": 36, "Marital": "married", "Records": "no", "Job": "fixed"}
    money = {"Expenses": 51, "Income": 125, "Assets": 3000, "Debt": 0, "Amount": 1000, "Price": 1400}
    return {**typical, **money, **facts}


def records_are_a_bad_sign(predict: Predict) -> bool:
    """Who has records is likelier to go bad than who has none, all else equal."""
    clean, recorded = (getattr(answer, "phat") for answer in predict([applicant(), applicant(Records="yes")]))
    return bool(recorded > clean)


def a_steady_job_is_a_good_sign(predict: Predict) -> bool:
    """Twenty years in the same job make a loan safer than none, all else equal."""
    new, old = (getattr(answer, "phat") for answer in predict([applicant(Seniority=0), applicant(Seniority=20)]))
    return bool(old < new)


FAMILY = Family(
    name="credit",
    summary="Whether a loan will go bad, by thirteen facts about it and its applicant",
    row=CreditRow,
    answer=CreditAnswer,
    estimators={"log_reg": log_reg, "boosted_trees": boosted_trees},
    dataset=csv_dataset(
        "raw/credit.csv",
        target="Status",
        columns={name: str if name in WORDS else float for name in CreditRow.model_fields} | {"Status": str},
    ),
    decide=decide,
    gate=Gate(
        metric="auc", floor=0.8, checks={check.__name__: check for check in (records_are_a_bad_sign, a_steady_job_is_a_good_sign)}
    ),
    examples=(
        Example(row=applicant(Seniority=20, Records="no"), answer={"decision": "good"}),
        Example(row=applicant(Seniority=0, Records="yes", Job="partime", Income=60), answer={"decision": "bad"}),
        Example(row=applicant(Seniority=25, Debt=None), answer={"decision": "good"}),
    ),
    cutoff=Cutoff(positive="bad", quantile=0.75),
    echo=True,
)
