"""The model server as a real process: what it answers, what it refuses, and that no caller can harm another."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.model_server_calls import ROW, at_once, block, eventually, info, metric, post, score, version_of, with_slow_family
from tests.processes import Tier, model_server
from tests.versions import with_versions
from twotier.families import discover
from twotier.wire import Card, Info, Refused


@pytest.fixture(scope="module")
def server(trained_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    """A server of iris log_reg_1, the champion, log_reg_2, and the slow family."""
    folder = tmp_path_factory.mktemp("model_server")
    data = with_versions(trained_data, folder / "data", 2)
    families = with_slow_family(data, folder / "families")
    with model_server(data, folder / "log", TWOTIER_FAMILIES=str(families), MODEL_SERVER_MAX_BODY_BYTES="100000") as tier:
        tier.wait_ready()
        yield tier
    assert 0 == tier.process.returncode


def log_lines(tier: Tier) -> list[dict[str, Any]]:
    """What the server logged."""
    return [json.loads(line) for line in tier.log.read_text().splitlines()]


def test_one_row_is_answered(server: Tier) -> None:
    """With the species, its probabilities, and the version that answered."""
    (result,) = score(server.url, block([5, 2, 3, 4], wanted=["probabilities"]))
    assert ("log_reg_1", []) == (result["version"], result["faults"])
    (answer,) = result["answers"]
    assert "Iris-virginica" == answer["output"]
    assert pytest.approx(1) == sum(answer["probabilities"].values())


def test_fields_on_request_travel_only_if_they_are_wanted(server: Tier) -> None:
    """What no caller wants costs neither bytes nor time."""
    (result,) = score(server.url, block([5, 2, 3, 4]))
    assert [{"output": "Iris-virginica"}] == result["answers"]
    assert 0 < result["model_ms"] < 1000


def test_many_rows_are_answered_in_order(server: Tier) -> None:
    """A thousand rows in one block, each with what it is answered alone."""
    rows = [[4 + step / 300, 3.0, 1 + step / 200, step / 400] for step in range(1000)]
    (together,) = score(server.url, block(*rows, wanted=["probabilities"]))
    alone = [score(server.url, block(rows[index], wanted=["probabilities"]))[0]["answers"][0] for index in (0, 500, 999)]
    assert 1000 == len(together["answers"])
    for expected, actual in zip(alone, [together["answers"][index] for index in (0, 500, 999)], strict=True):
        assert expected["output"] == actual["output"]
        # The last bit depends on how many rows the arithmetic is done on at a time.
        assert pytest.approx(expected["probabilities"], abs=1e-12) == actual["probabilities"]
    assert 3 == len({answer["output"] for answer in together["answers"]})


def test_names_of_versions(server: Tier) -> None:
    """An alias, a version and the newest of an estimator each name a version, and the answer says which."""
    expected = ["log_reg_1", "log_reg_1", "log_reg_2", "log_reg_2"]
    assert expected == [version_of(server.url, name) for name in ("champion", "log_reg_1", "log_reg_2", "log_reg_latest")]


def test_blocks_are_refused_one_by_one(server: Tier) -> None:
    """An unknown family, an unknown version and a block that is too late do not keep the others from being answered."""
    roses, unknown, late, early = {"family": "roses"}, {"version": "log_reg_9"}, {"budget_ms": 0}, {"budget_ms": 60_000}
    results = score(server.url, *(block(ROW, **more) for more in (roses, {}, unknown, late, early)))
    assert ["unknown_family", None, "unknown_version", "expired", None] == [result.get("refused") for result in results]
    assert ["log_reg_1", "log_reg_1"] == [result["version"] for result in (results[1], results[4])]
    assert f"there is no family of that name; there are: {', '.join(sorted([*discover(), 'slow']))}" == results[0]["detail"]


def test_only_the_guilty_row_has_a_fault(server: Tier) -> None:
    """Of forty callers whose calls BentoML merges, one sends a poison row among good ones: everybody else has all answers."""

    def call(caller: int) -> Any:
        good = [[float(caller), 0.0], [-float(caller), 0.0]]
        return score(server.url, block(*good, *([[13.0, 0.0]] if caller == 20 else []), family="slow"))[0]

    def outcome(result: Any) -> tuple[list[Any], list[int]]:
        return [answer and answer["positive"] for answer in result["answers"]], [fault["row"] for fault in result["faults"]]

    def batches() -> list[float]:
        return [metric(server.url, f"bentoml_service_adaptive_batch_size_{name}{{.*") for name in ("sum", "count")]

    before = batches()
    # While the model sleeps over this one, the others queue up behind it.
    sleeper = threading.Thread(target=score, args=(server.url, block([1.0, 0.5], family="slow")))
    sleeper.start()
    results = at_once([partial(call, caller) for caller in range(1, 42) if caller != 13])
    sleeper.join()
    after = batches()
    assert [([True, False], [])] * 39 == [outcome(result) for result in results if not result["faults"]]
    assert [([True, False, None], [2])] == [outcome(result) for result in results if result["faults"]]
    assert ["ArithmeticError: this row could not be scored"] == [fault["detail"] for result in results for fault in result["faults"]]
    # They were really merged: 41 calls, in fewer batches.
    assert 41 == after[0] - before[0]
    assert after[1] - before[1] < 41
    assert 1 == len([line for line in log_lines(server) if line["event"] == "rows_failed" and "thirteen" in line["exception"]])


def test_what_nobody_waits_for_is_not_scored(server: Tier) -> None:
    """A block whose budget runs out while the model is busy is refused when its turn comes; one with time left is answered."""

    def behind_a_sleeper(budget_ms: float | list[float]) -> Any:
        before = metric(server.url, 'model_server_rows_total{family="slow",outcome="answered".*')
        sleeper = threading.Thread(target=score, args=(server.url, block([1.0, 1.0], family="slow")))
        sleeper.start()
        assert eventually(lambda: metric(server.url, 'bentoml_service_request_in_progress{endpoint="/score".*') >= 1)
        rows = [[2.0, 0.0]] * (len(budget_ms) if isinstance(budget_ms, list) else 1)
        (result,) = score(server.url, block(*rows, family="slow", budget_ms=budget_ms))
        sleeper.join()
        return result, metric(server.url, 'model_server_rows_total{family="slow",outcome="answered".*') - before

    result, scored = behind_a_sleeper(50)
    assert ("expired", 1) == (result["refused"], scored)
    result, scored = behind_a_sleeper(60_000)
    assert (True, 2) == (result["answers"][0]["positive"], scored)
    result, scored = behind_a_sleeper([50, 60_000])
    assert ([None, True], 2) == ([answer and answer["positive"] for answer in result["answers"]], scored)
    assert [(0, True)] == [(fault["row"], fault["late"]) for fault in result["faults"]]
    assert 1 == metric(server.url, 'model_server_rows_total{family="slow",outcome="late".*')


def test_row_of_any_kind_is_a_fault_at_worst(server: Tier) -> None:
    """Whatever stands where a number should, its neighbour is answered, and what is sent is JSON without NaN."""
    bad: list[Any] = [["x", 0, 0, 0], [None] * 4, [{}] * 4, [[1]] * 4, [1, 2, 3], [1, 2, 3, 4, 5], [], [10**400, 1, 1, 1]]
    (result,) = score(server.url, block(ROW, *bad))
    assert "Iris-virginica" == result["answers"][0]["output"]
    assert [None] * len(bad) == result["answers"][1:]
    assert list(range(1, len(bad) + 1)) == [fault["row"] for fault in result["faults"]]
    body = b'{"blocks":[{"family":"iris","version":"champion","rows":[[NaN,1,1,1],[Infinity,1,1,1],[1e999,1,1,1],[5,2,3,4]]}]}'
    request = urllib.request.Request(server.url + "/score", body, {"Content-Type": "application/json"})
    text = urllib.request.urlopen(request, timeout=60).read()
    assert b"NaN" not in text and b"Infinity" not in text
    (result,) = json.loads(text)
    assert [None, None, None, "Iris-virginica"] == [answer and answer["output"] for answer in result["answers"]]


def test_info_and_card_are_what_the_wire_says(server: Tier) -> None:
    """Both are read by the types that the gateway reads them with."""
    said = Info.model_validate(info(server.url))
    assert ["bentoml", "keep_alive_seconds", "python", "scikit-learn", "twotier"] == sorted(said.server)
    assert ["log_reg_2", "log_reg_1"] == [each.version for each in said.families["iris"].versions]
    assert ("log_reg_1", "log_reg_1", None) == tuple(dict(said.families["iris"].aliases["champion"]).values())
    status, body = post(server.url, "/card", {"family": "iris", "version": "champion"})
    card = Card.model_validate(body)
    assert (200, "log_reg_1", 0.94737) == (status, card.version, round(card.metrics["test"]["accuracy"], 5))
    for family, version, refused in (("iris", "log_reg_9", "unknown_version"), ("roses", "champion", "unknown_family")):
        status, body = post(server.url, "/card", {"family": family, "version": version})
        assert (200, refused) == (status, Refused.model_validate(body).refused)


@pytest.mark.parametrize(
    ("path", "body", "content_type", "expected"),
    [
        ("/score", b"{", "application/json", 400),
        ("/score", b'{"blocks": [{"family": "iris"}]}', "application/json", 400),
        ("/score", b'{"blocks": []}', "text/plain", 415),
        ("/score", b'{"blocks": []}', "application/vnd.bentoml+pickle", 415),
        ("/score", b'{"blocks": []}', "multipart/form-data; boundary=x", 415),
        ("/score", b" " * 100_001, "application/json", 413),
        ("/scores", b"{}", "application/json", 404),
        ("/score", b'{"blocks": []}', "application/json", 200),
    ],
)
def test_calls_that_are_none_are_refused(server: Tier, path: str, body: bytes, content_type: str, expected: int) -> None:
    """As an object that says what was wrong; the last one is a call."""
    status, said = post(server.url, path, body, content_type)
    assert expected == status
    assert ([] if expected == 200 else str) == (said if expected == 200 else type(said["error"]))


def test_random_paths_leave_no_trace_in_the_metrics(server: Tier) -> None:
    """Whoever asks for paths that do not exist cannot fill the memory; a path that exists is counted."""

    def series() -> set[str]:
        text = urllib.request.urlopen(server.url + "/metrics", timeout=60).read().decode()
        return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}

    def get(path: str) -> int:
        try:
            return int(urllib.request.urlopen(server.url + path, timeout=60).status)
        except urllib.error.HTTPError as error:
            return error.code

    assert 200 == get("/livez")
    before = series()
    assert {404} == {get(f"/random/{number}") for number in range(25)}
    assert before == series()
    assert 200 == get("/schema.json")
    new = series() - before
    assert new
    assert all('endpoint="/schema.json"' in name for name in new)


def test_metrics_of_its_own(server: Tier) -> None:
    """Rows by family, version and outcome; refusals by reason; when versions were loaded; whether aliases are as the ledger has them."""
    rows = 'model_server_rows_total{family="iris",outcome="%s",version="log_reg_2"}'
    before = [metric(server.url, rows % outcome) for outcome in ("answered", "fault")]
    refused = metric(server.url, 'model_server_blocks_refused_total{reason="unknown_family"}')
    score(server.url, block(ROW, ROW, [1], version="log_reg_2"), block(ROW, family="roses"))
    assert [before[0] + 2, before[1] + 1] == [metric(server.url, rows % outcome) for outcome in ("answered", "fault")]
    assert refused + 1 == metric(server.url, 'model_server_blocks_refused_total{reason="unknown_family"}')
    assert 0 < metric(server.url, 'model_server_loaded_timestamp_seconds{family="iris",version="log_reg_1"}')
    assert 1 == metric(server.url, 'model_server_alias_ok{alias="champion",family="iris"}')
    assert 0 == metric(server.url, '.*roses.*')


def test_probes_answer(server: Tier) -> None:
    """Alive and ready."""
    for path in ("/livez", "/readyz", "/healthz"):
        assert 200 == urllib.request.urlopen(server.url + path, timeout=60).status


def test_calls_do_not_have_garbage_looked_for(server: Tier) -> None:
    """Each look at what BentoML keeps of the calls of the last seconds would hold up everybody who asks."""
    looks = [f'python_gc_collections_total{{generation="{generation}"}}' for generation in range(3)]
    before = [metric(server.url, look) for look in looks]
    for _ in range(1500):
        score(server.url, block(ROW))
    young, *older = (metric(server.url, look) - had for look, had in zip(looks, before, strict=True))
    # As they come, the collector's bounds would have the young looked at a dozen times.
    assert all(before) and young <= 1 and older == [0, 0]
