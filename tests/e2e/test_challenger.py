"""A challenger beside the champion, for real: a sticky share of the callers, and a comparison that counts every row right."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from model_training import train
from tests.asking import ask, post
from tests.e2e.tiers import ROW, Tiers, answer, problem, tiers
from tests.folders import DATA, registry_over
from tests.integration.model_server_calls import eventually, metric
from tests.processes import gateway
from tests.versions import MODEL, artefact, flip_byte, promote
from twotier.families.credit import FAMILY as CREDIT
from twotier.families.iris import FAMILY, IrisRow
from twotier.gateway.canary import place

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

SHARE = 0.3
KEYS = [f"caller {number}" for number in range(150)]


def looser() -> LogisticRegression:
    """A regression that passes the gate, and yet decides a few flowers otherwise than the shipped one."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10, max_iter=1000)


def flowers() -> list[list[float]]:
    """All that there are, in feature order."""
    with (DATA / "raw" / "iris.csv").open(newline="", encoding="utf-8") as file:
        return [[float(row[name]) for name in IrisRow.model_fields] for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def data(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a champion, log_reg_1, an equal, log_reg_2, and log_reg_3, which is of another mind about some flowers."""
    data = Path(shutil.copytree(trained, tmp_path_factory.mktemp("challenger") / "data"))
    with registry_over(data) as registry:
        assert "log_reg_3" == train(registry, replace(FAMILY, estimators={"log_reg": looser}), data=data).name
    return data


@pytest.fixture(scope="module")
def running(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiers]:
    """Both tiers over it, where a share goes to the challenger, and all that the champion answers is compared."""
    folder = tmp_path_factory.mktemp("challenger_served")
    shares = {"GATEWAY_CANARY": json.dumps({"iris": SHARE}), "GATEWAY_SHADOW": '{"iris": 1.0}'}
    with tiers(Path(shutil.copytree(data, folder / "data")), folder, **shares) as started:
        yield started


def sides(url: str) -> list[str]:
    """Which version answers each key."""
    return [post(url + "/iris/predict", ROW, X_Sticky_Key=key).json["model_name"] for key in KEYS]


def challenged(running: Tiers, version: str) -> None:
    """Make it the challenger by the real command, and wait until the gateway knows."""
    running.runs(f"twotier promote iris {version} --alias challenger")
    aliases = running.front.url + "/models/iris"
    assert eventually(lambda: ask(aliases).json["aliases"].get("challenger", {}).get("serving") == version)


def test_the_share_holds_and_is_sticky(running: Tiers, tmp_path: Path) -> None:
    """Each key has its side: at this gateway, again, and at another one."""
    challenged(running, "log_reg_2")
    expected = ["log_reg_2" if place("iris", key) < SHARE else "log_reg_1" for key in KEYS]

    assert expected == sides(running.front.url) == sides(running.front.url)
    assert 20 < expected.count("log_reg_2") < 70
    with gateway(running.back.url, tmp_path / "log", GATEWAY_CANARY=json.dumps({"iris": SHARE})) as another:
        another.wait_ready()
        assert expected == sides(another.url)
    # Without a key it goes by address, and here all callers have the same.
    assert 1 == len({post(running.predict, ROW).json["model_name"] for _ in range(20)})
    # Who pins a version is not steered, whatever the key.
    for version in ("champion", "log_reg_1"):
        pinned = {post(f"{running.front.url}/iris/versions/{version}/predict", ROW, X_Sticky_Key=key).body for key in KEYS[:20]}
        assert {answer("log_reg_1")} == pinned


def test_every_flip_is_counted(running: Tiers) -> None:
    """What the two models, asked here, disagree on is what the gateway tells, to the row; the probabilities' distance too."""
    rows = flowers()
    with registry_over(running.data) as registry:
        ours, theirs = (registry.load("iris", version).answers(rows) for version in ("log_reg_1", "log_reg_3"))
    decided = [(getattr(one, "output"), getattr(other, "output")) for one, other in zip(ours, theirs, strict=True)]
    flips = Counter(pair for pair in decided if pair[0] != pair[1])
    assert flips, "the two must be of different minds, or this test says nothing"
    distances = [
        sum(abs(one.probabilities[name] - other.probabilities[name]) for name in one.probabilities) / len(one.probabilities)
        for one, other in ((_known(one), _known(other)) for one, other in zip(ours, theirs, strict=True))
    ]
    challenged(running, "log_reg_3")

    flower = [dict(zip(IrisRow.model_fields, row, strict=True)) for row in rows]
    champion = next(key for key in KEYS if place("iris", key) >= SHARE)
    for begin in (0, 50):
        answered = post(running.predict + "?probabilities=true", flower[begin : begin + 50], X_Sticky_Key=champion)
        assert [pair[0] for pair in decided[begin : begin + 50]] == [one["output"] for one in answered.json]
    for one in flower[100:]:
        assert 200 == post(running.predict, one, X_Sticky_Key=champion).status
    assert eventually(lambda: _told(running)["rows"] == 150)
    told = _told(running)

    assert ("log_reg_1", "log_reg_3", 150 - flips.total()) == (told["champion"], told["challenger"], told["agreed"])
    assert flips == {(flip["champion"], flip["challenger"]): flip["rows"] for flip in told["flips"]}
    assert (0, {}, 0) == (told["other_flips"], told["failed"], told["dropped"])
    assert told["score_difference"] == pytest.approx(sum(distances[:100]) / 100)
    assert all(told[what][side] > 0 for what in ("model_ms", "upstream_ms") for side in ("champion", "challenger"))
    assert flips.total() == metric(running.front.url, 'twotier_gateway_shadow_rows_total{family="iris",outcome="differ"}')
    # The negative control: with its equal in its place, the count begins anew, and nothing flips.
    challenged(running, "log_reg_2")
    assert eventually(lambda: ask(running.front.url + "/models/iris").json["comparison"] is None)
    post(running.predict, flower, X_Sticky_Key=champion)
    assert eventually(lambda: _told(running)["rows"] == 150)
    assert ("log_reg_2", 150, []) == tuple(_told(running)[name] for name in ("challenger", "agreed", "flips"))


def test_a_corrupt_challenger_fails_nobody(data: Path, tmp_path: Path) -> None:
    """It is everybody's canary and shadow, and everybody is answered by the champion; /readyz names it and says ready."""
    broken = Path(shutil.copytree(data, tmp_path / "data"))
    promote(broken, "log_reg_2", "challenger")
    flip_byte(artefact(broken, "log_reg_2") / MODEL)
    with tiers(broken, tmp_path, GATEWAY_CANARY='{"iris": 1}', GATEWAY_SHADOW='{"iris": 1}') as running:
        answers = [post(running.predict, ROW, X_Sticky_Key=key) for key in KEYS[:50]]
        assert {(200, answer("log_reg_1"))} == {(one.status, one.body) for one in answers}
        assert 50 == metric(running.front.url, "twotier_gateway_canary_calls_total.*absent")
        assert None is ask(running.front.url + "/models/iris").json["comparison"]
        (said,) = running.iris()["problems"]
        assert said.startswith("challenger points at log_reg_2, but nothing answers: ")

        # The negative control: who pins it is told.
        problem(post(f"{running.front.url}/iris/versions/challenger/predict", ROW), 503, "not-servable")


def test_a_challenger_without_reasons_is_none_the_worse(all_trained: Path, tmp_path: Path) -> None:
    """The champion gives the reasons that trees have not, which is compared with the trees but for them; all other calls are the trees'."""
    data = Path(shutil.copytree(all_trained, tmp_path / "data"))
    with registry_over(data) as registry:
        trees = train(registry, CREDIT, "boosted_trees", data=data).name
        registry.promote("credit", "challenger", trees, who="test")
    row = dict(CREDIT.examples[0].row)
    with tiers(data, tmp_path, GATEWAY_CANARY='{"credit": 1}', GATEWAY_SHADOW='{"credit": 1}') as running:
        url = running.front.url + "/credit/predict"
        for _ in range(2):
            explained = post(url + "?explain=true", row).json
            assert ("log_reg_1", True) == (explained["model_name"], "reasons" in explained)
            assert trees == post(url, row).json["model_name"]
        assert eventually(lambda: _told(running, "credit")["rows"] == 2)
        assert {} == _told(running, "credit")["failed"]

        # The negative control: who pins it is told that there are none.
        problem(post(f"{running.front.url}/credit/versions/{trees}/predict?explain=true", row), 422, "not-explainable")


def _told(running: Tiers, family: str = "iris") -> Any:
    return ask(f"{running.front.url}/models/{family}").json["comparison"] or {"rows": 0}


def _known(answer: Any) -> Any:
    """An answer of a row that was scored."""
    assert not isinstance(answer, Exception)
    return answer
