"""From files to a scorer: nothing is unpickled before it is verified."""

from __future__ import annotations

import json
import pickle
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from pydantic import Field
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LogisticRegression
from structlog.testing import capture_logs

from tests.unit.registry.kit import IRIS, ROWS, draft, fitted, opened, publish
from twotier.card import Golden
from twotier.errors import DigestMismatch, GoldenMismatch, NotServable, SchemaMismatch, SignatureInvalid, VersionSkew
from twotier.family import Family, Row
from twotier.registry import Registry
from twotier.registry.keys import signing_key, trusted_keys
from twotier.registry.loading import Skew, load
from twotier.registry.manifest import fingerprint, sign
from twotier.scorer import Scorer

MINOR = ".".join(sklearn.__version__.split(".")[:2])


class Runs:
    """A pickle that runs a command."""

    def __init__(self, *command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[..., int], tuple[tuple[str, ...]]]:
        return subprocess.call, (self.command,)


class Aged(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """A model that says, as it is unpickled, that another scikit-learn made it."""

    made_with = "1.2.3"

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        old = {"current_sklearn_version": sklearn.__version__, "original_sklearn_version": self.made_with}
        warnings.warn(InconsistentVersionWarning(estimator_name="LogisticRegression", **old), stacklevel=1)


class Patched(Aged):
    """One that differs in the patch version alone."""

    made_with = f"{MINOR}.999"


class Noisy(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """A model whose unpickling warns of something else."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        warnings.warn("an old habit", DeprecationWarning, stacklevel=1)


class Short(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """A model that forgets a row."""

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(X)[1:]


def put(registry: Registry, model: object, **changes: Any) -> str:
    """Publish whatever, properly signed, and give its name."""
    return registry.publish(IRIS, "log_reg", model, draft(**changes)).name


def like_fitted(kind: type[LogisticRegression]) -> LogisticRegression:
    """The fitted model as one of that class."""
    made = kind()
    made.__dict__.update(fitted().__dict__)
    return made


def load_changed(registry: Registry, data: Path, name: str, *, skew: Skew = "refuse", **changes: Any) -> Scorer:
    """Load a version as if its card had said that from the start: it is signed again with the same key."""
    folder, trusted = data / "models" / "iris" / name, data / "keys" / "trusted"
    files = {each: (folder / each).read_bytes() for each in ("model.pkl", "card.json")}
    files["card.json"] = json.dumps({**json.loads(files["card.json"]), **changes}).encode()
    version = registry.version("iris", name)
    files |= sign("iris", name, version.created_at, files, signing_key(data / "keys" / "signing_key.pem", trusted))
    return load(IRIS, replace(version, manifest_sha256=fingerprint(files)), files, trusted_keys(trusted), skew)


def test_loads(registry: Registry) -> None:
    """A version as published answers as its model did."""
    scorer = registry.load("iris", publish(registry).name)
    assert isinstance(scorer, Scorer)
    assert fitted().predict_proba(np.array(ROWS)).tolist() == scorer.probabilities(ROWS)


def test_tampered_pickle_does_not_run(registry: Registry, data: Path, tmp_path: Path) -> None:
    """A pickle that was exchanged for one that runs a command is refused, and the command has not run."""
    name = publish(registry).name
    model = data / "models" / "iris" / name / "model.pkl"
    model.write_bytes(pickle.dumps(Runs("touch", str(tmp_path / "ran"))))
    with pytest.raises(DigestMismatch, match="iris log_reg_1: model.pkl is not what was signed"):
        registry.load("iris", name)
    assert not (tmp_path / "ran").exists()


def test_signed_pickle_does_run(registry: Registry, tmp_path: Path) -> None:
    """Control for the test above: the same pickle, properly signed, does run its command."""
    name = put(registry, Runs("touch", str(tmp_path / "ran")))
    with pytest.raises(SchemaMismatch, match="model.pkl holds no fitted classifier but int"):
        registry.load("iris", name)
    assert (tmp_path / "ran").exists()


def test_signed_by_a_stranger_does_not_run(registry: Registry, data: Path, tmp_path: Path) -> None:
    """A whole artefact made and signed elsewhere is refused before anything of it runs, whatever the ledger says."""
    name = put(registry, Runs("touch", str(tmp_path / "ran")))
    for trusted in (data / "keys" / "trusted").iterdir():
        trusted.unlink()
    with pytest.raises(SignatureInvalid, match="which is not trusted"):
        registry.load("iris", name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("libraries", "made_with"), [({"scikit-learn": "1.2.3"}, "1.2.3"), ({}, "an unknown version")])
def test_skewed_pickle_does_not_run(
    registry: Registry, data: Path, tmp_path: Path, libraries: dict[str, str], made_with: str
) -> None:
    """Skew is found on the card, before the pickle is touched."""
    name = put(registry, Runs("touch", str(tmp_path / "ran")))
    with pytest.raises(VersionSkew, match=f"iris log_reg_1: model.pkl was made with scikit-learn {made_with}, and this is {MINOR}"):
        load_changed(registry, data, name, libraries=libraries)
    assert not (tmp_path / "ran").exists()


def test_skew_is_a_policy(registry: Registry, data: Path) -> None:
    """Under `warn` a skewed version loads, and the log says so; another patch version is no skew."""
    name = put(registry, fitted())
    with capture_logs() as logs:
        load_changed(registry, data, name, skew="warn", libraries={"scikit-learn": "1.2.3"})
        load_changed(registry, data, name, libraries={"scikit-learn": f"{MINOR}.999"})
    assert ["version_skew"] == [line["event"] for line in logs]


def test_part_older_than_the_card_says(data: Path) -> None:
    """scikit-learn's own warning about another minor version is an error under `refuse`, and a log line under `warn`."""
    registry = opened(data)
    name = put(registry, like_fitted(Aged))
    with pytest.raises(VersionSkew, match="made with scikit-learn 1.2.3"):
        registry.load("iris", name)
    patched = put(registry, like_fitted(Patched))
    assert registry.load("iris", patched).card.version == patched
    registry.close()
    registry = opened(data, skew="warn")
    with capture_logs() as logs:
        registry.load("iris", name)
    assert ["version_skew"] == [line["event"] for line in logs]
    registry.close()


def test_other_warnings_are_logged(registry: Registry) -> None:
    """Any other warning while unpickling goes to the log, not to whoever happens to catch warnings."""
    with capture_logs() as logs:
        registry.load("iris", put(registry, like_fitted(Noisy)))
    assert [("unpickling", "iris log_reg_1", "an old habit")] == [(line["event"], line["subject"], line["detail"]) for line in logs]


def test_cannot_be_unpickled(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle of a class that is not installed here is named as such."""
    name = put(registry, like_fitted(Noisy))
    monkeypatch.delitem(globals(), "Noisy")
    with pytest.raises(NotServable, match="iris log_reg_1: model.pkl cannot be unpickled .AttributeError.*Noisy"):
        registry.load("iris", name)


def test_unfitted(registry: Registry) -> None:
    """A model that was never fitted may not serve."""
    with pytest.raises(SchemaMismatch, match="no fitted classifier but LogisticRegression"):
        registry.load("iris", put(registry, LogisticRegression()))


def test_card_of_another_time(registry: Registry, data: Path) -> None:
    """A card with a key that this twotier does not know is refused, not guessed at; as it was, it is accepted."""
    name = put(registry, fitted())
    load_changed(registry, data, name)
    with pytest.raises(NotServable, match="iris log_reg_1: this twotier cannot read its card.json .Extra inputs"):
        load_changed(registry, data, name, mood="sunny")


def test_golden_probabilities(registry: Registry) -> None:
    """Probabilities that differ from training's by more than 1e-9 are refused with both; the last digit may differ."""

    def shifted(by: float) -> list[Golden]:
        golden = draft().golden[0]
        first, second, third = golden.probabilities
        return [golden.model_copy(update={"probabilities": [first + by, second - by, third]})]

    registry.load("iris", put(registry, fitted(), golden=shifted(1e-11)))
    with pytest.raises(GoldenMismatch, match="iris log_reg_2: golden row 0 of card.json has probabilities .* now gives .*train again"):
        registry.load("iris", put(registry, fitted(), golden=shifted(1e-8)))


@pytest.mark.parametrize(
    "change",
    [{"output": "Iris-virginica"}, {"extra": 1}, {"probabilities": None}, {"probabilities": {"Iris-setosa": 1.0}}],
)
def test_golden_answer(registry: Registry, change: dict[str, Any]) -> None:
    """An answer that is not training's, in whatever field, is refused with both."""
    golden = draft().golden[0]
    changed = golden.model_copy(update={"answer": {**golden.answer, **change}})
    with pytest.raises(GoldenMismatch, match="golden row 0 of card.json was answered .* and now .*decide"):
        registry.load("iris", put(registry, fitted(), golden=[changed]))


def test_decide_raises(registry: Registry) -> None:
    """A family whose `decide` now fails on a golden row may not serve it."""

    def decide(*_: Any) -> Any:
        raise ZeroDivisionError("oh")

    name = put(registry, fitted())
    registry.families["iris"] = replace(IRIS, decide=decide)
    with pytest.raises(GoldenMismatch, match=r"and now ZeroDivisionError\('oh'\)"):
        registry.load("iris", name)


def test_model_forgets_a_row(registry: Registry) -> None:
    """A model that gives fewer results than rows is found out."""
    with pytest.raises(GoldenMismatch, match="model.pkl cannot score its golden rows .ValueError: zip"):
        registry.load("iris", put(registry, like_fitted(Short)))


def changed_row(**fields: Any) -> Family:
    """`iris` with other fields in its row."""
    annotations = {**IRIS.row.__annotations__, **dict.fromkeys(fields, float)}
    row = type("ChangedRow", (IRIS.row,), {"__annotations__": annotations, **IRIS.row.model_fields, **fields})
    assert issubclass(row, Row)
    return replace(IRIS, row=row)


def test_family_changed(registry: Registry) -> None:
    """A family with another feature refuses what was trained before, and so does one that refuses a golden row."""
    name = put(registry, fitted())
    registry.families["iris"] = changed_row(PetalColour=1.0)
    with pytest.raises(SchemaMismatch, match="iris log_reg_1 was trained on"):
        registry.load("iris", name)
    registry.families["iris"] = changed_row(PetalWidthCm=Field(le=0.1))
    with pytest.raises(SchemaMismatch, match="iris log_reg_1: the family now refuses a golden row .*less than or equal to 0.1"):
        registry.load("iris", name)


def test_broken_trusted_key(registry: Registry, data: Path) -> None:
    """A file in the trusted folder that is no key keeps versions from being verified, and is named."""
    name = publish(registry).name
    (data / "keys" / "trusted" / "odd.pem").write_text("garbage")
    with pytest.raises(SignatureInvalid, match="iris log_reg_1 cannot be verified: the trusted key .*odd.pem"):
        registry.load("iris", name)
