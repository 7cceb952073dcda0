"""A training publishes, judges and, the first time, crowns a version; whatever stops it leaves nothing that serves."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sklearn.dummy import DummyClassifier

from model_training import train, train_all
from tests.examples import family, grid, log_reg, rows_in_memory
from tests.folders import registry_over
from twotier.errors import ConfigurationError, GateRefused
from twotier.family import Cutoff, Example, Gate
from twotier.registry import Registry, RegistrySettings
from twotier.scorer import Scorer
from twotier.settings import SharedSettings

ROOT = Path(__file__).parents[2]

KILLED = """
import os, signal, sys
from pathlib import Path
from model_training import train
from tests.folders import registry_over

def progress(step, done):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

data = Path(sys.argv[1])
with registry_over(data) as registry:
    train(registry, registry.families["iris"], data=data, progress=progress)
"""

KILLED_STREAM = """
import os, signal, sys
from pathlib import Path
from model_training import train
from tests.folders import registry_over
from tests.integration.test_training import _listing

def progress(step, done):
    if step == sys.argv[2]:
        print([os.readlink(f"/proc/self/fd/{file}") for file in os.listdir("/proc/self/fd")[:-1]], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

data = Path(sys.argv[1])
with registry_over(data) as registry:
    print(_listing(data), flush=True)
    train(registry, registry.families["iris"], data=data, engine="stream", progress=progress)
"""


@pytest.fixture
def registry(raw_data: Path) -> Iterator[Registry]:
    """The registry of a data folder in which nothing is trained yet."""
    with registry_over(raw_data) as opened:
        yield opened


def test_first_version_becomes_champion(registry: Registry, raw_data: Path) -> None:
    """The first version that passes its gate is champion, moved by training, with the reference accuracies in the ledger."""
    before = datetime.now(UTC)
    version = train(registry, registry.families["iris"], data=raw_data)
    assert "log_reg_1" == version.name
    assert version.gate is not None and version.gate.passed
    assert {"champion": "log_reg_1"} == registry.aliases("iris")
    assert ["training"] == [move.who for move in registry.history("iris", "champion")]
    assert before <= version.created_at <= datetime.now(UTC)
    assert {"train": {"accuracy": 109 / 112}, "test": {"accuracy": 36 / 38}} == version.metrics
    assert "Iris-virginica" == getattr(registry.load("iris", "champion").answers([[5.0, 2.0, 3.0, 4.0]])[0], "output")


def test_second_version_stays_a_candidate(registry: Registry, raw_data: Path) -> None:
    """Training again makes log_reg_2 with the same metrics to the byte, and leaves the champion where it is."""
    iris = registry.families["iris"]
    first, second = train(registry, iris, data=raw_data), train(registry, iris, data=raw_data)
    assert ["log_reg_2", "log_reg_1"] == [version.name for version in registry.versions("iris")]
    assert {"champion": "log_reg_1"} == registry.aliases("iris")
    cards = [json.loads((raw_data / "models" / "iris" / each.name / "card.json").read_bytes()) for each in (first, second)]
    assert json.dumps(cards[0]["metrics"]) == json.dumps(cards[1]["metrics"])
    assert {"version", "created_at"} == {key for key in cards[0] if cards[0][key] != cards[1][key]}
    assert second.gate is not None
    assert "noted: it agrees with the champion log_reg_1 on 38 of 38 held-out rows (100.0%)." == second.gate.findings[-1]
    assert "log_reg_2" == registry.promote("iris", "champion", "log_reg_2", who="test").name


def test_raw_data_is_mirrored_for_sql(registry: Registry, raw_data: Path) -> None:
    """After a training, the ledger's database has the raw rows in the family's table."""
    train(registry, registry.families["iris"], data=raw_data)
    with sqlite3.connect(raw_data / "database.sqlite") as database:
        rows = database.execute("SELECT * FROM iris WHERE Id IN (1, 35, 150) ORDER BY Id").fetchall()
        species = database.execute("SELECT Species, count(*) FROM iris GROUP BY Species ORDER BY Species").fetchall()
    database.close()
    assert [
        (1, 5.1, 3.5, 1.4, 0.2, "Iris-setosa"),
        (35, 4.9, 3.1, 1.5, 0.1, "Iris-setosa"),
        (150, 5.9, 3.0, 5.1, 1.8, "Iris-virginica"),
    ] == rows
    assert [("Iris-setosa", 50), ("Iris-versicolor", 50), ("Iris-virginica", 50)] == species


def test_version_that_fails_its_gate_is_no_champion(registry: Registry, raw_data: Path) -> None:
    """A first version that does not pass is recorded with the reasons, and no alias points at it; the next that passes is champion."""
    registry.families["coin"] = family(gate=Gate(metric="accuracy", floor=1.01))
    version = train(registry, registry.families["coin"], data=raw_data)
    assert version.gate is not None and not version.gate.passed
    assert version == registry.version("coin", "log_reg_1")
    assert {} == registry.aliases("coin")
    with pytest.raises(GateRefused, match="at least 1.01 is wanted"):
        registry.promote("coin", "champion", version.name, who="test")
    registry.families["coin"] = family()
    assert "log_reg_2" == train(registry, registry.families["coin"], data=raw_data).name == registry.aliases("coin")["champion"]


def test_of_two_trainings_one_is_first(registry: Registry, raw_data: Path) -> None:
    """A training that finds no champion, and another that becomes it meanwhile, end well both; the other stays champion."""
    iris = registry.families["iris"]
    others: list[str] = []

    class Slow(Registry):
        def load(self, family: str, version: str) -> Scorer:
            scorer = super().load(family, version)
            # Judged by now, and about to be promoted: this is when the other one overtakes.
            if self.versions(family)[0].gate and not others:
                others.append(train(registry, iris, data=raw_data).name)
            return scorer

    slow = Slow.open(RegistrySettings.read(), SharedSettings.read(data=raw_data))
    assert "log_reg_1" == train(slow, iris, data=raw_data).name
    slow.close()
    assert ({"champion": "log_reg_2"}, ["log_reg_2"]) == (registry.aliases("iris"), others)
    assert 1 == len(registry.history("iris", "champion"))


def test_unknown_estimator_is_refused_at_once(registry: Registry, raw_data: Path) -> None:
    """An estimator that the family does not have is refused before anything is read."""
    told: list[str] = []
    with pytest.raises(ConfigurationError, match="iris has no estimator of that name; it has: .*log_reg"):
        train(registry, registry.families["iris"], "forest", data=raw_data, progress=lambda step, done: told.append(step))
    assert [] == told


def test_bad_raw_data_leaves_nothing(registry: Registry, raw_data: Path) -> None:
    """A bad row in the raw file stops training with its place, and leaves neither version nor table nor artefact."""
    path = raw_data / "raw" / "iris.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("42,4.5,", "42,-4.5,"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"raw/iris\.csv, row 42, column SepalLengthCm: Input should be greater than 0"):
        train(registry, registry.families["iris"], data=raw_data)
    assert [] == registry.versions("iris")
    assert not (raw_data / "models" / "iris").exists()


def test_progress_is_told_to_the_end(registry: Registry, raw_data: Path) -> None:
    """The callback hears of every step, with a share that grows to 1."""
    told: list[tuple[str, float]] = []
    train(registry, registry.families["iris"], data=raw_data, progress=lambda step, done: told.append((step, done)))
    assert ["read", "fit", "evaluate", "publish", "judge", "record", "done"] == [step for step, _ in told]
    shares = [done for _, done in told]
    assert sorted(set(shares)) == shares
    assert (0.0, 1.0) == (shares[0], shares[-1])


def test_numbers_as_labels_are_served_as_text(registry: Registry, raw_data: Path) -> None:
    """Whole numbers as labels train, publish, load and are judged like words."""
    rows = [{**row, "label": int(row["label"] == "high")} for row in grid()]
    examples = (Example(row={"a": 4.0, "b": 4.0}, answer={"label": "1"}), Example(row={"a": -4.0, "b": -4.0}, answer={"label": "0"}))
    registry.families["coin"] = family(dataset=rows_in_memory(rows), examples=examples)
    version = train(registry, registry.families["coin"], data=raw_data)
    assert version.gate is not None and version.gate.passed
    assert {"accuracy", "auc", "brier", "log_loss"} == version.metrics["test"].keys()
    assert ["0", "1"] == registry.load("coin", "champion").card.classes


@pytest.mark.parametrize("step", ["fit", "publish", "judge"])
def test_killed_training_leaves_nothing_that_serves(raw_data: Path, step: str) -> None:
    """Killed before it publishes, a training leaves no version; killed before it is judged, one that cannot be promoted.

    Either way the next training makes a champion.
    """
    killed = subprocess.run([sys.executable, "-c", KILLED, str(raw_data), step], cwd=ROOT, check=False)
    assert -signal.SIGKILL == killed.returncode
    with registry_over(raw_data) as registry:
        left = registry.versions("iris")
        assert ([("log_reg_1", None)] if step == "judge" else []) == [(version.name, version.gate) for version in left]
        assert {} == registry.aliases("iris")
        for version in left:
            with pytest.raises(GateRefused, match="its gate has not run"):
                registry.promote("iris", "champion", version.name, who="test")
        version = train(registry, registry.families["iris"], data=raw_data)
        assert f"log_reg_{len(left) + 1}" == version.name == registry.aliases("iris")["champion"]


@pytest.mark.parametrize("order", [("weak", "log_reg"), ("log_reg", "weak")], ids=["second", "first"])
def test_the_better_estimator_is_champion(registry: Registry, raw_data: Path, order: tuple[str, str]) -> None:
    """All are trained, and the better one is champion in the end, whichever was trained first and passed its gate, too."""
    estimators: dict[str, Callable[[], Any]] = {"weak": lambda: DummyClassifier(strategy="prior"), "log_reg": log_reg}
    low = [Example(row={"a": -4.0, "b": b}, answer={"label": "low"}) for b in (-4.0, -3.0)]
    gate = Gate(metric="auc", floor=0.4)
    coin = registry.families["coin"] = family(estimators={name: estimators[name] for name in order}, gate=gate, examples=tuple(low))
    versions = train_all(registry, coin, data=raw_data)
    assert [f"{name}_1" for name in order] == [version.name for version in versions]
    assert versions[0].gate is not None and versions[0].gate.passed
    assert {"champion": "log_reg_1"} == registry.aliases("coin")
    assert list(dict.fromkeys([f"{order[0]}_1", "log_reg_1"])) == [move.to_version for move in registry.history("coin", "champion")][::-1]


@pytest.mark.parametrize("step", ["prepare", "fit, step 3"])
def test_killed_stream_leaves_nothing(raw_data: Path, step: str) -> None:
    """Killed while its rows are on disk, which it shows that they are, a training leaves no file; the next one makes a champion."""
    command = [sys.executable, "-c", KILLED_STREAM, str(raw_data), step]
    killed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert -signal.SIGKILL == killed.returncode
    before, nameless = killed.stdout.splitlines()
    assert f"{raw_data}/" in nameless and "(deleted)" in nameless
    assert before == _listing(raw_data)
    with registry_over(raw_data) as registry:
        assert [] == registry.versions("iris")
        assert "log_reg_1" == train(registry, registry.families["iris"], data=raw_data, engine="stream").name
        assert before != _listing(raw_data)


def test_streamed_version_is_gated_and_promoted_like_any(registry: Registry, raw_data: Path) -> None:
    """A version of the stream engine becomes champion, is the bar for one of the memory engine, and can be rolled back to."""
    credit = registry.families["credit"]
    streamed = train(registry, credit, data=raw_data, engine="stream")
    assert streamed.gate is not None and streamed.gate.passed
    assert {"champion": "log_reg_1"} == registry.aliases("credit")
    in_memory = train(registry, credit, data=raw_data)
    assert in_memory.gate is not None and in_memory.gate.passed
    assert any("agrees with the champion log_reg_1 on" in finding for finding in in_memory.gate.findings)
    for name in ("log_reg_2", "log_reg_1"):
        registry.promote("credit", "champion", name, who="test")
    scorer = registry.load("credit", "champion")
    assert "stream" == scorer.card.data.engine
    assert scorer.answers([credit.values(credit.row(**example.row)) for example in credit.examples], explain=True)
    text = (raw_data / "models" / "credit" / "log_reg_1" / "MODEL_CARD.md").read_text()
    assert "held out, by chance with seed 42" in text
    assert "Those of `train` are of a sample of its rows" in text


def test_unknown_engine_is_refused(registry: Registry, raw_data: Path) -> None:
    """An engine that there is not is refused with those that there are, and one that cannot fit an estimator leaves nothing."""
    with pytest.raises(ConfigurationError, match="there is no engine of that name; there are: memory, stream"):
        train(registry, registry.families["iris"], data=raw_data, engine="spark")
    with pytest.raises(ConfigurationError, match="does not know how to fit DecisionTreeClassifier"):
        train(registry, registry.families["iris"], "decision_tree", data=raw_data, engine="stream")
    assert [] == registry.versions("iris")


def _listing(folder: Path) -> str:
    return repr(sorted(path.name for path in folder.rglob("*") if not path.name.startswith("database.sqlite-")))


def test_none_is_best_if_none_passes(registry: Registry, raw_data: Path) -> None:
    """Where no estimator passes its gate there is no champion."""
    registry.families["coin"] = family(gate=Gate(metric="accuracy", floor=1.01))
    (version,) = train_all(registry, registry.families["coin"], data=raw_data)
    assert version.gate is not None and not version.gate.passed
    assert {} == registry.aliases("coin")


@pytest.mark.parametrize(("positive", "found"), [("up", "'up', and there are: high, low"), ("high", None)])
def test_cut_off_is_learnt(registry: Registry, raw_data: Path, positive: str, found: str | None) -> None:
    """The cut-off is on the card and in the model card; a label that the data have not is an error that names those they have."""
    coin = registry.families["coin"] = family(cutoff=Cutoff(positive=positive, quantile=0.75))
    if found is not None:
        with pytest.raises(ConfigurationError, match=f"the cut-off of coin wants two labels, one of them {found}"):
            train(registry, coin, data=raw_data)
        return
    version = train(registry, coin, data=raw_data)
    card = registry.load("coin", version.name).card
    assert card.cutoff is not None and 0.5 < card.cutoff < 1
    text = (raw_data / "models" / "coin" / version.name / "MODEL_CARD.md").read_text()
    assert f"`high` where its probability is at least {card.cutoff:.6g}: quantile 0.75" in text
    assert "![ROC curve of high on the held-out rows](roc.png)" in text
