"""What every suite may use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.folders import registry_over, with_raw_data
from tests.installed import install
from tests.shell import ROOT

# How long an example takes says something about the machine, not about the code.
settings.register_profile("twotier", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("twotier")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is under `tests/e2e` is marked so."""
    for item in items:
        if "e2e" in item.path.relative_to(Path(__file__).parent).parts:
            item.add_marker(pytest.mark.e2e)


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
    """A data folder in which each family is trained once; of iris log_reg_1 is champion. Shared: copy it before you write to it."""
    from model_training import train

    data = with_raw_data(tmp_path_factory.mktemp("trained") / "data")
    with registry_over(data) as registry:
        for family in registry.families.values():
            train(registry, family, data=data)
        assert "log_reg_1" == registry.aliases("iris")["champion"]
    return data


@pytest.fixture(scope="session")
def all_trained(trained_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which the first version of every shipped family is champion. Shared: copy it before you write to it."""
    from model_training import train

    data = Path(shutil.copytree(trained_data, tmp_path_factory.mktemp("all_trained") / "data"))
    with registry_over(data) as registry:
        for family in registry.families.values():
            if not registry.aliases(family.name):
                train(registry, family, data=data)
    return data
