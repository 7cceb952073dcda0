"""What every end-to-end test may use: versions trained by the real command, a shared pair of tiers, and a place for what was measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.inferring import inferring as everything
from tests.e2e.tiers import Tiers, tiers
from tests.folders import with_raw_data
from tests.shell import in_shell

_MEASURED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which `twotier train iris` was run twice: log_reg_1 is champion. Shared: copy it before you write to it."""
    data = with_raw_data(tmp_path_factory.mktemp("e2e") / "data")
    for _ in range(2):
        in_shell("twotier train iris", {**os.environ, "TWOTIER_DATA": str(data)})
    return data


@pytest.fixture(scope="session")
def served(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiers]:
    """Both tiers over it. Shared: only ask them."""
    with tiers(trained, tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(scope="module")
def inferring(all_trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiers]:
    """Both tiers, with a version by every estimator of every family. Only ask them."""
    with everything(all_trained, tmp_path_factory.mktemp("inferring")) as running:
        yield running


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """Takes down how many seconds something took, to be printed in the end: a number to look at, which fails no test."""
    lines = request.config.stash.setdefault(_MEASURED, [])
    return lambda what, seconds: lines.append(f"{seconds:8.3f} s  {what}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured."""
    if lines := config.stash.get(_MEASURED, []):
        terminalreporter.section("measured end to end", sep="-")
        terminalreporter.line("\n".join(lines))
