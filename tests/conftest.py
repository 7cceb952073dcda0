"""What every suite may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.folders import registry_over, with_raw_data
from tests.installed import install
from tests.shell import ROOT
from tests.together import made_once

# Tests run side by side: a process that shares the cores with others computes faster in one thread than in two that wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Who runs the tests in the background, or with nohup, has these ignored, and what the tests start would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says something about the machine, not about the code.
settings.register_profile("twotier", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("twotier")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is under `tests/e2e` is marked so."""
    for item in items:
        if "e2e" in item.path.relative_to(Path(__file__).parent).parts:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="module", autouse=True)
def _measure_what_counts(request: pytest.FixtureRequest) -> Iterator[None]:
    """Processes that whole journeys start are measured for coverage only where no other suite reaches as far: it takes a third longer."""
    with pytest.MonkeyPatch.context() as patch:
        journey = {"docs", "e2e"} & set(request.path.relative_to(Path(__file__).parent).parts)
        if request.node.get_closest_marker("unmeasured") or journey and not request.node.get_closest_marker("measured"):
            patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield


@pytest.fixture
def raw_data(tmp_path: Path) -> Path:
    """A data folder with the raw data, in which nothing is trained yet."""
    return with_raw_data(tmp_path / "data")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which twotier's wheel is installed."""
    return install(ROOT, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def trained_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which iris log_reg_1 is trained and champion. Shared by all workers: copy it before you write to it."""
    return made_once(tmp_path_factory, "trained", lambda folder: _train(with_raw_data(folder), "iris"))


@pytest.fixture(scope="session")
def all_trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which the first version of every shipped family is champion. Shared, too."""
    return made_once(tmp_path_factory, "all_trained", lambda folder: _train(with_raw_data(folder)))


def _train(data: Path, *families: str) -> None:
    from model_training import train

    with registry_over(data) as registry:
        for name in families or registry.families:
            version = train(registry, registry.families[name], data=data)
            assert version.name == registry.aliases(name)["champion"]
