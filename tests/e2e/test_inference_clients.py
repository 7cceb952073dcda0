"""The Open Inference Protocol as other systems' own clients speak it, each in an environment of its own: `mlserver infer` and KServe's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.compare.environments import made, programs
from tests.asking import ask
from tests.e2e.inferring import ESTIMATORS, FAMILIES, Rows, calls, natively, tensors, told
from tests.e2e.tiers import Tiers

CLIENTS = Path(__file__).parent / "clients"

# Both environments are made on first use, and every family is trained.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


def metadata_of(running: Tiers, family: str) -> Any:
    """As neither client reads it."""
    return ask(f"{running.front.url}/v2/models/{family}").json


def check(running: Tiers, metadata: Any, version: str, rows: Rows, outputs: Rows) -> None:
    """Every output there is holds what the native route answers, to the last bit."""
    described = {one["name"]: one["datatype"] for one in metadata["outputs"]}
    assert list(described.items()) == [(one["name"], one["datatype"]) for one in outputs]
    answers = natively(running, metadata["name"], version, list(described), rows)
    for output in outputs:
        assert told(output, answers) == output["data"]


def asked(running: Tiers) -> Iterator[tuple[Any, str, Rows, bool]]:
    """Calls of every family by every version, and by the champion: with values in JSON and in bytes."""
    for family in FAMILIES:
        metadata = metadata_of(running, family)
        for version in ("", *(f"{name}_1" for name in ESTIMATORS[family])):
            for rows in calls(running, family, metadata):
                yield from ((metadata, version, rows, binary) for binary in (False, True))


def kserve(running: Tiers, wanted: Rows) -> Any:
    """What KServe's client is answered."""
    models = [*FAMILIES, "iris/versions/log_reg_1", "iris/versions/log_reg_9", "nothing"]
    document = {"url": running.front.url, "models": models, "calls": wanted}
    command = [made("kserve", CLIENTS / "kserve.txt") / "python", CLIENTS / "kserve_client.py"]
    return json.loads(subprocess.run(command, input=json.dumps(document), capture_output=True, text=True, check=True).stdout)


def test_kserve(inferring: Tiers) -> None:
    """KServe's client infers on every family as the native route predicts; it pins a version as part of the model's name."""
    everything = list(asked(inferring))
    wanted = [
        {"model": metadata["name"] + (version and f"/versions/{version}"), "inputs": tensors(metadata, rows), "binary": binary}
        for metadata, version, rows, binary in everything
    ]
    said = kserve(inferring, wanted)

    assert said["live"] is True and said["ready"] is True
    assert [True] * len(FAMILIES) + [True, False, False] == said["models"]
    for (metadata, version, rows, _), answered in zip(everything, said["calls"], strict=True):
        assert ("a/1", metadata["name"]) == (answered["id"], answered["model"])
        check(inferring, metadata, version, rows, answered["outputs"])


def test_kserve_is_told_what_is_wrong(inferring: Tiers) -> None:
    """The client's exception says what was wrong, and where; NaN means that a value is missing only where it may be."""
    rows = {"name": "input", "shape": [1, 4], "datatype": "FP64"}
    wanted = [
        {"model": "iris", "inputs": [{**rows, "data": [5, 2, 3, last]}], "binary": binary} for last in (4, None) for binary in (False, True)
    ]
    right, right_too, null, nan = kserve(inferring, wanted)["calls"]

    assert ["Iris-virginica"] == right["outputs"][0]["data"] == right_too["outputs"][0]["data"]
    assert (422, 422) == (null["status"], nan["status"])
    assert "/inputs/0/data/3 should be a valid number" in null["refused"]
    assert "/inputs/0/data/0/3 should be a finite number" in nan["refused"]


@pytest.mark.parametrize("binary", [False, True], ids=["JSON", "binary"])
def test_mlserver_infer(inferring: Tiers, tmp_path: Path, binary: bool) -> None:
    """So does `mlserver infer`, over files of requests; a null of theirs is NaN in bytes, and in JSON something that is no JSON."""
    for family in FAMILIES:
        metadata = metadata_of(inferring, family)
        some = calls(inferring, family, metadata, gaps=binary)
        requests = [{"id": str(number), "inputs": tensors(metadata, rows)} for number, rows in enumerate(some)]
        answered = mlserver_infer(inferring, family, requests, tmp_path, *(["--binary-data"] if binary else []))
        for rows, one in zip(some, answered, strict=True):
            assert family == one["model_name"]
            for output in one["outputs"]:
                # Of a text among an output's parameters the command keeps one letter.
                output["parameters"]["names"] = metadata["parameters"]["classes"]
            check(inferring, metadata, one["model_version"], rows, one["outputs"])


def test_mlserver_infer_is_told_what_is_wrong(inferring: Tiers, tmp_path: Path) -> None:
    """What is wrong with a request stands in its place in the file, and all others are answered; it pins a version as KServe's does."""
    rows, model = {"name": "input", "shape": [1, 4], "datatype": "FP64"}, "iris/versions/decision_tree_1"
    requests = [{"id": str(number), "inputs": [{**rows, "data": [5, 2, 3, last]}]} for number, last in enumerate((4, -4, None))]
    for options, words in (
        (["--binary-data"], "/inputs/0/data/0/3 should be a finite number"),
        ([], "/inputs/0/data/3 NaN and Infinity are not JSON"),
    ):
        right, negative, nan = mlserver_infer(inferring, model, requests, tmp_path, "--retries", "1", *options)

        # The champion calls it Iris-virginica.
        assert ("decision_tree_1", ["Iris-versicolor"]) == (right["model_version"], right["outputs"][0]["data"])
        assert "should be greater than 0" in negative["error"]["msg"]
        assert words in nan["error"]["msg"]


def mlserver_infer(running: Tiers, model: str, requests: Rows, folder: Path, *options: str) -> Rows:
    """What the command writes for these requests, in their order."""
    (folder / "in.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    address = running.front.url.removeprefix("http://")
    command: list[str | Path] = [programs("mlserver") / "mlserver", "infer", "--url", address, "--model-name", model]
    # One at a time: rows of several callers travel together, and how many do so shows in the last bit of a sum.
    command += ["--workers", "1", "--input-data-path", folder / "in.jsonl", "--output-data-path", folder / "out.jsonl", *options]
    subprocess.run(command, capture_output=True, check=True)
    written: Rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    return sorted(written, key=lambda one: int(one["parameters"]["batch_index"]))
