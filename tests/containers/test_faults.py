"""What callers see while containers die, come back and are stopped."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.containers.engine import Stack, engine, inspect, stack
from tests.containers.load import load

SECOND = """
services:
  gateway:
    environment:
      GATEWAY_MODEL_SERVERS: '["http://model-server:3000", "http://model-server-2:3000"]'
    depends_on:
      model-server-2: {condition: service_healthy}
  model-server-2:
    extends: {file: compose.yaml, service: model-server}
"""


def test_killed_model_server(tiers: Stack) -> None:
    """While the model server is gone every refusal is a 503 problem, and service resumes by itself once it is back.

    A call that was under way may be a 504: a container's network can vanish before it has closed its connections.
    """
    with load(tiers.url) as calls:
        calls.wait_for(50, 200)
        engine("kill", tiers.container("model-server"))
        calls.wait_for(20, 503)
        engine("start", tiers.container("model-server"))
        calls.wait_for(50, 200)
        resumed = len(calls.calls)
        calls.wait_for(100, 200)
    problems = {"503 application/problem+json", "504 application/problem+json"}
    assert problems >= calls.summary().keys() - {"200 application/json"}
    assert {200} == {call.status for call in calls.calls[resumed:]}


def test_two_model_servers(tmp_path: Path) -> None:
    """With two model servers behind one gateway, one can be killed under load and no call fails."""
    override = tmp_path / "second.yaml"
    override.write_text(SECOND)
    with stack(override) as both, load(both.url) as calls:
        calls.wait_for(100, 200)
        engine("kill", both.container("model-server"))
        calls.wait_for(200, 200)
    assert {"200 application/json"} == calls.summary().keys()


@pytest.mark.parametrize("service", ["gateway", "model-server"])
def test_orderly_end(tiers: Stack, service: str) -> None:
    """Asked to end, a tier answers what it has been asked, and ends by itself with code 0 before it would be killed."""
    with load(tiers.url, callers=4, rows=5000) as calls:
        calls.wait_for(8, 200)
        asked_at = time.monotonic()
        engine("stop", tiers.container(service))
    assert 0 == inspect(tiers.container(service))["State"]["ExitCode"]
    engine("start", tiers.container(service))
    tiers.wait_ready()
    assert {200} == {call.status for call in calls.calls if call.sent_at < asked_at}


def test_disorderly_end(tiers: Stack) -> None:
    """Negative control: a gateway that is killed leaves calls unanswered, and does not end with code 0."""
    with load(tiers.url, callers=4, rows=5000) as calls:
        calls.wait_for(8, 200)
        asked_at = time.monotonic()
        engine("kill", tiers.container("gateway"))
        calls.wait_for(1, 0)
    assert 0 != inspect(tiers.container("gateway"))["State"]["ExitCode"]
    engine("start", tiers.container("gateway"))
    tiers.wait_ready()
    assert 0 in {call.status for call in calls.calls if call.sent_at < asked_at}
