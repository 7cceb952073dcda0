"""Both tiers with a version by every estimator of every family there is, for clients of the Open Inference Protocol."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from model_training import train
from tests.asking import ask, post
from tests.e2e.tiers import Tiers, tiers
from tests.folders import registry_over
from tests.shell import ROOT, in_shell
from twotier.families import discover
from twotier.settings import SharedSettings

KINDS = ROOT / "tests/contract/families/kinds.py"
"""A family with a field of each kind."""

_SHIPPED = discover(SharedSettings.read().families)

FAMILIES = [*_SHIPPED, KINDS.stem]

ESTIMATORS: Mapping[str, list[str]] = {
    **{name: list(family.estimators) for name, family in _SHIPPED.items()},
    KINDS.stem: ["log_reg", "tree"],
}

Rows = list[dict[str, Any]]


@contextlib.contextmanager
def inferring(all_trained: Path, folder: Path) -> Iterator[Tiers]:
    """Both tiers, with those versions."""
    data = Path(shutil.copytree(all_trained, folder / "data"))
    with registry_over(data) as registry:
        for family in _SHIPPED.values():
            for estimator in ESTIMATORS[family.name][1:]:
                train(registry, family, estimator, data=data)
    (folder / "families").mkdir()
    shutil.copy(KINDS, folder / "families")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {"TWOTIER_FAMILIES": str(folder / "families"), "PYTHONPATH": path}
    in_shell("twotier train kinds --all", {**os.environ, **environment, "TWOTIER_DATA": str(data)})
    with tiers(data, folder, **environment) as running:
        yield running


def calls(running: Tiers, family: str, metadata: Mapping[str, Any], gaps: bool = True) -> list[Rows]:
    """Rows for some calls: the examples in /docs that have the same names, each three times over, and one beside itself with a gap."""
    shown = _operation(running, family)["requestBody"]["content"]["application/json"]["examples"]
    rows = [example["value"] for name, example in shown.items() if "row" in name]
    made = [[row for row in rows if row.keys() == rows[0].keys()], *([row] * 3 for row in rows)]
    holes = json.loads(metadata["parameters"]["nan_is_missing"]) if gaps else []
    gapped = [[row, row | {name: None}] for row in rows for name in holes if isinstance(row.get(name), float | int)]
    return made + gapped[:1]


def tensors(metadata: Mapping[str, Any], rows: Rows) -> list[dict[str, Any]]:
    """Rows that have the same names, as the metadata says: a matrix, or a tensor per name. A text may come for any number that takes it."""
    if [len(one["shape"]) for one in metadata["inputs"]] == [2]:
        values = [list(row.values()) for row in rows]
        return [{**metadata["inputs"][0], "shape": [len(values), len(values[0])], "data": [cell for row in values for cell in row]}]
    told = {one["name"]: one["datatype"] for one in metadata["inputs"]}
    kinds = {name: "BYTES" if isinstance(value, str) else told[name] for name, value in rows[0].items()}
    return [{"name": name, "shape": [len(rows)], "datatype": kind, "data": [row[name] for row in rows]} for name, kind in kinds.items()]


def natively(running: Tiers, family: str, version: str, outputs: list[str], rows: Rows) -> Rows:
    """What the family's own route answers, by that version if one is named: with all that is among the outputs."""
    flags = "&".join(f"{one['name']}=true" for one in _operation(running, family)["parameters"] if one["name"] in outputs)
    answered = post(f"{running.front.url}/{family}{version and f'/versions/{version}'}/predict?{flags}", rows)
    assert 200 == answered.status, answered
    answers: Rows = answered.json
    return answers


def told(output: Mapping[str, Any], answers: Rows) -> list[Any]:
    """What the output must hold, in row-major order, to tell what the answers tell."""
    fields = [answer[output["name"]] for answer in answers]
    if not isinstance(fields[0], dict):
        return fields
    return [field[name] for field in fields for name in json.loads(output["parameters"]["names"])]


def _operation(running: Tiers, family: str) -> Any:
    return _document(running.front.url)["paths"][f"/{family}/predict"]["post"]


@cache
def _document(url: str) -> Any:
    return ask(url + "/openapi.json").json
