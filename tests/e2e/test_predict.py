"""From raw data to a right answer, through both tiers and every way in: curl, the client, the command."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.asking import JSON, ask, post
from tests.e2e.tiers import ROW, Tiers, answer
from tests.folders import registry_over
from tests.integration.model_server_calls import info, metric
from tests.processes import free_port, gateway, running
from twotier.client import AsyncClient, Client, Problem, get_prediction
from twotier.family import Example

CURL = "curl -sS {}/iris/predict -H 'Content-Type: application/json' -d '{}'"


def test_curl(served: Tiers) -> None:
    """The README's curl is answered to the byte, with status 200."""
    body = '{"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}'

    assert '{"output":"Iris-virginica","model_name":"log_reg_1"}' == served.runs(CURL.format(served.front.url, body))
    answered = ask(served.predict, "POST", body.encode(), JSON)
    assert (200, "application/json", answer()) == (answered.status, answered.headers["Content-Type"], answered.body)


def test_command(served: Tiers) -> None:
    """`twotier predict` asks the same gateway and prints the same answer."""
    printed = served.runs(f"twotier predict iris '{json.dumps(ROW)}'")

    assert json.loads(answer()) == json.loads(printed)


def _examples(served: Tiers) -> tuple[Example, ...]:
    with registry_over(served.data) as registry:
        return registry.families["iris"].examples


def test_examples(served: Tiers) -> None:
    """Every example of the family is answered as it says."""
    examples = _examples(served)
    assert 3 <= len(examples)
    for example in examples:
        assert {**example.answer, "model_name": "log_reg_1"} == post(served.predict, dict(example.row)).json


def test_pinned(served: Tiers) -> None:
    """A pinned version answers instead of the champion, and says so; one that does not exist is a 404."""
    urls = [f"{served.front.url}/iris/versions/{version}/predict" for version in ("log_reg_2", "champion", "log_reg_latest", "log_reg_9")]
    answered = [post(url, ROW) for url in urls]

    assert [200, 200, 200, 404] == [one.status for one in answered]
    assert [answer("log_reg_2"), answer("log_reg_1"), answer("log_reg_2")] == [one.body for one in answered[:3]]


def test_client(served: Tiers) -> None:
    """`get_prediction` gives the class ids of the three sample flowers."""
    rows = [[5.0, 3.6, 1.4, 0.2], [6.4, 2.9, 4.3, 1.3], [6.3, 3.3, 6.0, 2.5]]

    assert [0, 1, 2] == get_prediction(rows, url=served.front.url)
    with pytest.raises(ValueError):
        get_prediction([*rows, [1.0]], url=served.front.url)
    with pytest.raises(ValueError):
        get_prediction([], url=served.front.url)


async def test_clients(served: Tiers) -> None:
    """Both clients get the answer that curl gets, and a problem as an exception with its status."""
    with Client(served.front.url) as client:
        assert json.loads(answer()) == client.predict("iris", ROW)
        with pytest.raises(Problem) as refused:
            client.predict("iris", {**ROW, "PetalWidthCm": -1})
        assert 422 == refused.value.status
    async with AsyncClient(served.front.url) as asynchronous:
        assert json.loads(answer()) == await asynchronous.predict("iris", ROW)


def test_metrics_are_in_the_ledger(trained: Path) -> None:
    """The SQL view `metrics` has the model's name, its train and test accuracy and a UTC time; the raw data has a table."""
    with closing(sqlite3.connect(f"file:{trained / 'database.sqlite'}?mode=ro", uri=True)) as ledger:
        rows = ledger.execute(
            "SELECT family, model_name, round(train_accuracy, 5), round(test_accuracy, 5), created_at FROM metrics ORDER BY model_name"
        ).fetchall()
        flowers = ledger.execute("SELECT count(*), count(DISTINCT Species) FROM iris").fetchone()

    assert [("iris", name, 0.97321, 0.94737) for name in ("log_reg_1", "log_reg_2")] == [row[:4] for row in rows]
    for row in rows:
        at = datetime.fromisoformat(row[4])
        assert (UTC, True) == (at.tzinfo, 0 <= (datetime.now(UTC) - at).total_seconds() < 86_400)
    assert (150, 3) == flowers


def test_metrics_are_on_the_card(served: Tiers) -> None:
    """A caller who cannot read the ledger reads the same from the gateway."""
    card = ask(served.front.url + "/models/iris/versions/champion").json

    assert ("log_reg_1", 112, 38, 42) == (card["version"], *(card["data"][name] for name in ("train_rows", "test_rows", "seed")))
    assert [0.97321, 0.94737] == [round(card["metrics"][split]["accuracy"], 5) for split in ("train", "test")]


def test_model_name_is_the_model_servers(served: Tiers) -> None:
    """The rows that the gateway says log_reg_1 answered were scored by log_reg_1 on the model server."""
    scored = 'model_server_rows_total{family="iris",outcome="answered",version="log_reg_%s"'
    before = [metric(served.back.url, scored % number) for number in (1, 2)]
    names = {one["model_name"] for one in post(served.predict, [ROW] * 17).json}

    assert {"log_reg_1"} == names
    assert [before[0] + 17, before[1]] == [metric(served.back.url, scored % number) for number in (1, 2)]


@pytest.mark.slow
def test_bentoml_serve(trained: Path, tmp_path: Path) -> None:
    """The service under BentoML's own `serve` answers the gateway as the one process does."""
    port = free_port()
    arguments = ("serve", "twotier.model_server.service:ModelServer", "--host", "127.0.0.1", "--port", str(port))
    environment = {"TWOTIER_DATA": str(trained), "BENTOML_HOME": str(tmp_path / "home"), "BENTOML_DO_NOT_TRACK": "True"}
    log = tmp_path / "bentoml.log"
    with running("bentoml", f"http://127.0.0.1:{port}", log, environment, *arguments) as back:
        with gateway(back.url, tmp_path / "gateway.log") as front:
            front.wait_ready()
            answered = post(front.url + "/iris/predict", ROW)
            assert (200, answer()) == (answered.status, answered.body)
            assert "log_reg_1" == info(back.url)["families"]["iris"]["aliases"]["champion"]["serving"]
