"""Families of one's own, outside the repository, with twotier as an installed wheel: the same journey as iris's, in every process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.asking import ask, post
from tests.installed import Home, install
from tests.integration.model_server_calls import eventually
from tests.shell import ROOT

FAMILY = '''
"""Which side of a line a point is on."""

from __future__ import annotations

from twotier.datasets import csv_dataset
from twotier.family import Answer, Example, Family, Gate, Row, feature, on_request


class PointRow(Row):
    """One point."""

    x: float = feature("To the right", example=1.0, ge=-100, le=100)
    y: float = feature("Upwards", name="y (up)", example=-2.0, ge=-100, le=100)


class PointAnswer(Answer):
    """Its side."""

    side: str
    share: float | None = on_request("Probability of that side.")


def decide(probabilities, card):
    """The likelier side."""
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    return PointAnswer(side=card.classes[best], share=probabilities[best])


def log_reg():
    """All defaults."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()


FAMILY = Family(
    name="points",
    summary="Which side of a line a point is on",
    row=PointRow,
    answer=PointAnswer,
    estimators={"log_reg": log_reg},
    dataset=csv_dataset("raw/points.csv", target="side", columns={"x": float, "y (up)": float, "side": str}),
    decide=decide,
    gate=Gate(metric="auc", floor=0.9),
    examples=(
        Example(row={"x": 4, "y (up)": 4}, answer={"side": "right"}),
        Example(row={"x": -4, "y (up)": -4}, answer={"side": "left"}),
    ),
)
'''

PROJECT = """
[project]
name = "points-for-twotier"
version = "1.0"

[project.entry-points."twotier.families"]
points = "points_for_twotier:FAMILY"

[tool.poetry]
packages = [{ include = "points_for_twotier.py" }]

[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
"""


def _folder(home: Home) -> None:
    """A folder with a family file, which the settings name."""
    (home.folder / "mine").mkdir()
    (home.folder / "mine" / "points.py").write_text(FAMILY)
    (home.folder / "twotier.toml").write_text('[twotier]\nfamilies = "mine"\nshipped = false\n')


def _package(home: Home) -> None:
    """An installed package that offers its family by an entry point."""
    package = home.folder.parent / "package"
    package.mkdir()
    (package / "points_for_twotier.py").write_text(FAMILY)
    (package / "pyproject.toml").write_text(PROJECT)
    home.paths.append(install(package, home.folder.parent / "installed"))
    home.settings["TWOTIER_SHIPPED"] = "false"


@pytest.fixture(params=[_folder, _package], ids=["folder", "package"])
def home(request: pytest.FixtureRequest, wheel: Path, tmp_path: Path) -> Home:
    """A folder outside the repository that has a family and its raw data, and nothing else."""
    home = Home(tmp_path / "home", [wheel])
    rows = [f"{x},{y},{'right' if x + y > 0 else 'left'}" for x in range(-5, 6) for y in range(-5, 6)]
    (home.folder / "data" / "raw").mkdir(parents=True)
    (home.folder / "data" / "raw" / "points.csv").write_text("x,y (up),side\n" + "\n".join(rows))
    request.param(home)
    return home


@pytest.mark.timeout(300)
def test_the_whole_journey(home: Home) -> None:
    """Trained by `twotier up`, served by both tiers, described, asked, trained again, promoted, loaded and checked; iris is not there."""
    assert str(home.paths[0]) in home.runs("python -c 'import model_training, twotier; print(model_training.__file__, twotier.__file__)'")
    with home.up():
        answered = post(f"{home.url}/points/predict", {"x": 4, "y (up)": 3})
        assert (200, {"side": "right", "model_name": "log_reg_1"}) == (answered.status, answered.json)
        refused = post(f"{home.url}/points/predict", {"x": 4, "y_up": 3})
        assert ["/y_up", "/y (up)"] == [error["pointer"] for error in refused.json["errors"]]
        assert "did you mean y (up)?" in refused.json["errors"][0]["detail"]

        document = ask(f"{home.url}/openapi.json").json
        assert ["x", "y (up)"] == list(document["components"]["schemas"]["PointRow"]["properties"])
        assert {"/points/predict"} == {path for path in document["paths"] if path.count("/") == 2 and path.endswith("/predict")}

        assert "points log_reg_2" in home.runs("twotier train points")
        home.runs("twotier promote points log_reg_2")
        said = {"side": "left", "model_name": "log_reg_2"}
        assert eventually(lambda: said == json.loads(home.runs("""twotier predict points '{"x": -4, "y (up)": 3}'""")))
        assert "champion" in home.runs("twotier models points")

        tested = Home(ROOT, [*home.paths, ROOT], {**home.settings, **_found(home)})
        tested.runs(f"python -m loadtest --host {home.url} --users 2 --seconds 2")
    assert "failed" not in home.runs("twotier check points")


def _found(home: Home) -> dict[str, str]:
    """The settings by which a process in another folder finds the same family."""
    mine = home.folder / "mine"
    return {"TWOTIER_SHIPPED": "false"} | ({"TWOTIER_FAMILIES": str(mine)} if mine.exists() else {})


def test_without_raw_data_the_words_help(home: Home) -> None:
    """Beside families that are shipped, whose raw data is not here, training says what to set."""
    settings = {**home.settings, "TWOTIER_SHIPPED": "true"}
    ran = Home(home.folder, home.paths, settings).runs("twotier train --missing 2>&1 || true")
    assert "set TWOTIER_SHIPPED=false" in ran
