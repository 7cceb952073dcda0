"""Rows to learn from, and rows held out to judge by."""

from __future__ import annotations

from sklearn.model_selection import train_test_split

from model_training.pipelines.read import Labelled
from twotier.errors import ConfigurationError

SEED = 42
TEST_SHARE = 0.25


def split(data: Labelled) -> tuple[Labelled, Labelled]:
    """Split into train and test; every label keeps its share of both. The same data is always split in the same way.

    Raises ConfigurationError if a label is too rare to be in both.
    """
    try:
        train, test = train_test_split(range(len(data.rows)), test_size=TEST_SHARE, stratify=data.labels, random_state=SEED)
    except ValueError as error:
        raise ConfigurationError(f"the raw data cannot be split into train and test rows: {error}") from None
    train, test = _take(data, train), _take(data, test)
    if rare := {str(label) for label in data.labels} - {str(label) for label in test.labels}:
        raise ConfigurationError(f"no row with label {', '.join(sorted(rare))} would be held out to judge by: give more of them")
    return train, test


def _take(data: Labelled, chosen: list[int]) -> Labelled:
    return Labelled([data.rows[index] for index in chosen], [data.labels[index] for index in chosen])
