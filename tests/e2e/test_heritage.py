"""The contracts of the systems that this one replaces, by clients that know nothing else of it: exact bodies, exact statuses."""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.asking import JSON, Answered, ask, post
from tests.e2e.tiers import Tiers, problem, tiers
from tests.integration.model_server_calls import eventually, metric
from tests.processes import training
from twotier.client import get_prediction

SAMPLES = [[4.8, 3.0, 1.4, 0.1], [6.4, 2.9, 4.3, 1.3], [6.3, 3.3, 6.0, 2.5]]
"""One flower of each species, in the order of their class ids."""

SPECIES = ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]

TENSOR = {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "data": SAMPLES[0]}]}
"""The first of them as the inference protocol takes it."""


# The first test of the session that needs them has every family trained.
pytestmark = [pytest.mark.timeout(400), pytest.mark.measured]


@pytest.fixture(scope="module")
def heritage(all_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiers]:
    """Both tiers and the training service, over every family, and no decision tree yet."""
    folder = tmp_path_factory.mktemp("heritage")
    data = Path(shutil.copytree(all_trained, folder / "data"))
    with training(data, folder / "training.log") as trainer, tiers(data, folder, GATEWAY_TRAINING_SERVER=trainer.url) as running:
        yield running


def flower(values: list[float]) -> dict[str, float]:
    """A flower as the keyed service took it."""
    return dict(zip(("sepalLength", "sepalWidth", "petalLength", "petalWidth"), values, strict=True))


def call(url: str, body: bytes | None = None, kind: str = "application/json", method: str | None = None) -> tuple[int, str, str]:
    """Status, media type and body, as urllib sees them."""
    request = urllib.request.Request(url, body, {"Content-Type": kind} if body else {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=300) as reply:
            return reply.status, reply.headers.get_content_type(), reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), error.read().decode()


# POST / : flowers by key.


def test_flowers_by_key(heritage: Tiers) -> None:
    """A keyed batch is answered by 201 and the class ids under its keys."""
    body = json.dumps({str(at): flower(values) for at, values in enumerate(SAMPLES)}).encode()

    assert (201, "application/json", '{"0":0,"1":1,"2":2}') == call(heritage.front.url + "/", body)


def test_flowers_by_any_key(heritage: Tiers) -> None:
    """Keys need be no numbers, nor in order, and may be the names of features."""
    rows = {"b": flower(SAMPLES[2]), "": flower(SAMPLES[0]), "sepalLength": flower(SAMPLES[1])}

    assert {"b": 2, "": 0, "sepalLength": 1} == post(heritage.front.url + "/", rows).json


@pytest.mark.parametrize(
    ("body", "status", "slug", "pointers"),
    [
        (b"{}", 422, "invalid-input", [""]),
        (b"[]", 422, "invalid-input", [""]),
        (b"", 400, "unreadable-body", [""]),
        (b'{"0": {"sepalLength": 5,}}', 400, "unreadable-body", [""]),
        (b'{"0": 5}', 422, "invalid-input", ["/0"]),
        (b'{"0": {"sepalLength": 5, "sepalWidth": NaN, "petalLength": 1, "petalWidth": 1}}', 400, "unreadable-body", ["/0/sepalWidth"]),
        (b'{"0": {"sepalLength": 5, "sepalWidth": "3", "petalLength": 1}}', 422, "invalid-input", ["/0/sepalWidth", "/0/PetalWidthCm"]),
    ],
)
def test_bad_flowers(heritage: Tiers, body: bytes, status: int, slug: str, pointers: list[str]) -> None:
    """What used to be an unexplained 400, or a 500, is a problem that names the row; no row of it is answered."""
    said = problem(ask(heritage.front.url + "/", "POST", body, JSON), status, slug)

    assert pointers == [fault["pointer"] for fault in said["errors"]]


def test_a_row_that_is_bad_is_named(heritage: Tiers) -> None:
    """Every row is looked at, not the first alone."""
    rows: dict[str, Any] = {str(at): flower(values) for at, values in enumerate(SAMPLES)}
    rows["1"]["petalWidth"] = -1
    said = problem(post(heritage.front.url + "/", rows), 422, "invalid-input")

    assert [{"pointer": "/1/petalWidth", "detail": "should be greater than 0"}] == said["errors"]


def test_home_is_still_home(heritage: Tiers) -> None:
    """GET / is the word of welcome, and a method that / has not got is told of both that it has."""
    refused = ask(heritage.front.url + "/", "DELETE")

    assert (200, "GET, POST") == (ask(heritage.front.url + "/").status, refused.headers["Allow"])
    problem(refused, 405, "method-not-allowed")


def test_the_old_client(heritage: Tiers) -> None:
    """The importable client gives the class ids of the samples."""
    assert [0, 1, 2] == get_prediction(SAMPLES, url=heritage.front.url)


# Decision trees: train, then serve.


def test_train_then_serve(heritage: Tiers) -> None:
    """Before it is trained, serving says what to do. Training answers by a sentence, and what it made serves at once: each time anew."""
    serve = heritage.front.url + "/serve_decision_tree"
    said = problem(post(serve, {"data": SAMPLES[0]}), 404, "unknown-version")
    assert "no decision_tree is trained yet: POST /train_decision_tree trains one" == said["detail"]

    for number, method in enumerate(("GET", "POST"), 1):
        assert (200, "text/plain", "Successfully trained the model") == call(heritage.front.url + "/train_decision_tree", method=method)
        latest = post(heritage.front.url + "/iris/versions/decision_tree_latest/predict", native(0)).json
        assert f"decision_tree_{number}" == latest["model_name"]
        one = call(serve, json.dumps({"data": SAMPLES[0]}).encode())
        assert (200, "text/plain", "Prediction for [[4.8 3.  1.4 0.1]] is Iris-setosa") == one
        many = call(serve, json.dumps({"data": SAMPLES}).encode())
        assert (200, "application/json", {"predictions": SPECIES}) == (*many[:2], json.loads(many[2]))
        assert scored(heritage)[f"decision_tree_{number}"] > 0

    assert 200 == post(heritage.front.url + "/models/serve/decisiontree/folder2", {"data": SAMPLES[0]}).status


def native(at: int) -> dict[str, float]:
    """A sample as the native route takes it."""
    return dict(zip(("SepalLengthCm", "SepalWidthCm", "PetalLengthCm", "PetalWidthCm"), SAMPLES[at], strict=True))


def test_trainings_at_the_same_time_are_one(heritage: Tiers) -> None:
    """Who asks while one runs is answered when that one has ended, and by it."""
    before = len(trees(heritage))
    answers: list[tuple[int, str, str]] = []
    threads = [threading.Thread(target=lambda: answers.append(call(heritage.front.url + "/train_decision_tree"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [(200, "text/plain", "Successfully trained the model")] * 4 == answers
    assert 1 <= len(trees(heritage)) - before < 4


def trees(heritage: Tiers) -> list[str]:
    """The decision trees that there are, newest first."""
    known = ask(heritage.front.url + "/models/iris").json["versions"]
    return [one["version"] for one in known if one["estimator"] == "decision_tree"]


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Purpose": "prefetch"}], ids=str)
def test_pages_do_not_train(heritage: Tiers, headers: dict[str, str]) -> None:
    """What a browser sends for another site's page, or in advance, trains nothing."""
    before = trees(heritage)
    for method in ("GET", "POST"):
        assert 403 == ask(heritage.front.url + "/train_decision_tree", method, headers=headers).status

    assert before == trees(heritage)


def test_who_does_not_wait_is_told_where_to_look(heritage: Tiers) -> None:
    """A caller who prefers not to wait gets 202 and the job's address; one that is cancelled is a failed training to whoever waits."""
    url = heritage.front.url
    begun = ask(url + "/train_decision_tree", "POST", headers={"Prefer": "wait=0"})
    job = begun.headers["Location"]
    waiting: list[Answered] = []
    thread = threading.Thread(target=lambda: waiting.append(ask(url + "/train_decision_tree", "POST", seconds=300)))
    thread.start()
    assert eventually(lambda: metric(url, "twotier_gateway_requests_in_flight ") >= 2)
    ask(url + job, "DELETE")
    thread.join()

    assert (202, f"The training goes on: GET {job} says how far it has come".encode()) == (begun.status, begun.body)
    assert "the training was cancelled" == problem(waiting[0], 500, "training-failed")["detail"]


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Iterator[Tiers]:
    """The same over data whose labels were shuffled after log_reg_1 was trained, so that nothing can be learnt from them any more."""
    folder = tmp_path_factory.mktemp("lost")
    data = Path(shutil.copytree(trained, folder / "data"))
    header, *lines = (data / "raw/iris.csv").read_text().splitlines()
    species = [line.rpartition(",")[2] for line in lines]
    random.Random(1).shuffle(species)
    shuffled = [",".join((line.rpartition(",")[0], label)) for line, label in zip(lines, species, strict=True)]
    (data / "raw/iris.csv").write_text("\n".join([header, *shuffled]) + "\n")
    with training(data, folder / "training.log") as trainer, tiers(data, folder, GATEWAY_TRAINING_SERVER=trainer.url) as running:
        yield running


def test_a_tree_that_learnt_nothing_does_not_serve(lost: Tiers) -> None:
    """The gate's refusal is no success, and the old answer to it was one. By no name does the tree answer; another version does."""
    url = lost.front.url
    said = problem(ask(url + "/train_decision_tree", "POST", seconds=300), 409, "gate-refused")

    assert said["detail"].startswith("decision_tree_1 did not pass its gate, so it does not serve: ")
    assert 404 == post(url + "/serve_decision_tree", {"data": SAMPLES[0]}).status
    refused = [
        post(url + "/iris/versions/decision_tree_1/predict", native(0)),
        post(url + "/models/serve/decisiontree/1", {"data": SAMPLES[0]}),
        post(url + "/v2/models/iris/versions/decision_tree_1/infer", TENSOR),
        ask(url + "/v2/models/iris/versions/decision_tree_1/ready"),
    ]
    for answered in refused:
        assert "GET /models/iris shows which versions passed" in problem(answered, 503, "not-servable")["detail"]
    told = {one["version"]: one for one in ask(url + "/models/iris").json["versions"]}
    assert (False, True) == (told["decision_tree_1"]["gate_passed"], told["log_reg_1"]["gate_passed"])
    assert said["detail"].endswith(" ".join(told["decision_tree_1"]["gate_findings"]))
    assert "log_reg_1" == post(url + "/iris/versions/log_reg_1/predict", native(0)).json["model_name"]
    assert 200 == post(url + "/v2/models/iris/versions/log_reg_1/infer", TENSOR).status


@pytest.fixture(scope="module")
def tree(heritage: Tiers) -> Tiers:
    """The same, with two decision trees at least, so that the first is not the newest."""
    while len(trees(heritage)) < 2:
        assert 200 == ask(heritage.front.url + "/train_decision_tree", "POST", seconds=300).status
    return heritage


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain", "application/octet-stream"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_any_content_type(tree: Tiers, kind: str, method: str) -> None:
    """The body was read as JSON whatever it was said to be, and even of a GET."""
    answered = call(tree.front.url + "/serve_decision_tree", b'{"data": [6.3, 3.3, 6, 2.5]}', kind, method)

    assert (200, "text/plain", "Prediction for [[6.3 3.3 6.  2.5]] is Iris-virginica") == answered


def test_a_flat_list_is_as_many_flowers_as_it_has_numbers_for(tree: Tiers) -> None:
    """Twelve numbers are three flowers, and one list in a list is one."""
    url = tree.front.url + "/serve_decision_tree"

    assert {"predictions": SPECIES} == post(url, {"data": sum(SAMPLES, [])}).json
    assert post(url, {"data": [[5, 10, 3, 4]]}).body.startswith(b"Prediction for [[ 5 10  3  4]] is Iris-")


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("decisiontree/1", "decision_tree_1"),
        ("decision_tree/folder1", "decision_tree_1"),
        ("decisiontree/latest", "decision_tree_latest"),
        ("log_reg/1", "log_reg_1"),
        ("logreg/folder1", "log_reg_1"),
    ],
)
def test_pinned_versions(tree: Tiers, path: str, version: str) -> None:
    """The very version in the URL answers, as it does on the native route, whatever is newest: so the model server counts it."""
    pinned = trees(tree)[0] if version.endswith("latest") else version
    before = scored(tree)
    answered = post(f"{tree.front.url}/models/serve/{path}", {"data": SAMPLES})
    after = scored(tree)
    native_answers = post(f"{tree.front.url}/iris/versions/{version}/predict", [native(at) for at in range(3)]).json

    assert {pinned: 3} == after - before
    assert [pinned] * 3 == [one["model_name"] for one in native_answers]
    assert {"predictions": [one["output"] for one in native_answers]} == answered.json


def scored(both: Tiers) -> Counter[str]:
    """How many irises the model server says that each version has answered."""
    pattern = 'model_server_rows_total{family="iris",outcome="answered",version="(.+)"} (.+)'
    found = re.findall(pattern, ask(both.back.url + "/metrics").body.decode())
    return Counter({version: int(float(rows)) for version, rows in found})


@pytest.mark.parametrize("path", ["decisiontree/99", "decisiontree/0", "decisiontree/folder", "forest/1", "log_reg/champion", "x/..%2f1"])
def test_versions_that_do_not_exist(tree: Tiers, path: str) -> None:
    """They are 404, and said to be so before the model server is asked where the name tells it."""
    assert 404 == post(f"{tree.front.url}/models/serve/{path}", {"data": SAMPLES}).status


@pytest.mark.parametrize(
    ("sent", "status", "pointers"),
    [
        ({}, 422, ["/data"]),
        ([5, 3, 1, 0.2], 422, ["/data"]),
        ({"data": None}, 422, ["/data"]),
        ({"data": []}, 422, [""]),
        ({"data": [5, 3, 1]}, 422, ["/data"]),
        ({"data": [[5, 3], [1, 0.2]]}, 422, ["/data/0", "/data/1"]),
        ({"data": [[5, 3, 1, 0.2], 5]}, 422, ["/data/1"]),
        ({"data": [[5, 3, 1, 0.2], [5, "3", 1, -1]]}, 422, ["/data/1/1", "/data/1/3"]),
        ({"data": [5, 3, 1, 0.2, 5, True, 1, 0.2]}, 422, ["/data/5"]),
        ({"data": [[[5, 3, 1, 0.2]]]}, 422, ["/data/0"]),
        ({"data": [1, 1, 1, 1] * 10_001}, 422, [""]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_data(tree: Tiers, sent: Any, status: int, pointers: list[str]) -> None:
    """What used to be a 500, or rows merged without a word, is a problem that points at the number."""
    said = problem(post(tree.front.url + "/serve_decision_tree", sent), status, "invalid-input")

    assert pointers == [fault["pointer"] for fault in said["errors"]]


def test_a_tree_that_nobody_serves_is_no_success(trained: Path, tmp_path: Path) -> None:
    """Trained is not enough: while the model server does not know the tree, the answer is 503; afterwards it serves."""
    data = Path(shutil.copytree(trained, tmp_path / "data"))
    with training(data, tmp_path / "training.log") as trainer:
        with tiers(data, tmp_path, GATEWAY_TRAINING_SERVER=trainer.url, GATEWAY_BUDGET_MS="500") as both:
            both.back.send(signal.SIGSTOP)
            said = problem(ask(both.front.url + "/train_decision_tree", "POST", seconds=300), 503, "model-server-unavailable")
            both.back.send(signal.SIGCONT)
            assert "decision_tree_1 was trained, but not every model server has noticed it yet" == said["detail"]
            assert eventually(lambda: post(both.front.url + "/serve_decision_tree", {"data": SAMPLES[0]}).status == 200)


# Outcomes.

COLUMNS = [f"x{at}" for at in range(100)]

ROW = {"x0": "-1.018506", "x5": "monday", "x12": "($5,032.58)", "x31": None, "x44": 0.9, "x63": "62.59%", "x81": "January", "x82": ""}
"""Cells as spreadsheets write them: numbers as text, money, percent, null and nothing."""


def test_outcomes(heritage: Tiers) -> None:
    """One row or many, always a list comes: of outcome, probability and every input as it was sent, in alphabetical order; 201."""
    url = heritage.front.url + "/predict"
    one = ask(url, "POST", json.dumps(ROW).encode(), JSON)
    (answer,) = one.json

    assert (201, "application/json") == (one.status, one.headers["Content-Type"])
    assert sorted(["business_outcome", "phat", *COLUMNS]) == list(answer)
    assert {name: ROW.get(name) for name in COLUMNS} == {name: answer[name] for name in COLUMNS}
    native_answer = post(heritage.front.url + "/outcome/predict", ROW).json
    assert [native_answer[name] for name in ("business_outcome", "phat")] == [answer[name] for name in ("business_outcome", "phat")]
    many = post(url, [ROW, {}, {"x12": "$9,000.00 "}]).json
    assert [answer] == many[:1]
    assert [one for row in ({}, {"x12": "$9,000.00 "}) for one in post(url, [row]).json] == many[1:]
    assert {0, 1} >= {one["business_outcome"] for one in many}


@pytest.mark.parametrize(
    ("sent", "pointers"),
    [
        ([], [""]),
        (5, [""]),
        ([ROW, {"x12": "much"}], ["/1/x12"]),
        ({"x5": "someday", "y": 1}, ["/y", "/x5"]),
        ([[1, 2]], ["/0"]),
        ({"a": ROW}, ["/a"]),
    ],
    ids=lambda value: str(value)[-20:],
)
def test_bad_outcomes(heritage: Tiers, sent: Any, pointers: list[str]) -> None:
    """The old answer to all of these was that the request was bad; now it is told which cell."""
    said = problem(post(heritage.front.url + "/predict", sent), 422, "invalid-input")

    assert pointers == [fault["pointer"] for fault in said["errors"]]


# Texts.


def test_texts(heritage: Tiers) -> None:
    """A text gets its score and label, as the native route gives them; line breaks, emptiness and further fields are no matter."""
    for text in ("I love it!", "I hate it.", "one line\nand another\n", ""):
        answered = ask(heritage.front.url + "/v1/predict", "POST", json.dumps({"text": text, "id": 7}).encode(), JSON)
        other = post(heritage.front.url + "/sentiment/predict", {"text": text}).json
        assert (200, {"prediction": {"score": other["score"], "label": other["label"]}}) == (answered.status, answered.json)
        assert other["label"] in ("POSITIVE", "NEGATIVE")

    assert ["POSITIVE", "NEGATIVE"] == [
        post(heritage.front.url + "/v1/predict", {"text": text}).json["prediction"]["label"] for text in ("I love it!", "I hate it.")
    ]


@pytest.mark.parametrize(
    ("body", "status", "slug", "pointer"),
    [
        (b'{"txt": "hello"}', 422, "invalid-input", "/text"),
        (b'{"text": 5}', 422, "invalid-input", "/text"),
        (b'["hello"]', 422, "invalid-input", ""),
        (b'{"text": "hello"', 400, "unreadable-body", ""),
    ],
)
def test_bad_texts(heritage: Tiers, body: bytes, status: int, slug: str, pointer: str) -> None:
    """Malformed JSON is no failure of the server's any more."""
    said = problem(ask(heritage.front.url + "/v1/predict", "POST", body, JSON), status, slug)

    assert [pointer] == [fault["pointer"] for fault in said["errors"]]


def test_health_is_the_truth(heritage: Tiers, trained: Path, tmp_path: Path) -> None:
    """Running means that texts are answered: where no version of the family serves, it does not run."""
    assert (200, "application/json", '{"status":"running"}') == call(heritage.front.url + "/v1/healthcheck")

    with tiers(trained, tmp_path) as without:
        said = problem(ask(without.front.url + "/v1/healthcheck"), 503, "model-server-unavailable")
        assert "no family has a version that serves: train one" == said["detail"]
        assert 503 == post(without.front.url + "/v1/predict", {"text": "hello"}).status


def test_methods(heritage: Tiers) -> None:
    """A method that a route has not got is 405, with those that it has."""
    for path, allowed in (
        ("/train_decision_tree", "GET, POST"),
        ("/serve_decision_tree", "GET, POST"),
        ("/models/serve/decisiontree/1", "POST"),
        ("/predict", "POST"),
        ("/v1/predict", "POST"),
        ("/v1/healthcheck", "GET"),
    ):
        refused: Answered = ask(heritage.front.url + path, "DELETE")
        problem(refused, 405, "method-not-allowed")
        assert allowed == refused.headers["Allow"]


def test_all_are_deprecated(heritage: Tiers) -> None:
    """The document says so of each, and what to use instead."""
    paths = ask(heritage.front.url + "/openapi.json").json["paths"]
    operations = {f"{method} {path}": one for path, each in paths.items() for method, one in each.items() if "heritage" in one["tags"]}

    assert {"post /", "post /train_decision_tree", "get /train_decision_tree", "post /serve_decision_tree"} < operations.keys()
    assert {"post /models/serve/{estimator}/{version}", "post /predict", "post /v1/predict", "get /v1/healthcheck"} < operations.keys()
    assert all(one["deprecated"] and one["description"].startswith("Use [") for one in operations.values())
