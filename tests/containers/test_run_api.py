"""The script for those who expect one, and the way to stop what it started."""

from __future__ import annotations

from tests.asking import post
from tests.containers.engine import DATA, Stack, engine, run


def test_run_api() -> None:
    """`run_api.sh` builds both images and offers the API, old routes too, on its port; `make down` leaves no container and no network."""
    script = run(["cat", "run_api.sh"]).stdout
    assert "GATEWAY_PORT:-1313" in script
    # The make that runs these tests has variables of its own, which another one would inherit.
    tiers = Stack(environment={"TWOTIER_DATA": str(DATA), "MAKEFLAGS": ""})
    try:
        run(["./run_api.sh"], tiers.settings)
        tiers.wait_ready()
        assert 201 == post(tiers.url + "/predict", [{"x12": "($5,032.58)"}, {}]).status
    finally:
        run(["make", "down"], tiers.settings)
    left = engine("ps", "--all", "--format", "{{.Names}}") + engine("network", "ls", "--format", "{{.Name}}")
    assert tiers.project not in left
