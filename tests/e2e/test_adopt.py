"""Somebody who only has a pickle, in an empty folder, with twotier as an installed wheel."""

from __future__ import annotations

import csv
import json
import math
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_breast_cancer

from tests.asking import ask, post
from tests.installed import Home
from tests.integration.model_server_calls import eventually

MAKE = """
import pickle
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

cancer = load_breast_cancer(as_frame=True)
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(cancer.data, cancer.target)
with open("model.pkl", "wb") as file:
    pickle.dump(model, file)
cancer.frame.to_csv("rows.csv", index=False)
"""
"""Plain scikit-learn: it knows nothing of twotier."""

ADOPT = "twotier adopt model.pkl --name cancer --sample rows.csv --target target"


@pytest.fixture(scope="module")
def home(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A folder with a pickle and a sample of its rows, in which the pickle is adopted and both tiers are up."""
    home = Home(tmp_path_factory.mktemp("adopt") / "home", [wheel])
    home.folder.mkdir()
    subprocess.run([sys.executable, "-c", MAKE], cwd=home.folder, check=True)
    assert {"model.pkl", "rows.csv"} == {path.name for path in home.folder.iterdir()}
    refused = home.runs(f"{ADOPT} 2>&1 || true")
    assert "runs whatever code is in it" in refused and "--trust" in refused
    assert {"model.pkl", "rows.csv"} == {path.name for path in home.folder.iterdir()}
    adopted = home.runs(f"{ADOPT} --trust")
    assert adopted.startswith("cancer logistic_regression_1\n") and "it is the champion\n" in adopted
    with home.up():
        yield home


def _rows(home: Home) -> list[dict[str, Any]]:
    with (home.folder / "rows.csv").open() as file:
        return [{name: float(text) for name, text in row.items() if name != "target"} for row in csv.DictReader(file)]


def test_every_row_is_answered_as_by_the_pickle(home: Home) -> None:
    """Labels and probabilities of all rows, sent together and one by one, are those of the pickle itself."""
    model = pickle.loads((home.folder / "model.pkl").read_bytes())
    table, rows = load_breast_cancer(as_frame=True).data, _rows(home)
    together = post(f"{home.url}/cancer/predict?probabilities=true", rows)
    alone = [post(f"{home.url}/cancer/predict?probabilities=true", row).json for row in rows[::20]]
    assert (200, 569) == (together.status, len(together.json))
    wanted = [dict(zip(["0", "1"], each, strict=True)) for each in model.predict_proba(table).tolist()]
    for answers, labels, probabilities in (
        (together.json, model.predict(table).tolist(), wanted),
        (alone, model.predict(table).tolist()[::20], wanted[::20]),
    ):
        assert labels == [answer["output"] for answer in answers]
        for answer, expected in zip(answers, probabilities, strict=True):
            # A matrix of another shape is summed up in another order: equal to fifteen digits is equal.
            assert expected.keys() == answer["probabilities"].keys()
            assert all(math.isclose(expected[key], answer["probabilities"][key], rel_tol=1e-13, abs_tol=1e-15) for key in expected)
            assert "logistic_regression_1" == answer["model_name"]


def test_documentation_is_typed(home: Home) -> None:
    """The OpenAPI document has the columns by their own names, with types, ranges and examples, and /docs shows it."""
    document = ask(f"{home.url}/openapi.json").json
    row = document["components"]["schemas"]["CancerRow"]
    assert list(load_breast_cancer().feature_names) == list(row["properties"]) == row["required"]
    radius = row["properties"]["mean radius"]
    assert {"type": "number", "minimum": 0, "maximum": 50} == {key: radius[key] for key in ("type", "minimum", "maximum")}
    assert "integer" == document["components"]["schemas"]["CancerPrediction"]["properties"]["output"]["type"]
    assert 200 == ask(f"{home.url}/docs").status


def test_faults_point_at_the_columns(home: Home) -> None:
    """A fault's pointer has the column's own name, and a wrong name is answered by the nearest."""
    row = _rows(home)[0]
    misspelt = {"worst_area" if name == "worst area" else name: value for name, value in row.items()}
    refused = post(f"{home.url}/cancer/predict", {**misspelt, "mean radius": -1})
    assert 422 == refused.status
    assert {
        "/worst_area": "is no feature; did you mean worst area?",
        "/worst area": "Field required",
        "/mean radius": "should be greater than or equal to 0",
    } == {error["pointer"]: error["detail"] for error in refused.json["errors"]}


def test_card_tells_its_origin(home: Home) -> None:
    """The card has the columns by name, and the digest of the pickle."""
    card = ask(f"{home.url}/models/cancer/versions/champion").json
    assert list(load_breast_cancer().feature_names) == card["features"] == list(card["ranges"])
    assert 64 == len(card["adopted"])
    assert ["sample"] == list(card["metrics"])


@pytest.mark.timeout(300)
def test_trained_again_it_is_the_second_version(home: Home) -> None:
    """From a CSV with the target, `twotier train` makes version 2, which can be promoted while both tiers serve; the suite passes."""
    trained = home.runs("twotier train cancer")
    assert trained.startswith("cancer logistic_regression_2\n  train ") and "  gate   passed" in trained
    home.runs("twotier promote cancer logistic_regression_2 --why 'trained here'")
    row = _rows(home)[0]
    said = {"output": 0, "model_name": "logistic_regression_2"}
    assert eventually(lambda: said == post(f"{home.url}/cancer/predict", row).json)
    assert "failed" not in home.runs("twotier check cancer")
    assert said == json.loads(home.runs(f"twotier predict cancer '{json.dumps(row)}'"))
