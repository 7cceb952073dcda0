"""The front door: publish, look up, promote."""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.registry.kit import FAILED, IRIS, METRICS, PASSED, draft, fitted, opened, publish
from twotier.errors import (
    AliasMoved,
    ConfigurationError,
    DigestMismatch,
    GateRefused,
    InputRefused,
    SignatureInvalid,
    UnknownFamily,
    UnknownVersion,
)
from twotier.registry import GateReport, Registry, Version

TWO = replace(IRIS, estimators={**IRIS.estimators, "log_reg_l1": IRIS.estimators["log_reg"]})
"""`iris` with a second estimator, whose name begins as the first one's."""


def test_publish(registry: Registry, data: Path) -> None:
    """A published version is a candidate with everything that training said of it, and its files lie in the store."""
    before = datetime.now(UTC)
    version = publish(registry, gate=None)
    assert ("iris", "log_reg", 1, "log_reg_1", None) == (version.family, version.estimator, version.number, version.name, version.gate)
    assert (METRICS, {"C": 1.0, "penalty": None}, "ab" * 32) == (version.metrics, version.parameters, version.data_sha256)
    assert before <= version.created_at <= datetime.now(UTC)
    assert timedelta(0) == version.created_at.utcoffset()
    assert {} == registry.aliases("iris")
    folder = data / "models" / "iris" / "log_reg_1"
    files = ["MODEL_CARD.md", "card.json", "manifest.json", "manifest.sig", "model.pkl", "reference.csv"]
    assert files == sorted(path.name for path in folder.iterdir())
    assert "SepalLengthCm\n5.1\n" == (folder / "reference.csv").read_text()
    assert version == registry.version("iris", "log_reg_1")


def test_card(registry: Registry) -> None:
    """The card holds the draft, the family's schemas, and what made it; its time and version are the ledger's."""
    version = publish(registry, cutoff=0.25)
    card = registry.load("iris", "log_reg_1").card
    assert ("iris", "log_reg_1", "log_reg", version.created_at) == (card.family, card.version, card.estimator, card.created_at)
    assert (list(IRIS.features), 0.25, METRICS) == (card.features, card.cutoff, card.metrics)
    assert list(IRIS.features) == list(card.row_schema["properties"])
    assert "output" in card.answer_schema["properties"]
    assert ["python", "scikit-learn", "numpy", "scipy", "twotier"] == list(card.libraries)


def test_same_training_same_metrics(registry: Registry, data: Path) -> None:
    """Two trainings on the same data differ in version and time; the bytes of their metrics do not."""
    names = [publish(registry).name for _ in range(2)]
    cards = [(data / "models" / "iris" / name / "card.json").read_text() for name in names]
    metrics = [card[card.index('"metrics"'):card.index('"data"')] for card in cards]
    assert metrics[0] == metrics[1]
    assert json.loads(cards[0])["created_at"] != json.loads(cards[1])["created_at"]


def test_numbers_count_by_estimator(registry: Registry) -> None:
    """Each estimator counts from 1, and versions come newest first."""
    for estimator in ("log_reg", "log_reg_l1", "log_reg"):
        registry.publish(TWO, estimator, fitted(), draft())
    assert ["log_reg_2", "log_reg_l1_1", "log_reg_1"] == [version.name for version in registry.versions("iris")]


def test_unknown_estimator(registry: Registry) -> None:
    """A family's version is made by one of its estimators."""
    with pytest.raises(ConfigurationError, match="iris has no estimator of that name; it has: log_reg"):
        registry.publish(IRIS, "oracle", fitted(), draft())


def test_failed_publish_leaves_nothing(registry: Registry, data: Path) -> None:
    """If a draft cannot be written, there is no version, and its number is given to the next."""
    with pytest.raises(ValueError, match="finite number"):
        publish(registry, metrics={"test": {"accuracy": float("nan")}})
    assert [] == registry.versions("iris")
    assert not (data / "models").exists()
    assert "log_reg_1" == publish(registry).name


def test_orphan_cannot_take_a_place(registry: Registry, data: Path) -> None:
    """An artefact that a killed training signed, put where the recorded one of that name was, does not load."""
    folder = data / "models" / "iris" / "log_reg_1"
    publish(registry)
    (data / "database.sqlite").rename(data / "other.sqlite")
    registry.close()
    second = opened(data)
    folder.rename(data / "orphan")
    publish(second)
    second.load("iris", "log_reg_1")
    folder.rename(data / "recorded")
    (data / "orphan").rename(folder)
    with pytest.raises(DigestMismatch, match="not the one in the ledger"):
        second.load("iris", "log_reg_1")
    second.close()


def test_gate(registry: Registry) -> None:
    """What the gate found is kept, word for word."""
    version = publish(registry, gate=FAILED)
    assert FAILED == version.gate == registry.version("iris", "log_reg_1").gate
    assert PASSED == registry.record_gate(version, PASSED).gate


def test_latest_passed_its_gate(registry: Registry) -> None:
    """`log_reg_latest` is the newest log_reg that passed its gate, whatever is newer."""
    for gate in (PASSED, PASSED, FAILED, None):
        publish(registry, gate=gate)
    registry.record_gate(registry.publish(TWO, "log_reg_l1", fitted(), draft()), PASSED)
    assert "log_reg_2" == registry.version("iris", "log_reg_latest").name
    assert "log_reg_l1_1" == registry.version("iris", "log_reg_l1_latest").name


@pytest.mark.parametrize("name", ["log_reg_2", "champion", "log_reg_latest", "oracle_latest", "latest", "a\0", "\ud800", "", "x" * 9999])
def test_unknown_version(registry: Registry, name: str) -> None:
    """A name that nothing has is refused with what there is, and without repeating it."""
    publish(registry, gate=None)
    with pytest.raises(UnknownVersion) as refused:
        registry.version("iris", name)
    assert "iris has no such version or alias; it has: log_reg_1" == str(refused.value)


def test_no_version_yet(registry: Registry) -> None:
    """A family without any version says to train one."""
    with pytest.raises(UnknownVersion, match="it has: none yet, so train one"):
        registry.load("iris", "champion")


@pytest.mark.parametrize(
    "ask",
    [
        lambda registry: registry.versions("roses"),
        lambda registry: registry.version("roses", "log_reg_1"),
        lambda registry: registry.aliases("roses"),
        lambda registry: registry.history("roses", "champion"),
        lambda registry: registry.load("roses", "log_reg_1"),
        lambda registry: registry.promote("roses", "champion", "log_reg_1", who="me"),
    ],
)
def test_unknown_family(registry: Registry, ask: Callable[[Registry], object]) -> None:
    """A family that there is not is refused everywhere."""
    with pytest.raises(UnknownFamily):
        ask(registry)


def test_promote_and_roll_back(registry: Registry) -> None:
    """An alias moves forth and back; every move is recorded with who, why, from, to and when, newest first."""
    before = datetime.now(UTC)
    for _ in range(2):
        publish(registry)
    assert "log_reg_1" == registry.promote("iris", "champion", "log_reg_1", who="training").name
    registry.promote("iris", "champion", "log_reg_latest", who="Ada", why="better")
    registry.promote("iris", "challenger", "champion", who="Ada")
    registry.promote("iris", "champion", "log_reg_1", who="Bob", why="worse after all")
    moves = registry.history("iris", "champion")
    assert [
        ("log_reg_2", "log_reg_1", "Bob", "worse after all"),
        ("log_reg_1", "log_reg_2", "Ada", "better"),
        (None, "log_reg_1", "training", ""),
    ] == [(move.from_version, move.to_version, move.who, move.why) for move in moves]
    assert before <= moves[2].at <= moves[1].at <= moves[0].at <= datetime.now(UTC)
    assert {"challenger": "log_reg_2", "champion": "log_reg_1"} == registry.aliases("iris")
    assert "log_reg_1" == registry.load("iris", "champion").card.version


def test_promotion_to_the_same_is_no_move(registry: Registry) -> None:
    """An alias that points there already is left alone, and nothing is recorded."""
    publish(registry)
    for who in ("Ada", "Bob"):
        assert "log_reg_1" == registry.promote("iris", "champion", "log_reg_1", who=who).name
    assert ["Ada"] == [move.who for move in registry.history("iris", "champion")]


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        (None, "its gate has not run"),
        (FAILED, "it did not pass its gate: failed: accuracy is 0.5. passed: it answers."),
        (GateReport(passed=False, findings=()), "it did not pass its gate"),
    ],
)
def test_gate_refuses(registry: Registry, gate: GateReport | None, reason: str) -> None:
    """Without a passed gate no alias moves."""
    publish(registry, gate=gate)
    with pytest.raises(GateRefused) as refused:
        registry.promote("iris", "champion", "log_reg_1", who="me")
    assert f"iris log_reg_1 cannot become champion: {reason}" == str(refused.value).rstrip(": ")
    assert ({}, []) == (registry.aliases("iris"), registry.history("iris", "champion"))


def test_move_that_depends_on_where_the_alias_points(registry: Registry) -> None:
    """It is done only if the alias points there; already at its goal, it is left as it is, whatever was expected."""
    for _ in range(2):
        publish(registry)
    with pytest.raises(AliasMoved, match="iris: champion points at nothing by now, and not at log_reg_2"):
        registry.promote("iris", "champion", "log_reg_1", who="me", expected="log_reg_2")
    registry.promote("iris", "champion", "log_reg_1", who="me", expected=None)
    with pytest.raises(AliasMoved, match="iris: champion points at log_reg_1 by now, and not at nothing"):
        registry.promote("iris", "champion", "log_reg_2", who="me", expected=None)
    registry.promote("iris", "champion", "log_reg_2", who="me", expected="log_reg_1")
    registry.promote("iris", "champion", "log_reg_2", who="me", expected="log_reg_1")
    assert ["log_reg_2", "log_reg_1"] == [move.to_version for move in registry.history("iris", "champion")]


def test_many_want_to_be_first(registry: Registry) -> None:
    """Of versions that are to be champion only if there is none, one becomes it, however close together they come."""
    names = [publish(registry).name for _ in range(6)]

    def first(name: str) -> bool:
        try:
            registry.promote("iris", "champion", name, who="training", expected=None)
        except AliasMoved:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert 1 == sum(pool.map(first, names))
    assert 1 == len(registry.history("iris", "champion"))


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_tidy(kind: str, data: Path) -> None:
    """What a killed publish left goes, and what is published stays."""
    registry = opened(data, store_url=f"memory://{uuid.uuid4()}/models" if kind == "memory" else None)
    publish(registry)
    registry.tidy("iris", "log_reg")
    store = registry._store
    store.write("iris", "log_reg_2", {"model.pkl": b"half"})
    (data / "models" / "iris" / ".log_reg_2.new.tmp").mkdir(parents=True)
    registry.tidy("iris", "log_reg")
    with pytest.raises(DigestMismatch, match="is not there"):
        store.read("iris", "log_reg_2")
    assert "log_reg_1" == registry.load("iris", "log_reg_1").card.version
    assert (kind == "memory") == (data / "models" / "iris" / ".log_reg_2.new.tmp").exists()
    registry.close()


def test_tidy_takes_away_one_version_that_was_never_judged(registry: Registry, data: Path) -> None:
    """Whoever publishes is told by what to find it before it can be there. One that was judged stays, as does one that another made."""
    told: list[tuple[str, list[Version]]] = []

    def announce(manifest_sha256: str) -> None:
        told.append((manifest_sha256, registry.versions("iris")))

    first = registry.publish(IRIS, "log_reg", fitted(), draft(), announce=announce)
    assert [(first.manifest_sha256, [])] == told
    second = publish(registry, gate=None)
    registry.record_gate(first, FAILED)
    registry.tidy("iris", "log_reg", first.manifest_sha256)
    assert [second.name, first.name] == [version.name for version in registry.versions("iris")]
    third = publish(registry, gate=None)
    registry.tidy("iris", "log_reg", second.manifest_sha256)
    assert [third.name, first.name] == [version.name for version in registry.versions("iris")]
    assert [first.name, third.name] == sorted(path.name for path in (data / "models" / "iris").iterdir())
    assert "log_reg_3" == registry.load("iris", third.name).card.version
    assert "log_reg_4" == publish(registry).name


def test_state_is_another_whenever_something_changed(registry: Registry, data: Path) -> None:
    """Whoever follows the ledger reads it then, and only then."""

    def by_hand() -> None:
        with closing(sqlite3.connect(data / "database.sqlite")) as ledger, ledger:
            ledger.execute("UPDATE alias SET version_id = 2 WHERE name = 'champion'")

    swapped = {"log_reg_1": FAILED, "log_reg_2": PASSED}
    changes: list[Callable[[], object]] = [
        lambda: publish(registry, gate=None),
        lambda: registry.record_gate(registry.version("iris", "log_reg_1"), FAILED),
        lambda: registry.record_gate(registry.version("iris", "log_reg_1"), PASSED),
        lambda: registry.promote("iris", "champion", "log_reg_1", who="Ada"),
        lambda: registry.promote("iris", "challenger", "log_reg_1", who="Ada"),
        lambda: publish(registry, gate=FAILED),
        lambda: [registry.record_gate(registry.version("iris", name), gate) for name, gate in swapped.items()],
        by_hand,
        lambda: publish(registry, gate=None),
        lambda: registry.tidy("iris", "log_reg", registry.version("iris", "log_reg_3").manifest_sha256),
        lambda: publish(registry, gate=None),
    ]
    states = [registry.state()]
    for change in changes:
        change()
        registry.versions("iris")
        registry.aliases("iris")
        states.append(registry.state())
        assert states[-1] == registry.state()
    # Where a version was taken away there is as much as before it came; and one that takes its place is not taken for it.
    (*_, before, with_it, without, another) = states
    assert before == without
    assert len({*states}) == len(states) - 1
    assert another != with_it


def test_broken_version_is_not_promoted(registry: Registry, data: Path) -> None:
    """A version that does not load is not promoted, and the alias stays where it was."""
    for _ in range(2):
        publish(registry)
    registry.promote("iris", "champion", "log_reg_1", who="me")
    (data / "models" / "iris" / "log_reg_2" / "manifest.sig").unlink()
    with pytest.raises(SignatureInvalid, match="iris log_reg_2: manifest.sig is missing"):
        registry.promote("iris", "champion", "log_reg_2", who="me")
    assert {"champion": "log_reg_1"} == registry.aliases("iris")


@pytest.mark.parametrize("alias", ["log_reg_1", "log_reg_latest", "latest", "Champion", "../x", ""])
def test_alias_names(registry: Registry, alias: str) -> None:
    """An alias that could be taken for something else is refused before anything is looked at."""
    with pytest.raises(InputRefused, match="an alias is lower-case letters"):
        registry.promote("iris", alias, "log_reg_1", who="me")


def test_key_rotation(registry: Registry, data: Path) -> None:
    """After a new key signs, both generations load while both keys are trusted; a key taken away takes its versions with it."""
    publish(registry)
    (data / "keys" / "signing_key.pem").rename(data / "keys" / "old.pem")
    (old,) = (data / "keys" / "trusted").iterdir()
    publish(registry)
    for name in ("log_reg_1", "log_reg_2"):
        assert name == registry.load("iris", name).card.version
    old.unlink()
    assert "log_reg_2" == registry.load("iris", "log_reg_2").card.version
    with pytest.raises(SignatureInvalid, match=f"iris log_reg_1: manifest.sig is by key {old.stem}, which is not trusted"):
        registry.load("iris", "log_reg_1")


def test_any_fsspec_store(data: Path) -> None:
    """A store that is no folder serves as well: publish, promote and load."""
    registry = opened(data, store_url=f"memory://{uuid.uuid4()}/models")
    publish(registry)
    registry.promote("iris", "champion", "log_reg_1", who="me")
    assert "log_reg_1" == registry.load("iris", "champion").card.version
    assert not (data / "models").exists()
    registry.close()


def test_select_says_it_all(registry: Registry, data: Path) -> None:
    """`SELECT * FROM metrics` shows family, model name, estimator, train and test accuracy and UTC time."""
    version = publish(registry)
    publish(registry, metrics={})
    with sqlite3.connect(data / "database.sqlite") as connection:
        found = connection.execute("SELECT * FROM metrics ORDER BY model_name")
        names, rows = [column[0] for column in found.description], found.fetchall()
    connection.close()
    time = f"{version.created_at:%Y-%m-%dT%H:%M:%S.%f}Z"
    assert ["family", "model_name", "estimator", "train_accuracy", "test_accuracy", "created_at"] == names
    assert ("iris", "log_reg_1", "log_reg", 0.97321, 0.94737, time) == rows[0]
    assert ("iris", "log_reg_2", "log_reg", None, None) == rows[1][:5]


def test_many_threads(registry: Registry) -> None:
    """Threads that publish, poll, load and promote at once do not disturb each other."""
    publish(registry)
    begin = threading.Barrier(6)

    def work(number: int) -> str:
        begin.wait()
        name = publish(registry).name
        registry.promote("iris", f"eu{number}x", name, who="me")
        assert name == registry.load("iris", f"eu{number}x").card.version
        assert name in [version.name for version in registry.versions("iris")]
        return name

    with ThreadPoolExecutor(6) as pool:
        names = list(pool.map(work, range(6)))
    assert {f"log_reg_{number}" for number in range(2, 8)} == set(names)
    assert {f"eu{number}x": name for number, name in enumerate(names)} == registry.aliases("iris")
