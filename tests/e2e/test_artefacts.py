"""A version that does not verify never serves, whoever points the champion at it: the one before goes on, and is said to do so, and why."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import pytest

import twotier.registry.artefact
from model_training import train
from tests.asking import post
from tests.e2e.callers import Callers
from tests.e2e.tiers import ROW, STARTING, Tiers, answer, problem, tiers
from tests.folders import registry_over
from tests.integration.model_server_calls import eventually
from tests.processes import gateway, model_server
from tests.versions import MODEL, artefact, flip_byte
from twotier.registry import Registry, RegistrySettings
from twotier.settings import SharedSettings

OLDER = "1.8.0"

BAD = {
    "flipped byte": ("log_reg_2", f"{MODEL} is not what was signed"),
    "no signature": ("log_reg_3", "manifest.sig is missing"),
    "foreign signature": ("log_reg_4", "which is not trusted"),
    "older scikit-learn": ("log_reg_5", f"{MODEL} was made with scikit-learn {OLDER}, and this is {installed('scikit-learn')}"),
}
"""What is wrong -> the version of which it is wrong, and how that is said."""

GOOD = "log_reg_6"


@pytest.fixture(scope="module")
def data(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a good champion, log_reg_1, every bad version, and one more that is good."""
    folder = tmp_path_factory.mktemp("artefacts")
    data = Path(shutil.copytree(trained, folder / "data"))
    _train(data, "log_reg_3")
    # Somebody else's key vouches for it, which they trust and the model server does not.
    theirs = Path(shutil.copytree(data / "keys" / "trusted", folder / "trusted"))
    _train(data, "log_reg_4", signing_key=folder / "their_key.pem", trusted_keys=theirs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twotier.registry.artefact, "installed", lambda name: OLDER if name == "scikit-learn" else installed(name))
        # They take the risk of it, so their gate passes it; the model server does not.
        _train(data, "log_reg_5", skew="warn")
    _train(data, GOOD)
    flip_byte(artefact(data, "log_reg_2") / MODEL)
    (artefact(data, "log_reg_3") / "manifest.sig").unlink()
    return data


def _train(data: Path, expected: str, **settings: Any) -> None:
    with closing(Registry.open(RegistrySettings.read(**settings), SharedSettings.read(data=data))) as registry:
        assert expected == train(registry, registry.families["iris"], data=data).name


def point_at(data: Path, version: str) -> None:
    """Move the champion past every check, as somebody does who writes into the ledger by hand."""
    named = "SELECT id FROM version WHERE family = 'iris' AND estimator || '_' || number = ?"
    with closing(sqlite3.connect(data / "database.sqlite", timeout=60)) as ledger, ledger:
        moved = ledger.execute(f"UPDATE alias SET version_id = ({named}) WHERE family = 'iris' AND name = 'champion'", (version,))
        assert 1 == moved.rowcount


@pytest.fixture(scope="module")
def shared(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiers]:
    """Both tiers over it."""
    with tiers(data, tmp_path_factory.mktemp("artefacts_served")) as started:
        yield started


@pytest.fixture
def running(shared: Tiers) -> Iterator[Tiers]:
    """The same, with log_reg_1 the champion before and after."""
    assert [] == shared.iris()["problems"]
    yield shared
    point_at(shared.data, "log_reg_1")
    assert eventually(lambda: not shared.iris()["problems"] and shared.iris()["version"] == "log_reg_1")


def logged(running: Tiers) -> list[str]:
    """The problems of aliases that the model server has logged as errors."""
    lines = [json.loads(line) for line in running.back.log.read_text().splitlines()]
    return [line["problem"] for line in lines if line["event"] == "alias" and line["level"] == "error"]


@pytest.mark.parametrize(("version", "said"), BAD.values(), ids=BAD)
def test_a_bad_champion_does_not_serve(running: Tiers, version: str, said: str) -> None:
    """The version before answers every call; /readyz is 200 and names the version and the reason; so does the model server's log."""
    with Callers(running.predict, ROW, count=2) as callers:
        point_at(running.data, version)
        assert eventually(lambda: running.iris()["problems"] != [])
        callers.wait_for(20)
    readiness = running.readiness()

    assert (True, "some families have problems: see `families`") == (readiness["ready"], readiness["detail"])
    state = readiness["families"]["iris"]
    assert ("serving", "log_reg_1") == (state["status"], state["version"])
    (told,) = state["problems"]
    assert told.startswith(f"champion points at {version}, but log_reg_1 answers: iris {version}: ")
    assert said in told
    assert told.endswith(logged(running)[-1])
    assert ({200}, {answer("log_reg_1")}) == (callers.statuses(), {call.body for call in callers.calls})
    problem(post(f"{running.front.url}/iris/versions/{version}/predict", ROW), 503, "not-servable")


def test_a_good_champion_serves(running: Tiers) -> None:
    """The negative control: a version that nobody touched serves by the same way."""
    before = logged(running)
    with Callers(running.predict, ROW, count=2) as callers:
        point_at(running.data, GOOD)
        callers.wait_for(20, body=answer(GOOD))

    assert eventually(lambda: running.iris()["version"] == GOOD)
    assert [] == running.iris()["problems"]
    assert ({200}, {answer("log_reg_1"), answer(GOOD)}) == (callers.statuses(), {call.body for call in callers.calls})
    assert before == logged(running)
    assert answer(GOOD) == post(f"{running.front.url}/iris/versions/{GOOD}/predict", ROW).body


@pytest.mark.parametrize(("version", "said"), BAD.values(), ids=BAD)
def test_a_bad_version_is_not_promoted(running: Tiers, version: str, said: str) -> None:
    """`twotier promote` refuses it in words and moves nothing."""
    printed = running.runs(f"twotier promote iris {version} 2>&1 && exit 1 || exit 0")

    assert printed.startswith(f"twotier: iris {version}: ")
    assert said in printed
    with registry_over(running.data) as registry:
        assert "log_reg_1" == registry.aliases("iris")["champion"]


def test_a_good_version_is_promoted(running: Tiers) -> None:
    """The negative control: the same command moves the champion to the version that nobody touched, and it serves."""
    assert f"iris: champion was log_reg_1 and is now {GOOD}\n" == running.runs(f"twotier promote iris {GOOD}")
    assert eventually(lambda: running.iris()["version"] == GOOD)


def test_nothing_good_is_not_ready(trained: Path, tmp_path: Path) -> None:
    """Where the only champion there ever was is broken, /readyz is 503 and names it, callers get 503; mended, it serves by itself."""
    data = Path(shutil.copytree(trained, tmp_path / "data"))
    mended = flip_byte(artefact(data, "log_reg_1") / MODEL)
    settings = {**STARTING, "MODEL_SERVER_RETRY_SECONDS": "0.5"}
    with model_server(data, tmp_path / "model_server.log", None, **settings) as back:
        with gateway(back.url, tmp_path / "gateway.log", None, **settings) as front:
            running = Tiers(front, back, data)
            back.wait_ready("/livez")
            front.wait_ready("/livez")
            assert eventually(lambda: running.iris()["problems"] != [])
            readiness = running.readiness()
            assert (False, "no family has a version that serves: see `families`") == (readiness["ready"], readiness["detail"])
            assert ("not serving", None) == (readiness["families"]["iris"]["status"], readiness["families"]["iris"]["version"])
            (told,) = readiness["families"]["iris"]["problems"]
            assert told.startswith(f"champion points at log_reg_1, but nothing answers: iris log_reg_1: {MODEL} is not what was signed")
            assert {"up"} == {one["status"] for one in readiness["dependencies"]}
            assert told.endswith(logged(running)[-1])
            problem(post(running.predict, ROW), 503, "not-servable")
            # What is good may still be pinned.
            assert answer("log_reg_2") == post(front.url + "/iris/versions/log_reg_2/predict", ROW).body

            (artefact(data, "log_reg_1") / MODEL).write_bytes(mended)
            assert eventually(lambda: bool(running.readiness()["ready"]))
            assert [] == running.iris()["problems"]
            assert answer("log_reg_1") == post(running.predict, ROW).body
