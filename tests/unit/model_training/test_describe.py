"""What a card tells beside metrics: the training rows' spread, a sample of them, golden rows, and the code that made it."""

from __future__ import annotations

import csv
import hashlib
import inspect
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_training import gate
from model_training.pipelines import describe
from model_training.pipelines.read import Labelled
from tests import examples
from tests.examples import CoinRow, card, family
from twotier.card import Spread
from twotier.errors import ConfigurationError
from twotier.family import Example, feature
from twotier.scorer import Scorer


class Even:
    """A model that finds both labels equally likely."""

    classes_ = np.array(["high", "low"])

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """(rows, 2) -> (rows, 2)."""
        return np.full((len(X), 2), 0.5)


class Mixed(CoinRow):
    """Fields of every kind."""

    word: str = feature("A word", example="yes")
    gap: float | None = feature("May be absent", example=1.0, default=None)
    flag: bool = feature("Yes or no", example=True)


MIXED = Labelled(
    [[1.0, 0.1, "x", None, True], [-3.0, 0.2, "y,z", 7.0, False]],
    ["high", "low"],
)


def _data(count: int) -> Labelled:
    return Labelled([[index / 100, 1.0] for index in range(count)], ["low"] * count)


def test_ranges_are_of_numbers() -> None:
    """Numeric features have a spread, for which missing values do not count; words and truth values have none."""
    assert {
        "a": Spread(minimum=-3, maximum=1, mean=-1),
        "b": Spread(minimum=0.1, maximum=0.2, mean=0.15000000000000002),
        "gap": Spread(minimum=7, maximum=7, mean=7),
    } == describe.ranges(family(row=Mixed), MIXED)


def test_feature_that_is_always_missing_has_no_range() -> None:
    """Nothing is told about the spread of what is never there."""
    assert "gap" not in describe.ranges(family(row=Mixed), Labelled(MIXED.rows[:1], ["high"]))


def test_reference_is_csv_in_feature_order() -> None:
    """The sample has a header and one line per row; what is missing is empty."""
    text = describe.reference(family(row=Mixed), MIXED)
    assert [["a", "b", "word", "gap", "flag"], ["1.0", "0.1", "x", "", "True"], ["-3.0", "0.2", "y,z", "7.0", "False"]] == list(
        csv.reader(text.splitlines())
    )


@pytest.mark.parametrize(("rows", "sampled"), [(999, 999), (1000, 1000), (1001, 1000)])
def test_reference_is_bounded(rows: int, sampled: int) -> None:
    """The sample has at most 1,000 rows, and all of them where there are fewer."""
    assert 1 + sampled == len(describe.reference(family(), _data(rows)).splitlines())


def test_golden_rows_are_examples_and_held_out_rows() -> None:
    """The family's examples come first, as callers send them, then a few held-out rows, each with probabilities and the whole answer."""
    golden = describe.golden(Scorer(family(), card(), Even()), _data(9))
    assert [{"a": 4.0, "b": 4.0}, {"a": -4.0, "b": -4.0}, *({"a": index / 100, "b": 1.0} for index in range(4))] == [
        each.row for each in golden
    ]
    assert [[0.5, 0.5]] * 6 == [each.probabilities for each in golden]
    assert [{"label": "high", "share": 0.5}] * 6 == [each.answer for each in golden]


def test_example_must_be_a_row() -> None:
    """An example that breaks the family's own schema stops training, and is named by its number."""
    good = family().examples[0]
    coin = family(examples=(good, Example(row={"a": 1.0}, answer={})))
    with pytest.raises(ConfigurationError, match="example 2 of family coin, column b: Field required"):
        describe.golden(Scorer(coin, card(), Even()), _data(1))


def test_golden_row_must_have_an_answer() -> None:
    """A row that the family cannot decide stops training with the family's own error."""

    def undecided(probabilities: Any, card: Any) -> Any:
        raise ArithmeticError("both sides")

    with pytest.raises(ArithmeticError, match="both sides"):
        describe.golden(Scorer(family(decide=undecided), card(), Even()), _data(1))


def test_sources_are_fingerprints_of_the_code() -> None:
    """The family's file and every module of training are told by SHA-256."""
    sources = describe.sources(family())
    for name, module in {"families/examples.py": examples, "model_training/gate.py": gate}.items():
        with open(inspect.getfile(module), "rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == sources[name]
    assert "model_training/pipelines/describe.py" in sources
