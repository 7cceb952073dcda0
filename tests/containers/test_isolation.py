"""What each container may do, and whom it can reach."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.containers.engine import GATEWAY_IMAGE, ROOT, Stack, engine, inspect, run

SERVICES = ("gateway", "model-server")

_STATUS = """
import json, os
status = dict(line.split(":\\t") for line in open("/proc/1/status").read().splitlines() if ":\\t" in line)
wrote = {}
for folder in ("/", "/tmp", os.getcwd(), os.path.dirname(os.__file__)):
    try:
        open(os.path.join(folder, "written"), "w").close()
        wrote[folder] = True
    except OSError:
        wrote[folder] = False
found = {"uid": status["Uid"].split(), "capabilities": int(status["CapEff"], 16), "no_new": status["NoNewPrivs"], "wrote": wrote}
print(json.dumps(found))
"""

_CONNECTS = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()
    print("connected")
except OSError:
    print("refused")
"""

_WAY_OUT = "print([line.split()[1] for line in open('/proc/net/route')].count('00000000'))"


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """Each of the two tiers."""
    return str(request.param)


@pytest.fixture
def bystander(tiers: Stack) -> Iterator[str]:
    """A container with nothing to do, on no network of the project yet."""
    name = f"{tiers.project}-bystander"
    idle = ("python", "-c", "import time; time.sleep(600)")
    engine("run", "--detach", "--name", name, "--network", f"{tiers.project}_front", GATEWAY_IMAGE, *idle)
    try:
        yield name
    finally:
        engine("kill", name)
        engine("rm", name)


def connects(container: str, address: str, port: int) -> bool:
    """Whether a connection from a container to an address can be made."""
    return engine("exec", container, "python", "-c", _CONNECTS, address, str(port)) == "connected"


def test_readme_call(tiers: Stack) -> None:
    """The first curl of the README, sent to the published port, gets the answer that stands below it."""
    found = re.search(r"^\$ (curl .+/iris/predict .+)\n(.+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert found
    command, answer = found.groups()
    assert "http://127.0.0.1:8000" in command
    assert answer == run(["bash", "-c", command.replace("http://127.0.0.1:8000", tiers.url)]).stdout
    assert {"output": "Iris-virginica", "model_name": "log_reg_1"} == json.loads(answer)


def test_rights(tiers: Stack, service: str) -> None:
    """A tier runs as user 10001 without any capability, cannot gain rights, and can write nowhere but in its /tmp."""
    found = json.loads(tiers.execute(service, "python", "-c", _STATUS))
    wrote = found.pop("wrote")
    assert {"uid": ["10001"] * 4, "capabilities": 0, "no_new": "1"} == found
    assert ["/tmp"] == [folder for folder, done in wrote.items() if done]


def test_limits(tiers: Stack, service: str) -> None:
    """A tier has bounds on memory, CPUs and processes."""
    limits = inspect(tiers.container(service))["HostConfig"]
    assert {"gateway": 256 * 2**20, "model-server": 2**30}[service] == limits["Memory"]
    assert 0 < limits["PidsLimit"] <= 200
    assert limits["NanoCpus"] > 0 or limits["CpuQuota"] > 0


def test_published_on_loopback_alone(tiers: Stack) -> None:
    """The gateway's port is published on the loopback address and nowhere else, and the model server publishes nothing."""
    ports = {service: inspect(tiers.container(service))["HostConfig"]["PortBindings"] or {} for service in SERVICES}
    assert {} == {port: bound for port, bound in ports["model-server"].items() if bound}
    assert [{"HostIp": "127.0.0.1", "HostPort": str(tiers.port)}] == ports["gateway"]["5000/tcp"]


def test_model_server_is_out_of_reach(tiers: Stack, bystander: str) -> None:
    """Who is on the gateway's outer network does not reach the model server; who is let onto the inner one does."""
    address = tiers.address("model-server", "back")
    assert not connects(bystander, address, 3000)
    engine("network", "connect", f"{tiers.project}_back", bystander)
    assert connects(bystander, address, 3000)


def test_model_server_cannot_reach_out(tiers: Stack, bystander: str) -> None:
    """The model server has no way out of its network, not even to the gateway's outer address; the gateway has one."""
    outer = tiers.address("gateway", "front")
    assert connects(bystander, outer, 5000)
    assert not connects(tiers.container("model-server"), outer, 5000)
    ways = {service: int(tiers.execute(service, "python", "-c", _WAY_OUT)) for service in SERVICES}
    assert 0 == ways["model-server"]
    assert ways["gateway"] > 0


def test_one_process_each(tiers: Stack, service: str) -> None:
    """A container runs one process, which is the tier itself, so that signals reach it and its end is the container's."""
    command = tiers.execute(service, "python", "-c", "print(open('/proc/1/cmdline').read().split(chr(0))[:3])")
    processes = tiers.execute(service, "python", "-c", "import os; print(len([name for name in os.listdir('/proc') if name.isdigit()]))")
    assert str(["python", "-m", "twotier." + service.replace("-", "_")]) == command
    # The other one is the probe.
    assert "2" == processes
