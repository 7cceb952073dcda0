"""A mounted data folder instead of the versions in the image."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import aiohttp
import pytest

from tests.containers.engine import SCRIPTS, Stack, stack
from tests.containers.load import ROW
from tests.folders import registry_over


@pytest.fixture
def data(trained_data: Path, tmp_path: Path) -> Path:
    """A data folder with two versions, of which the second is champion."""
    from model_training import train

    copy = shutil.copytree(trained_data, tmp_path / "data")
    with registry_over(copy) as registry:
        train(registry, registry.families["iris"], data=copy)
        registry.promote("iris", "champion", "log_reg_2", who="test")
    return copy


async def model_name(tiers: Stack) -> str:
    """Which version answers."""
    async with aiohttp.ClientSession() as session, session.post(f"{tiers.url}/iris/predict", json=ROW) as reply:
        assert 200 == reply.status
        return str((await reply.json())["model_name"])


async def test_mounted_store(data: Path) -> None:
    """A mounted data folder takes the place of what is in the image, and is followed when an alias in it moves."""
    user = f"{os.getuid()}:{os.getgid()}"
    if os.getuid() == 0:
        user = "10001:10001"
        for path in (data, *data.rglob("*")):
            os.chown(path, 10001, 10001)
    with stack(SCRIPTS / "store.yaml", TWOTIER_DATA=str(data), DATA_USER=user) as tiers:
        assert "log_reg_2" == await model_name(tiers)
        with registry_over(data) as registry:
            registry.promote("iris", "champion", "log_reg_1", who="test")
        deadline = time.monotonic() + 30
        while await model_name(tiers) != "log_reg_1":
            assert time.monotonic() < deadline, "the moved alias was not followed"


async def test_image_has_its_own(tiers: Stack) -> None:
    """Negative control: without a mounted folder, the version in the image answers."""
    assert "log_reg_1" == await model_name(tiers)
