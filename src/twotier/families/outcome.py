"""Will the customer buy? A hundred columns in, among them money, percent and words; a probability, and a decision on it, out.

There are no public data with these columns, so the training rows are synthetic: generated from a seed, spread and written as such a table
has them, and labelled by an effect of our own making. What is learnt from them is true of nobody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import create_model

from twotier.card import Card
from twotier.cells import Money, Number, Percent, choice
from twotier.family import Batch, Cutoff, Dataset, Example, Family, Gate, Predict, Row, feature
from twotier.reasons import Explained

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

SEED, ROWS, ROWS_PER_BATCH = 26, 40_000, 10_000
TARGET = "bought"

MISSING = 0.02
"""Share of the plain numbers, and of the regions, that are missing."""

# How plain numbers are spread: by a normal distribution (mean, standard deviation) or evenly (least, most).
NORMAL: dict[tuple[float, float], tuple[int, ...]] = {
    (0, 1): (0, 3, 4, *range(45, 53), *range(55, 63), *range(83, 91)),
    (0, 3): (1,),
    (5, 1): (2, 30, 80),
    (-1, 1): (11, 29, 39, 79),
    (-20, 1): (18, 68),
    (0, 2.85): (21, 71),
    (0.5, 2.55): (15, 65),
    (-100, 10): (24, 74, 94),
    (0, 1000): (40, 41, 42, 43),
    (0, 100): (99,),
    (-1.6, 0.4): (34,),
    (0.95, 0.55): (35,),
    (-0.5, 1.45): (36,),
    (0.4, 0.3): (53,),
    (0, 0.6): (54,),
    (0.25, 0.3): (91,),
}
EVEN: dict[tuple[float, float], tuple[int, ...]] = {
    (0, 1): (6, 9, 13, 16, 19, 22, 27, 32, 44, 66, 69, 72, 77, 92, 97),
    (0, 100): (7,),
    (0, 50): (14, 64),
    (0, 5): (8, 26, 76),
    (14, 15): (10, 17, 28, 67, 78),
    (3, 4): (23, 37, 73, 93),
    (2, 3): (33,),
    (0, 1.5): (25, 75, 95),
    (0, 0.25): (20, 70),
    (0, 3): (96,),
    (-33, -32): (98,),
    (-2, -1): (38,),
}

# What the synthetic labels follow: the weight of a number less its centre, and what each word adds.
WEIGHTS = {
    "x12": (0.9e-4, 0),
    "x44": (-1.2, 0.5),
    "x53": (1.5, 0.4),
    "x56": (0.5, 0),
    "x58": (-0.5, 0),
    "x62": (0.6, 0),
    "x91": (1.4, 0.25),
}
WORDS: dict[str, dict[str, float]] = {
    "x5": {"monday": -0.4, "tuesday": -0.2, "wednesday": 0, "thursday": 0.1, "friday": 0.3, "saturday": 0.3, "sunday": -0.1},
    "x31": {"america": 0.2, "asia": -0.2, "germany": 0.1, "japan": -0.1},
    "x81": {
        **{"January": -0.3, "February": -0.2, "March": -0.1, "April": 0, "May": 0.1, "June": 0.2},
        **{"July": 0.1, "August": 0, "September": -0.1, "October": 0, "November": 0.2, "December": 0.4},
    },
    "x82": {"Female": 0, "Male": 0},
}


def _fields() -> dict[str, Any]:
    """Fields of the row. All may be left out; a word that is on no list is refused, since training knows nothing of it."""
    told: dict[str, tuple[Any, str, Any]] = {
        "x12": (Money, "A sum of money, negative in parentheses", "($1,234.56)"),
        "x63": (Percent, "A percentage", "12.5%"),
    }
    told |= {name: (choice(words), "A word", next(iter(words))) for name, words in WORDS.items()}
    for (mean, _), columns in NORMAL.items():
        told |= {f"x{column}": (Number, f"A number, spread about {mean:g}", mean) for column in columns}
    for (least, most), columns in EVEN.items():
        told |= {f"x{column}": (Number, f"A number, from {least:g} to {most:g} in training", least) for column in columns}
    named = ((f"x{column}", *told[f"x{column}"]) for column in range(len(told)))
    return {name: (kind, feature(words, example=example, default=None)) for name, kind, words, example in named}


OutcomeRow = create_model("OutcomeRow", __base__=Row, __module__=__name__, __doc__="One customer.", **_fields())


class OutcomeAnswer(Explained):
    """Whether the customer is among those who are likeliest to buy; all that was sent of the row comes back beside it."""

    business_outcome: Literal[0, 1]
    phat: float


def decide(probabilities: Sequence[float], card: Card) -> OutcomeAnswer:
    """Answer 1 from the cut-off on."""
    phat = probabilities[card.classes.index("1")]
    return OutcomeAnswer(business_outcome=1 if card.positive(phat) else 0, phat=phat)


def log_reg() -> Pipeline:
    """Logistic regression on standardised numbers, the mean in place of missing ones, and a column for each word."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    words = [FAMILY.features.index(name) for name in WORDS]
    numbers = sorted(set(range(len(FAMILY.features))).difference(words))
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        # A word that is missing adds nothing, unless it was missing in training too.
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
    )
    return make_pipeline(columns, LogisticRegression())


def generate(seed: int, rows: int = ROWS) -> Iterator[Batch]:
    """Synthetic rows and whether they buy, in batches; the same seed gives the same ones."""
    import numpy as np

    # This generator's numbers, unlike those of newer ones, are promised to stay the same for ever.
    random = np.random.RandomState(seed)
    for done in range(0, rows, ROWS_PER_BATCH):
        size = min(ROWS_PER_BATCH, rows - done)
        drawn = {f"x{column}": random.normal(*spread, size) for spread, columns in NORMAL.items() for column in columns}
        drawn |= {f"x{column}": random.uniform(*spread, size) for spread, columns in EVEN.items() for column in columns}
        cells = {name: np.round(values, 6).astype(object) for name, values in drawn.items()}
        drawn["x12"], drawn["x63"] = random.uniform(-10_000, 10_000, size), random.uniform(0, 100, size)
        logit = np.sum([weight * (drawn[name] - centre) for name, (weight, centre) in WEIGHTS.items()], axis=0)
        for name, words in WORDS.items():
            picked = random.randint(len(words), size=size)
            cells[name] = np.array(list(words), dtype=object)[picked]
            logit += np.array(list(words.values()))[picked]
        for name in cells:
            if name not in ("x5", "x81", "x82"):
                cells[name][random.uniform(size=size) < MISSING] = None
        yield {
            **{name: values.tolist() for name, values in cells.items()},
            "x12": [f"${value:,.2f} " if value >= 0 else f"(${-value:,.2f})" for value in drawn["x12"].tolist()],
            "x63": [f"{value:.2f}%" for value in drawn["x63"].tolist()],
            TARGET: (random.uniform(size=size) < 1 / (1 + np.exp(-logit))).astype(int).tolist(),
        }


def fingerprint(data: Path) -> str:
    """SHA-256 of how many rows there are and of the first of them: all others come from the same seed and the same code."""
    return hashlib.sha256(json.dumps([ROWS, *generate(SEED, 1_000)]).encode()).hexdigest()


def more_money_is_never_less_likely(predict: Predict) -> bool:
    """Money, however it is written, never makes a purchase less likely."""
    answers = predict([{"x12": money} for money in ("($9,000.00)", "-4500", "$0.00", 4500, "$9,000.00 ")])
    shares = [getattr(answer, "phat") for answer in answers]
    return shares == sorted(shares)


def missing_is_missing(predict: Predict) -> bool:
    """Null, nothing between quotes and a key that is left out are all the same."""
    answers = predict([{}, dict.fromkeys(FAMILY.features), dict.fromkeys(FAMILY.features, "")])
    return answers[0] == answers[1] == answers[2]


FAMILY = Family(
    name="outcome",
    summary="Whether a customer will buy, by a hundred columns as spreadsheets write them",
    row=OutcomeRow,
    answer=OutcomeAnswer,
    estimators={"log_reg": log_reg},
    dataset=Dataset(
        source=f"generated with seed {SEED}", target=TARGET, batches=lambda data: generate(SEED), fingerprint=fingerprint
    ),
    decide=decide,
    gate=Gate(
        metric="auc",
        floor=0.75,
        checks={check.__name__: check for check in (more_money_is_never_less_likely, missing_is_missing)},
    ),
    examples=(
        Example(
            row={"x5": "monday", "x12": "($5,032.58)", "x44": 0.9, "x53": "0.1", "x62": -1.5, "x63": "12.5%", "x81": "January"},
            answer={"business_outcome": 0},
        ),
        Example(
            row={"x5": "friday", "x12": "$6,882.34 ", "x31": "america", "x44": 0.1, "x53": "0.8", "x62": 1.5, "x81": "December"},
            answer={"business_outcome": 1},
        ),
    ),
    cutoff=Cutoff(positive="1", quantile=0.75),
    echo=True,
)
