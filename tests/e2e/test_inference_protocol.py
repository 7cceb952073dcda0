"""The Open Inference Protocol as Triton's own client speaks it: every family there is, and the same numbers as on the native route."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.asking import JSON, ask, post
from tests.e2e.inferring import ESTIMATORS, FAMILIES, Rows, calls, natively, tensors, told
from tests.e2e.tiers import Tiers, problem, tiers
from tests.integration.model_server_calls import eventually
from twotier import __version__
from twotier.families.credit import FAMILY

NUMPY = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}

# The first test of the session that needs them has every family trained.
pytestmark = [pytest.mark.timeout(400), pytest.mark.measured]


@pytest.fixture(scope="module")
def client(inferring: Tiers) -> Iterator[triton.InferenceServerClient]:
    """Triton's client."""
    with triton.InferenceServerClient(inferring.front.url.removeprefix("http://"), network_timeout=60) as made:
        yield made


def tensor(name: str, values: Any, datatype: str, binary: bool = True) -> triton.InferInput:
    """An input of Triton's client, in which None is NaN."""
    array: Any = np.array(values, dtype=NUMPY[datatype])
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def infer(
    client: triton.InferenceServerClient, family: str, version: str, metadata: Mapping[str, Any], rows: Rows, binary: bool = True
) -> triton.InferResult:
    """Have rows inferred by that version, or by the champion."""
    outputs = None if binary else [triton.InferRequestedOutput(one["name"], binary_data=False) for one in metadata["outputs"]]
    inputs = [
        tensor(one["name"], np.reshape(one["data"], one["shape"]), one["datatype"], binary) for one in tensors(metadata, rows)
    ]
    return client.infer(family, inputs, version, outputs, request_id="a/1")


def flat(values: Any) -> list[Any]:
    """Values in row-major order, and texts as texts."""
    return [value.decode() if isinstance(value, bytes) else value for value in values.flatten().tolist()]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
@pytest.mark.parametrize(
    ("family", "version"), [(family, version) for family in FAMILIES for version in ("", *(f"{name}_1" for name in ESTIMATORS[family]))]
)
def test_every_family_infers_as_it_predicts(
    inferring: Tiers, client: triton.InferenceServerClient, family: str, version: str, binary: bool
) -> None:
    """From the metadata alone a client makes its tensors, and gets every field of every answer of any version to the last bit."""
    metadata = client.get_model_metadata(family, version)
    names = [one["name"] for one in metadata["outputs"]]
    # What the client makes of NaN in JSON is no JSON.
    for rows in calls(inferring, family, metadata, gaps=binary):
        result = infer(client, family, version, metadata, rows, binary)
        response = result.get_response()
        answers = natively(inferring, family, version, names, rows)

        assert (family, "a/1", names) == (response["model_name"], response["id"], [one["name"] for one in response["outputs"]])
        assert {response["model_version"]} == {one["model_name"] for one in answers} and version in ("", response["model_version"])
        for described, output in zip(metadata["outputs"], response["outputs"], strict=True):
            assert (described["datatype"], told(output, answers)) == (output["datatype"], flat(result.as_numpy(output["name"])))
            assert binary == ("binary_data_size" in output.get("parameters", {}))


@pytest.mark.parametrize("estimator", ESTIMATORS["credit"])
def test_missing_numbers_are_nan(inferring: Tiers, client: triton.InferenceServerClient, estimator: str) -> None:
    """Every application in the data whose income is missing is answered as natively, where that is null, and so is all else that is."""
    (columns,) = FAMILY.dataset.batches(inferring.data)
    rows = [dict(zip(FAMILY.features, row, strict=True)) for row in zip(*(columns[name] for name in FAMILY.features), strict=True)]
    version = f"{estimator}_1"
    metadata = client.get_model_metadata("credit", version)
    assert ["Income", "Assets", "Debt"] == json.loads(metadata["parameters"]["nan_is_missing"])
    without = [row for row in rows if row["Income"] is None and None not in (row["Home"], row["Marital"], row["Job"])]
    answers = natively(inferring, "credit", version, [], without)

    result = infer(client, "credit", version, metadata, without)

    assert len(without) > 300
    for name in ("decision", "phat"):
        assert [answer[name] for answer in answers] == flat(result.as_numpy(name))
    # Zero is no gap: that the model tells the two apart shows that NaN did not arrive as some number.
    zero = infer(client, "credit", version, metadata, [row | {"Income": 0.0} for row in without])
    assert flat(zero.as_numpy("phat")) != flat(result.as_numpy("phat"))


def test_null_is_missing_too(inferring: Tiers, client: triton.InferenceServerClient) -> None:
    """In JSON a number or a word that is missing is null, as natively; where nothing may be missing, null is refused."""
    metadata = client.get_model_metadata("credit")
    full = calls(inferring, "credit", metadata)[0][0]
    row = full | {"Home": None, "Income": None}
    sent = [one | {"data": [row[one["name"]]]} for one in tensors(metadata, [full])]
    answered = post(inferring.front.url + "/v2/models/credit/infer", {"inputs": sent}).json
    (native,) = natively(inferring, "credit", "", [], [row])

    assert {"decision": [native["decision"]], "phat": [native["phat"]]} == {one["name"]: one["data"] for one in answered["outputs"]}
    sent[3] |= {"data": [None]}
    said = problem(post(inferring.front.url + "/v2/models/credit/infer", {"inputs": sent}), 422, "invalid-input")
    assert "/inputs/3/data/0" == said["errors"][0]["pointer"]


def test_nan_elsewhere_is_no_number(client: triton.InferenceServerClient, inferring: Tiers) -> None:
    """NaN is refused with a pointer where nothing may be missing; so is infinity everywhere, and, as it is no JSON, NaN in JSON."""
    metadata = client.get_model_metadata("credit")
    row = calls(inferring, "credit", metadata)[0][0]
    assert "[]" == client.get_model_metadata("iris")["parameters"]["nan_is_missing"]
    for changes, binary, words, status in (
        ({"Age": None}, True, "/inputs/3/data/0 should be a finite number", "422"),
        ({"Income": math.inf}, True, "/inputs/8/data/0 should be a finite number", "422"),
        ({"Income": None}, False, "/inputs/8/data/0 NaN and Infinity are not JSON", "400"),
    ):
        with pytest.raises(InferenceServerException, match=words) as refused:
            infer(client, "credit", "", metadata, [row | changes], binary)
        assert status == refused.value.status()


def test_the_server_and_its_models(inferring: Tiers, client: triton.InferenceServerClient) -> None:
    """A client sees that server and models are there, alive and ready; what does not exist is not ready."""
    assert client.is_server_live() and client.is_server_ready()
    assert {"name": "twotier", "version": __version__, "extensions": ["binary_tensor_data"]} == client.get_server_metadata()
    assert [True] * len(FAMILIES) == [client.is_model_ready(family) for family in FAMILIES]
    assert [True, True, False, False] == [client.is_model_ready("iris", name) for name in ("log_reg_1", "champion", "log_reg_9", "Log")]
    assert not client.is_model_ready("nothing")


def test_metadata(client: triton.InferenceServerClient) -> None:
    """A family of numbers takes a matrix; any other a tensor per feature, of its kind."""
    iris, kinds = client.get_model_metadata("iris"), client.get_model_metadata("kinds", "champion")

    assert [{"name": "input", "datatype": "FP64", "shape": [-1, 4]}] == iris["inputs"]
    assert [("output", "BYTES", [-1]), ("probabilities", "FP64", [-1, -1])] == [tuple(one.values()) for one in iris["outputs"]]
    assert ["decision_tree_1", "log_reg_1"] == sorted(iris["versions"])
    assert ["Iris-setosa", "Iris-versicolor", "Iris-virginica"] == json.loads(iris["parameters"]["classes"])
    assert [("size", "FP64"), ("way", "BYTES"), ("note", "BYTES"), ("weight", "FP64"), ("stamps", "INT64")] == [
        (one["name"], one["datatype"]) for one in kinds["inputs"]
    ]
    assert [("late", "BOOL"), ("risk", "FP64")] == [(one["name"], one["datatype"]) for one in kinds["outputs"]]


def test_outputs_are_chosen(client: triton.InferenceServerClient) -> None:
    """Only what is asked for comes, in that order, each in the form that was asked for."""
    rows = tensor("whatever", [[5, 2, 3, 4]], "FP64")
    wanted = [triton.InferRequestedOutput("probabilities", binary_data=True), triton.InferRequestedOutput("output", binary_data=False)]
    first, second = client.infer("iris", [rows], model_version="log_reg_1", outputs=wanted).get_response()["outputs"]
    (alone,) = client.infer("iris", [rows], outputs=wanted[1:]).get_response()["outputs"]

    assert ("probabilities", 24, False) == (first["name"], first["parameters"]["binary_data_size"], "data" in first)
    assert second == alone == {"name": "output", "datatype": "BYTES", "shape": [1], "data": ["Iris-virginica"]}


def test_what_other_clients_send_along(inferring: Tiers) -> None:
    """KServe's client repeats the model's name, and names the media type of bytes; both are taken."""
    url = inferring.front.url + "/v2/models/iris/infer"
    rows = {"name": "input-0", "shape": [1, 4], "datatype": "FP64", "parameters": {"binary_data_size": 32}}
    body, headers = binary({"id": "9", "model_name": "iris", "inputs": [rows]}, struct.pack("<4d", 5, 2, 3, 4))
    answered = ask(url, "POST", body, headers | {"Content-Type": "application/octet-stream"})

    assert (200, "application/json", "9") == (answered.status, answered.headers["Content-Type"], answered.json["id"])
    assert ["Iris-virginica"] == answered.json["outputs"][0]["data"]


def test_other_datatypes(client: triton.InferenceServerClient) -> None:
    """Narrower numbers are taken for what they are."""
    for datatype, numbers in (("FP32", np.float32), ("INT32", np.int32), ("INT64", np.int64)):
        rows = triton.InferInput("input", [1, 4], datatype)
        rows.set_data_from_numpy(np.array([[5, 2, 3, 4]], dtype=numbers))
        assert [b"Iris-virginica"] == client.infer("iris", [rows]).as_numpy("output").tolist()


def test_errors_reach_the_client(client: triton.InferenceServerClient) -> None:
    """The client's exception says what was wrong, and where."""
    for rows, words in (
        ([[5, 2, 3, math.nan]], "/inputs/0/data/0/3 should be a finite number"),
        ([[5, 2, 3, 4], [5, 2, -3, 4]], "/inputs/0/data/1/2 should be greater than 0"),
        ([[5, 2, 3]], r"/inputs/0/shape must be \[rows, 4\]"),
    ):
        with pytest.raises(InferenceServerException, match=words) as refused:
            client.infer("iris", [tensor("input", rows, "FP64")])
        assert "422" == refused.value.status()
    with pytest.raises(InferenceServerException, match="there is no family of that name"):
        client.infer("nothing", [tensor("input", [[5, 2, 3, 4]], "FP64")])
    with pytest.raises(InferenceServerException, match="iris has no version or alias of that name"):
        client.get_model_metadata("iris", "log_reg_9")


ROWS = {"name": "input", "shape": [1, 4], "datatype": "FP64", "data": [5, 2, 3, 4]}


def text(value: str) -> dict[str, Any]:
    """A row of kinds with this note, as tensors."""
    cells: dict[str, tuple[str, Any]] = {"size": ("FP64", 1.0), "way": ("BYTES", "air"), "note": ("BYTES", value), "stamps": ("INT64", 1)}
    return {"inputs": [{"name": name, "shape": [1], "datatype": kind, "data": [cell]} for name, (kind, cell) in cells.items()]}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"data": [5, 2, 3]}, "/inputs/0/shape"),
        ({"shape": [2, 4]}, "/inputs/0/shape"),
        ({"shape": [-1, -4]}, "/inputs/0/shape"),
        ({"shape": [4]}, "/inputs/0/shape"),
        ({"shape": [10**30, 4]}, "/inputs/0/shape"),
        ({"shape": [1.0, 4]}, "/inputs/0/shape/0"),
        ({"shape": [0, 4], "data": []}, ""),
        ({"shape": [10_001, 4], "data": [1] * 40_004}, ""),
        ({"data": [[5, 2], [3, 4]]}, "/inputs/0/data/0"),
        ({"data": [[5, 2, 3, 4]] * 2}, "/inputs/0/data"),
        ({"data": [[5, 2, 3, "4"]]}, "/inputs/0/data/0/3"),
        ({"data": [5, 2, 3, True]}, "/inputs/0/data/3"),
        ({"data": [5, 2, None, 4]}, "/inputs/0/data/2"),
        ({"data": [5, 2, 3, -4]}, "/inputs/0/data/3"),
        ({"data": [5, 2, [3], 4]}, "/inputs/0/data/0"),
        ({"data": None}, "/inputs/0/data"),
        ({"datatype": "INT64", "data": [5, 2, 3, 4.5]}, "/inputs/0/data/3"),
        ({"datatype": "FP128"}, "/inputs/0/datatype"),
        ({"datatype": "BYTES", "data": ["5", "2", "3", "4"]}, "/inputs/0/datatype"),
        ({"parameters": {"binary_data_size": 32}}, "/inputs/0/parameters/binary_data_size"),
        ({"parameters": {"shared_memory_region": "mine"}, "data": None}, "/inputs/0/data"),
        ({"colour": "red"}, "/inputs/0/colour"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_bad_tensors(inferring: Tiers, changes: dict[str, Any], pointer: str) -> None:
    """Sizes that lie, values of other types and all that is not offered are problems that point into the tensor, and are 422."""
    said = problem(post(inferring.front.url + "/v2/models/iris/infer", {"inputs": [ROWS | changes]}), 422, "invalid-input")

    assert pointer == said["errors"][0]["pointer"]
    assert said["error"].startswith(said["detail"])


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        ({"inputs": []}, "/inputs"),
        ({"inputs": [ROWS, ROWS]}, "/inputs"),
        ({"inputs": [ROWS], "outputs": [{"name": "species"}]}, "/outputs/0/name"),
        ({"inputs": [ROWS], "outputs": [{"name": "output", "parameters": {"classification": 2}}]}, "/outputs/0/parameters/classification"),
        ([], ""),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_bad_requests(inferring: Tiers, request_: Any, pointer: str) -> None:
    """So is what is wrong around the tensors."""
    said = problem(post(inferring.front.url + "/v2/models/iris/infer", request_), 422, "invalid-input")

    assert pointer == said["errors"][0]["pointer"]


def test_bad_columns(inferring: Tiers) -> None:
    """A tensor per feature: unknown, missing, given twice, of another kind, of another length, or with a cell that breaks the schema."""
    url = inferring.front.url + "/v2/models/kinds/infer"
    assert 200 == post(url, text("fragile")).status
    changes: list[tuple[Callable[[Any], Any], str]] = [
        (lambda inputs: inputs.append(ROWS), "/inputs/4/name"),
        (lambda inputs: inputs.append({**inputs[0], "name": "seize"}), "/inputs/4/name"),
        (lambda inputs: inputs.append(inputs[0]), "/inputs/4/name"),
        (lambda inputs: inputs.pop(), "/inputs"),
        (lambda inputs: inputs[1].update(datatype="INT64", data=[1]), "/inputs/1/datatype"),
        (lambda inputs: inputs[2].update(shape=[2], data=["a", "b"]), "/inputs/2/shape"),
        (lambda inputs: inputs[1].update(data=["land"]), "/inputs/1/data/0"),
        (lambda inputs: inputs[2].update(shape=[1, 1], data=[["x" * 101]]), "/inputs/2/data/0/0"),
        (lambda inputs: inputs[3].update(data=[None]), "/inputs/3/data/0"),
    ]
    for change, pointer in changes:
        asked = text("fragile")
        change(asked["inputs"])
        assert pointer == problem(post(url, asked), 422, "invalid-input")["errors"][0]["pointer"]


def binary(header: Any, data: bytes, length: str | None = None) -> tuple[bytes, dict[str, str]]:
    """A request by the binary extension: its body and its headers."""
    message = json.dumps(header).encode()
    return message + data, {"Inference-Header-Content-Length": length or str(len(message))}


def bytes_of(*texts: bytes) -> bytes:
    """Texts as the extension has them."""
    return b"".join(struct.pack("<I", len(one)) + one for one in texts)


@pytest.mark.parametrize(
    ("size", "data", "pointer"),
    [
        (32, struct.pack("<3d", 5, 2, 3), "/inputs/0/parameters/binary_data_size"),
        (24, struct.pack("<3d", 5, 2, 3), "/inputs/0/shape"),
        (32, struct.pack("<5d", 5, 2, 3, 4, 5), ""),
        (-1, b"", "/inputs/0/parameters/binary_data_size"),
        ("32", struct.pack("<4d", 5, 2, 3, 4), "/inputs/0/parameters/binary_data_size"),
        (32, struct.pack("<4d", 5, 2, 3, float("inf")), "/inputs/0/data/0/3"),
    ],
)
def test_bad_bytes(inferring: Tiers, size: Any, data: bytes, pointer: str) -> None:
    """Bytes that are too few, too many or no good numbers are told alike."""
    header = {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "parameters": {"binary_data_size": size}}]}
    body, headers = binary(header, data)
    said = problem(ask(inferring.front.url + "/v2/models/iris/infer", "POST", body, headers), 422, "invalid-input")

    assert pointer == said["errors"][0]["pointer"]


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (bytes_of(b"a")[:-1], "/inputs/2"),
        (bytes_of(b"a") + b"\0", "/inputs/2"),
        (bytes_of(b"\xff"), "/inputs/2"),
        (bytes_of(b"a", b"b"), "/inputs/2/shape"),
        (bytes_of(b"x" * 101), "/inputs/2/data/0"),
    ],
)
def test_bad_texts_in_bytes(inferring: Tiers, data: bytes, pointer: str) -> None:
    """Texts whose lengths lie, or that are no UTF-8; the negative control is answered."""
    for sent, status in ((data, 422), (bytes_of("frágil".encode()), 200)):
        asked = text("")
        asked["inputs"][2] = {"name": "note", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(sent)}}
        body, headers = binary(asked, sent)
        answered = ask(inferring.front.url + "/v2/models/kinds/infer", "POST", body, headers)
        assert status == answered.status
        assert status == 200 or pointer == answered.json["errors"][0]["pointer"]


@pytest.mark.parametrize("length", ["x", "-1", "9999", "1e1"])
def test_bad_length_of_the_json(inferring: Tiers, length: str) -> None:
    """A header that does not say where the JSON ends is told so."""
    body, headers = binary({"inputs": [ROWS]}, b"", length)
    said = problem(ask(inferring.front.url + "/v2/models/iris/infer", "POST", body, headers), 422, "invalid-input")

    assert "Inference-Header-Content-Length must be how many bytes of the body are its JSON" == said["error"]


def test_other_errors_have_both_forms(inferring: Tiers) -> None:
    """Every problem below /v2 is one for clients of the protocol too, and none elsewhere is."""
    url = inferring.front.url
    for answered, status, slug in (
        (ask(url + "/v2/models/iris/infer", "POST", b"{", JSON), 400, "unreadable-body"),
        (ask(url + "/v2/models/iris/infer", "POST", b"{}", {"Content-Type": "text/csv"}), 415, "unsupported-media-type"),
        (ask(url + "/v2/models/nothing"), 404, "unknown-family"),
        (ask(url + "/v2/nothing"), 404, "not-found"),
        (ask(url + "/v2/models/iris/infer"), 405, "method-not-allowed"),
    ):
        said = problem(answered, status, slug)
        assert said["error"].startswith(said["detail"])
    assert "error" not in problem(ask(url + "/nothing"), 404, "not-found")


def test_ready_is_the_truth(inferring: Tiers, trained: Path, tmp_path: Path) -> None:
    """A family without a version is not ready, says so, and cannot be asked for its tensors; one with a version is."""
    with tiers(trained, tmp_path) as some:
        url = some.front.url
        assert [200, 200, 503, 503] == [
            ask(f"{url}/v2/{path}").status for path in ("health/ready", "models/iris/ready", "models/sentiment/ready", "models/sentiment")
        ]
        some.back.stop()
        assert eventually(lambda: ask(url + "/v2/health/ready").status == 503)
        paths = ("models/iris/ready", "models/iris/versions/log_reg_1/ready", "health/live")
        assert [503, 503, 200] == [ask(f"{url}/v2/{path}").status for path in paths]
