"""The split is stratified, the same every time, and refuses labels that are too rare to be judged."""

from __future__ import annotations

from collections import Counter

import pytest

from model_training.pipelines.read import Labelled, read
from model_training.pipelines.split import split
from tests.folders import DATA
from twotier.errors import ConfigurationError
from twotier.families import discover


def _data(**counts: int) -> Labelled:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return Labelled([[index / 10, 0.0] for index in range(len(labels))], labels)


def test_a_quarter_is_held_out_of_every_label() -> None:
    """A quarter of the rows is held out, and each label has its share of both parts."""
    train, test = split(_data(high=80, low=40))
    assert {"high": 60, "low": 30} == Counter(train.labels)
    assert {"high": 20, "low": 10} == Counter(test.labels)


def test_no_row_is_lost_or_in_both() -> None:
    """Every row is in exactly one part, beside its own label."""
    data = _data(high=30, low=20)
    train, test = split(data)
    pairs = [(row[0], label) for part in (train, test) for row, label in zip(part.rows, part.labels, strict=True)]
    assert sorted(pairs) == [(row[0], label) for row, label in zip(data.rows, data.labels, strict=True)]


def test_same_data_is_split_in_the_same_way() -> None:
    """Two splits of the same data are the same, and not the order of the source."""
    data = _data(high=30, low=20)
    assert split(data) == split(data)
    assert split(data)[0].rows != data.rows[:37]


def test_iris_is_split_as_the_reference_is() -> None:
    """The held-out flowers are those of scikit-learn's stratified split of the file in its own order with seed 42."""
    from sklearn.model_selection import train_test_split

    iris = discover()["iris"]
    data = read(iris, DATA)
    expected = train_test_split(data.rows, data.labels, test_size=0.25, stratify=data.labels, random_state=42)
    train, test = split(data)
    assert expected == [train.rows, test.rows, train.labels, test.labels]
    assert (112, 38) == (len(train.rows), len(test.rows))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"high": 20, "low": 1}, "the raw data cannot be split into train and test rows: The least populated class"),
        ({"high": 1}, "the raw data cannot be split into train and test rows"),
        ({"high": 100, "low": 2, "mid": 1}, "cannot be split"),
        ({"high": 198, "rare": 2}, "no row with label rare would be held out to judge by: give more of them"),
    ],
)
def test_rare_label_is_refused(counts: dict[str, int], message: str) -> None:
    """A label that would not be in both parts is an error that says so."""
    with pytest.raises(ConfigurationError, match=message):
        split(_data(**counts))
