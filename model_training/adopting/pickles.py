"""A file with a pickled model -> a classifier that can be adopted, or words that say why it cannot. Reading it runs its code."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
from sklearn.exceptions import InconsistentVersionWarning

from twotier.errors import ConfigurationError, VersionSkew


@dataclass(frozen=True, slots=True)
class Adoptee:
    """A fitted classifier with `predict_proba`, as it came."""

    model: Any
    sha256: str
    """Of the file that it came from."""

    notes: tuple[str, ...]
    """What should be known of it, in sentences without their full stops."""

    @property
    def features(self) -> list[str] | None:
        """The names of its features, in order, if it was fitted on a table with names."""
        names = getattr(self.model, "feature_names_in_", None)
        return None if names is None else [str(name) for name in names]


def read(path: Path, skew: str) -> Adoptee:
    """Unpickle a file made by pickle or joblib, which runs whatever code is in it, and look at what it is.

    `skew` says what to do if it was made with another scikit-learn minor version: `refuse` or `warn`.
    Raises ConfigurationError if it is nothing that can be adopted, and VersionSkew.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = joblib.load(io.BytesIO(content))
        except Exception as error:
            raise ConfigurationError(
                f"{path} cannot be unpickled ({type(error).__name__}: {error}): it must be made by pickle or joblib, and what it is made of"
                " must be importable here"
            ) from error
    notes = _skew(path, [each.message for each in caught], skew)
    _check(path, model)
    return Adoptee(model, hashlib.sha256(content).hexdigest(), notes)


def _skew(path: Path, told: list[Any], policy: str) -> tuple[str, ...]:
    """What is to be noted of the scikit-learn that made the pickle."""
    others = {each.original_sklearn_version for each in told if isinstance(each, InconsistentVersionWarning)}
    made_with = sorted(each for each in others if each.split(".")[:2] != sklearn.__version__.split(".")[:2])
    if not made_with:
        return ()
    detail = f"{path.name} was made with scikit-learn {', '.join(made_with)}, and this is {sklearn.__version__}"
    if policy == "refuse":
        raise VersionSkew(f"{detail}: make it again with this one, install that one, or set REGISTRY_SKEW=warn to take the risk")
    return (f"{detail}: the risk was taken (REGISTRY_SKEW=warn)",)


def _check(path: Path, model: Any) -> None:
    """Refuse what is no fitted classifier that says how sure it is of one label per row."""
    kind = f"{path} holds a {type(model).__name__}"
    if not hasattr(model, "predict"):
        raise ConfigurationError(f"{kind}, which is no model: pickle the fitted classifier or pipeline itself")
    if not hasattr(model, "predict_proba"):
        raise ConfigurationError(
            f"{kind}, which has no predict_proba, and answers are made of probabilities: fit it inside"
            " sklearn.calibration.CalibratedClassifierCV, which adds them, and adopt that (a regressor cannot be adopted)"
        )
    labels = getattr(model, "classes_", None)
    if labels is None:
        raise ConfigurationError(f"{kind}, which is not fitted: fit it, and pickle it then")
    if not isinstance(labels, np.ndarray) or labels.ndim != 1:
        raise ConfigurationError(f"{kind}, which answers several labels per row: adopt one classifier per label")
    if not isinstance(labels.tolist()[0], bool | int | float | str):
        raise ConfigurationError(f"{kind}, whose labels are {type(labels.tolist()[0]).__name__}: labels are numbers, text or truth values")
