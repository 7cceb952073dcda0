"""Files of an artefact -> a scorer that may serve. Nothing is unpickled before the signature, the digests and the skew are checked."""

from __future__ import annotations

import math
import pickle
import threading
import warnings
from typing import Any, Literal

import sklearn
import structlog
from pydantic import ValidationError
from sklearn.exceptions import InconsistentVersionWarning

from twotier.card import Card
from twotier.errors import GoldenMismatch, NotServable, SchemaMismatch, VersionSkew
from twotier.family import Family
from twotier.registry.artefact import CARD, MODEL
from twotier.registry.keys import TrustedKeys
from twotier.registry.manifest import Files, verify
from twotier.registry.records import Version
from twotier.scorer import Scorer

TOLERANCE = 1e-9

Skew = Literal["refuse", "warn"]

_log = structlog.get_logger()

_unpickling = threading.Lock()
"""Held while warnings are caught, which concerns the whole process."""


def load(family: Family, version: Version, files: Files, trusted: TrustedKeys, skew: Skew) -> Scorer:
    """Verify, check for skew, unpickle, check the schema, replay the golden rows. Raises NotServable and what is below it."""
    subject = f"{family.name} {version.name}"
    verify(family.name, version.name, files, trusted, version.manifest_sha256)
    try:
        card = Card.model_validate_json(files[CARD])
    except ValidationError as error:
        raise NotServable(f"{subject}: this twotier cannot read its {CARD} ({error.errors()[0]['msg']}): train again") from error
    _check_skew(subject, card.libraries.get("scikit-learn", "an unknown version"), skew)
    model = _unpickle(subject, files[MODEL], skew)
    if not hasattr(model, "classes_"):
        raise SchemaMismatch(f"{subject}: {MODEL} holds no fitted classifier but {type(model).__name__}: train again")
    scorer = Scorer(family, card, model)
    _replay(subject, scorer)
    return scorer


def _check_skew(subject: str, made_with: str, skew: Skew) -> None:
    if _minor(made_with) == _minor(sklearn.__version__):
        return
    detail = f"{subject}: {MODEL} was made with scikit-learn {made_with}, and this is {sklearn.__version__}"
    if skew == "refuse":
        raise VersionSkew(f"{detail}: train again, install that one, or set REGISTRY_SKEW=warn to take the risk")
    _log.warning("version_skew", detail=detail)


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _unpickle(subject: str, content: bytes, skew: Skew) -> Any:
    # Some part of a model may be older than its card says. scikit-learn tells by a warning, for another patch version too.
    with _unpickling, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = pickle.loads(content)
        except Exception as error:
            raise NotServable(f"{subject}: {MODEL} cannot be unpickled ({type(error).__name__}: {error}): train again") from error
    for warning in caught:
        if isinstance(warning.message, InconsistentVersionWarning):
            _check_skew(subject, warning.message.original_sklearn_version, skew)
        else:
            _log.warning("unpickling", subject=subject, detail=str(warning.message))
    return model


def _replay(subject: str, scorer: Scorer) -> None:
    golden = scorer.card.golden
    try:
        rows = [scorer.family.values(scorer.family.row.model_validate(each.row)) for each in golden]
    except ValidationError as error:
        raise SchemaMismatch(
            f"{subject}: the family now refuses a golden row of {CARD} ({error.errors()[0]['msg']}): train again, or undo the change"
        ) from error
    try:
        replayed = list(zip(golden, scorer.probabilities(rows), scorer.answers(rows), strict=True))
    except Exception as error:
        raise GoldenMismatch(f"{subject}: {MODEL} cannot score its golden rows ({type(error).__name__}: {error}): train again") from error
    for index, (each, probabilities, answer) in enumerate(replayed):
        if not _same(each.probabilities, probabilities):
            raise GoldenMismatch(
                f"{subject}: golden row {index} of {CARD} has probabilities {each.probabilities}, and {MODEL} now gives {probabilities}:"
                f" install the libraries that {CARD} names, or train again"
            )
        found = answer if isinstance(answer, Exception) else answer.model_dump(mode="json")
        if not _same(each.answer, found):
            raise GoldenMismatch(
                f"{subject}: golden row {index} of {CARD} was answered {each.answer} in training, and now {found!r}:"
                " undo the change to the family's decide(), or train again"
            )


def _same(expected: Any, found: Any) -> bool:
    """Equal, floats within the tolerance: another machine's arithmetic may differ in the last digit."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(_same(expected[key], found[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(_same, expected, found))
    if isinstance(expected, float) and isinstance(found, float):
        return math.isclose(expected, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(expected == found)
