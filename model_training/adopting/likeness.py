"""Whether what will serve answers as the pickle does."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_training.adopting.columns import Column
from model_training.adopting.pickles import Adoptee
from twotier.errors import ConfigurationError
from twotier.scorer import Scorer

TOLERANCE = 1e-9
"""How far apart probabilities may be that differ by rounding: the layout of a matrix decides in which order it is summed up."""


def asked(adoptee: Adoptee, columns: Sequence[Column], path: Path) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """What the pickle itself says of the sample, given what it was fitted on: its predict_proba, (rows, classes), and its predict, (rows,).

    Raises ConfigurationError.
    """
    table = _table(adoptee, columns)
    try:
        with warnings.catch_warnings():
            # Without pandas there are no names, and scikit-learn says so.
            warnings.simplefilter("ignore")
            told, labels = np.asarray(adoptee.model.predict_proba(table)), np.asarray(adoptee.model.predict(table))
    except Exception as error:
        hint = "" if adoptee.features is None or not isinstance(table, np.ndarray) else "; it was fitted on a table, so install pandas"
        raise ConfigurationError(
            f"{path} cannot answer the rows of the sample ({type(error).__name__}: {error}): are they what it was fitted on{hint}?"
        ) from error
    if told.shape != (len(columns[0].values), len(adoptee.model.classes_)) or not np.isfinite(told).all():
        raise ConfigurationError(f"{path} does not answer each row of the sample with one probability per label")
    return told, labels


def compared(scorer: Scorer, values: Sequence[Sequence[Any]], told: NDArray[np.float64]) -> str:
    """Say how near the version comes to what the pickle said. Raises ConfigurationError if that is not near enough."""
    cannot = "the pickle wants a table and cannot be made to answer a plain matrix, which is what serving has"
    try:
        ours = np.asarray(scorer.probabilities(values))
    except Exception as error:
        raise ConfigurationError(f"{cannot} ({type(error).__name__}: {error}): write a family file and train") from error
    if np.array_equal(ours, told):
        return f"it answers all {len(told)} rows of the sample as the pickle does, to the bit"
    if not np.allclose(ours, told, rtol=TOLERANCE, atol=TOLERANCE):
        row = int(np.abs(ours - told).max(axis=1).argmax())
        raise ConfigurationError(f"{cannot}: row {row + 1} of the sample has other probabilities then; write a family file and train")
    return f"it answers all {len(told)} rows of the sample as the pickle does, to within {np.abs(ours - told).max():.0e} of rounding"


def _table(adoptee: Adoptee, columns: Sequence[Column]) -> Any:
    """A table with names if the model was fitted on one and pandas is here, else a matrix; what is missing is NaN."""
    filled = {column.name: [math.nan if value is None else value for value in column.values] for column in columns}
    if adoptee.features is not None:
        try:
            return import_module("pandas").DataFrame(filled)
        except ImportError:
            pass
    numeric = all(column.kind in (int, float) for column in columns)
    return np.asarray(list(zip(*filled.values(), strict=True)), dtype=np.float64 if numeric else object)
