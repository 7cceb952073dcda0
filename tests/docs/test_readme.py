"""The README, done as it says, in its order, against both tiers as real processes.

Commands that begin with `make` set up environments of their own, so they are left to `.ci/run`: that it does them is tested here.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import Step, blocks, section, steps
from tests.docs.test_pickle import PICKLE
from tests.processes import gateway, model_server, training
from tests.shell import ROOT, in_shell

WHOLE = (ROOT / "README.md").read_text(encoding="utf-8")

README = WHOLE.replace(section(WHOLE, PICKLE), "")
"""All but the section that is for another reader, in another folder: it is done by `test_pickle.py`."""

PORT = "127.0.0.1:8000"
"""Where the README finds the gateway."""

FOLLOW_SECONDS = 60.0
"""How long an answer may lag behind a promotion or a training here, on a loaded machine: not a claim about how long it takes."""


MADE = [step for step in steps(README) if step.command.startswith("make ")]
DONE = [step for step in steps(README) if not step.command.startswith("make ")]


@dataclass(frozen=True)
class Reader:
    """Somebody who does what the README says."""

    address: str
    environment: dict[str, str]

    def does(self, command: str) -> str:
        """Do it, and say what was printed."""
        return in_shell(command.replace(PORT, self.address), self.environment).stdout


@pytest.fixture(scope="module")
def reader(all_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader who has done `make run`."""
    folder = tmp_path_factory.mktemp("readme")
    data = Path(shutil.copytree(all_trained, folder / "data"))
    with (
        model_server(data, folder / "model_server.log") as back,
        training(data, folder / "training.log") as trainer,
        gateway(back.url, folder / "gateway.log", GATEWAY_TRAINING_SERVER=trainer.url) as front,
    ):
        front.wait_ready()
        address = front.url.removeprefix("http://")
        yield Reader(address, {**os.environ, "TWOTIER_DATA": str(data), "GATEWAY_PORT": address.rpartition(":")[2]})


@pytest.mark.parametrize("step", DONE, ids=lambda step: step.command[:60])
def test_a_command(reader: Reader, step: Step) -> None:
    """The command prints what the README says. A call may have to wait until the tiers have followed a promotion."""
    deadline = time.monotonic() + FOLLOW_SECONDS
    while not step.is_as_said(printed := reader.does(step.command)):
        assert step.command.startswith("curl ") and time.monotonic() < deadline, printed
        time.sleep(0.05)


@pytest.mark.parametrize("block", blocks(README, "python"))
def test_python(reader: Reader, block: str) -> None:
    """The Python examples print what the README says."""
    example = doctest.DocTestParser().get_doctest(block.replace(PORT, reader.address), {}, "README", None, None)

    assert 0 == doctest.DocTestRunner().run(example).failed
    assert 3 < len(example.examples)


def test_nothing_is_left_out() -> None:
    """Every block of the README is done here or by the CI script, and its first screen has the two commands, the curl and the answer."""
    assert len(re.findall("^```$", README, re.MULTILINE)) == len(blocks(README, "console")) + len(blocks(README, "python"))
    assert ["make run", "make test"] == [re.sub(r"\s+#.*", "", step.command) for step in MADE]
    assert '{"output":"Iris-virginica","model_name":"log_reg_1"}\n' == DONE[0].printed


def test_the_ci_script_does_the_rest() -> None:
    """Each `make …` of the README is done by the CI script, and after `make run` the script does the README's first curl."""
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    mentioned = {re.sub(r"\s+#.*", "", step.command) for step in MADE} | set(re.findall(r"`(make [a-z]+)`", README))

    assert {"make run", "make test"} <= mentioned
    assert [] == [command for command in sorted(mentioned) if not re.search(rf"^[^#\n]*run [^#\n]*\b{command}\b", script, re.MULTILINE)]
    assert '/.ci/newcomer.py" make run > ' in script
    assert "README.md" in (ROOT / ".ci/newcomer.py").read_text(encoding="utf-8")
