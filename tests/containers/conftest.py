"""Both tiers in containers. `make test-containers` builds the images and names this folder; pytest without arguments passes it by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import Stack, stack

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect these tests only for those who name this folder or a file in it."""
    named = [(config.invocation_params.dir / argument.split("::")[0]).resolve() for argument in config.args]
    return None if any(path.is_relative_to(HERE) for path in named) else True


@pytest.fixture(scope="session")
def tiers() -> Iterator[Stack]:
    """Both tiers as compose.yaml runs them. Shared: what one test stops, it starts again."""
    with stack() as started:
        yield started
