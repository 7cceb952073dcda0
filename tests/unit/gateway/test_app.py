"""The gateway as it is put together: its names, its document, and what it may not load."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from twotier.errors import ConfigurationError
from twotier.families import Families
from twotier.families.iris import FAMILY, IrisAnswer
from twotier.gateway.app import RESERVED, create_app
from twotier.gateway.settings import GatewaySettings

FAMILIES = Families(iris=FAMILY)


def document() -> Any:
    """The OpenAPI document."""
    return create_app(GatewaySettings(), FAMILIES).openapi()


@pytest.mark.parametrize("wanted", [True, False])
def test_traces_are_for_those_who_set_them_up(wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """FastAPI is to look for OpenTelemetry at each call only where the environment speaks of it."""
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    if wanted:
        monkeypatch.setenv("OTEL_SERVICE_NAME", "gateway")
    assert {wanted} == {create_app(GatewaySettings(), FAMILIES)._telemetry[kind] for kind in ("tracing", "metrics", "logs")}


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_no_family_may_hide_a_fixed_route(name: str) -> None:
    """A family by the name of a fixed route is refused at start."""
    with pytest.raises(ConfigurationError, match=f"a family may not be called {name}"):
        create_app(GatewaySettings(), Families({name: replace(FAMILY, name=name)}))


def test_every_fixed_route_is_reserved() -> None:
    """The list of reserved names has the first segment of every route there is."""
    paths = {path.split("/")[1] for path in document()["paths"]}

    assert paths - {"", "iris"} <= RESERVED


def test_old_routes_are_those_of_the_families_that_there_are() -> None:
    """Where there is no iris, or no decision tree of it, the old routes about them are not there, and the others are."""
    paths = document()["paths"].keys()
    other = create_app(GatewaySettings(), Families(other=replace(FAMILY, name="other"))).openapi()["paths"].keys()
    bare = replace(FAMILY, estimators={"log_reg": FAMILY.estimators["log_reg"]})
    treeless = create_app(GatewaySettings(), Families(iris=bare)).openapi()["paths"].keys()

    old = {"/models/serve/{estimator}/{version}", "/serve_decision_tree", "/train_decision_tree"}
    assert old <= paths
    assert not old & other
    assert {"/models/serve/{estimator}/{version}"} == old & treeless


@pytest.mark.parametrize(("port", "status"), [(8000, 421), (8001, 200)])
async def test_metrics_are_at_the_gateways_own_port(port: int, status: int) -> None:
    """At the port that it shares with others, a gateway says where its metrics are."""
    app = create_app(GatewaySettings(own_port=8001), FAMILIES)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/metrics", "query_string": b"", "headers": [], "server": ("127.0.0.1", port)}
    await app(scope, receive, send)
    assert status == sent[0]["status"]
    assert (b"at port 8001" in sent[1]["body"]) == (status == 421)


def test_two_families_may_not_share_the_name_of_a_class() -> None:
    """Two classes of one name would be one schema in the document, so the second is refused."""

    class IrisRow(FAMILY.row):  # type: ignore[name-defined, misc]  # A class made of a value.
        """Another row of the same name."""

    other = replace(FAMILY, name="other", row=IrisRow)
    with pytest.raises(ConfigurationError, match="two families have a class called IrisRow"):
        create_app(GatewaySettings(), Families(iris=FAMILY, other=other))


@pytest.mark.parametrize("setting", ["canary", "shadow"])
def test_a_share_is_of_a_family_that_exists(setting: str) -> None:
    """A share of an unknown family is refused at start, with the nearest one; nothing would come of it."""
    with pytest.raises(ConfigurationError, match=f"GATEWAY_{setting.upper()} names 'irsi', which is no family; there is: iris"):
        create_app(GatewaySettings.model_validate({setting: {"irsi": 0.1}}), FAMILIES)
    with pytest.raises(ConfigurationError, match="there is: iris$"):
        create_app(GatewaySettings.model_validate({setting: {"x": 0.1}}), FAMILIES)


def test_only_who_pins_no_version_has_a_key() -> None:
    """The header is described where it matters: a pinned version is never steered."""
    pinned = document()["paths"]["/iris/versions/{version}/predict"]["post"]

    assert "X-Sticky-Key" not in [one["name"] for one in pinned["parameters"]]


def test_the_document_is_typed_per_family() -> None:
    """The body is a row, a list or a keyed object of this family's rows, with examples and bounds."""
    operation = document()["paths"]["/iris/predict"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    row, many, keyed = content["schema"]["anyOf"]
    schema = document()["components"]["schemas"]["IrisRow"]

    assert "#/components/schemas/IrisRow" == row["$ref"] == many["items"]["$ref"] == keyed["additionalProperties"]["$ref"]
    assert (1, 10_000, 1, 10_000) == (many["minItems"], many["maxItems"], keyed["minProperties"], keyed["maxProperties"])
    assert (False, list(FAMILY.features)) == (schema["additionalProperties"], schema["required"])
    assert dict(FAMILY.examples[0].row) == content["examples"]["row 1"]["value"]
    assert ["partial", "probabilities", "X-Request-Deadline-Ms", "X-Sticky-Key"] == [one["name"] for one in operation["parameters"]]


def test_the_answer_has_the_model_name() -> None:
    """What is answered is the family's answer and the version that gave it."""
    schema = document()["components"]["schemas"]["IrisPrediction"]

    assert [*IrisAnswer.model_fields, "model_name"] == list(schema["properties"])


def test_every_operation_documents_how_it_fails() -> None:
    """Each operation names a 500, and every failure is a problem; to clients of the inference protocol, in plain JSON."""
    for path, operations in document()["paths"].items():
        for operation in operations.values():
            failures = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
            assert "500" in failures, path
            kind = "application/json" if path.startswith("/v2") else "application/problem+json"
            assert {kind} == {kind for answer in failures.values() for kind in answer["content"]}, path


def test_the_gateway_loads_no_model_library() -> None:
    """A fresh interpreter that makes the application has no scikit-learn, numpy or BentoML in it."""
    code = (
        "import sys; from twotier.families import discover; from twotier.gateway.app import create_app; "
        "from twotier.gateway.settings import GatewaySettings; create_app(GatewaySettings(), discover()).openapi(); "
        "import twotier.gateway.__main__; print(sorted({'sklearn', 'numpy', 'bentoml', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]" == made.stdout.strip()
