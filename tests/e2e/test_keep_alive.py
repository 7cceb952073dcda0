"""The race between a call and the closing of the idle connection that it is written into, against the real model server.

`make race` sends 10,000 calls; the ordinary suite some hundreds.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.tiers import STARTING
from tests.processes import Tier, model_server
from tests.carrying import carried
from twotier.errors import UpstreamError
from twotier.families.iris import FAMILY
from twotier.gateway.forwarding import Ask
from twotier.gateway.metrics import Metrics
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.upstream import Upstream

CALLS = int(os.environ.get("RACE_CALLS", "600"))
CALLERS = 200

KEEP_ALIVE = 1.0
"""Seconds that the model server keeps an idle connection."""

SPREAD = 0.02
"""Calls come after a pause that differs from that by no more."""


@pytest.fixture(name="back", scope="module")
def _back(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    settings = {**STARTING, "MODEL_SERVER_KEEP_ALIVE_SECONDS": str(int(KEEP_ALIVE))}
    with model_server(trained, tmp_path_factory.mktemp("keep_alive") / "log", None, **settings) as back:
        back.wait_ready()
        yield back


async def failures(back: Tier, calls: int, pool_idle_seconds: float, retry_share: float) -> Counter[str]:
    """How many of that many calls fail, and how; each is made as its connection is about to be closed."""
    failed: Counter[str] = Counter()
    given = GatewaySettings(
        model_servers=[back.url],
        connections=CALLERS,
        # All of them connect at once, which takes its time on a busy machine.
        connect_seconds=30,
        pool_idle_seconds=pool_idle_seconds,
        retry_share=retry_share,
    )
    async with Upstream(given, Metrics()) as upstream:

        async def caller() -> None:
            for _ in range(calls // CALLERS):
                try:
                    await carried(upstream, Ask(FAMILY, "champion"), [[5.0, 2.0, 3.0, 4.0]], 60)
                except UpstreamError as error:
                    failed[str(error)] += 1
                await asyncio.sleep(KEEP_ALIVE + random.uniform(-SPREAD, SPREAD))

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return failed


@pytest.mark.timeout(600)
async def test_the_gateway_closes_first(back: Tier) -> None:
    """With the gateway's idle time a fifth of the model server's, as it is by default, no call fails, though none is sent twice."""
    assert {} == await failures(back, CALLS, pool_idle_seconds=KEEP_ALIVE / 5, retry_share=0)


@pytest.mark.timeout(600)
async def test_the_model_server_closes_first(back: Tier) -> None:
    """The negative control: with the times the wrong way round, the same calls do fail."""
    failed: Counter[str] = Counter()
    for _ in range(20):
        failed += await failures(back, CALLS, pool_idle_seconds=15, retry_share=0)
        if failed:
            break
    print(f"of at least {CALLS} calls failed: {dict(failed)}")
    assert failed["the model server broke the connection off before it answered"]


@pytest.mark.timeout(600)
async def test_a_retry_makes_up_for_it(back: Tier) -> None:
    """Even so, no call is lost if as many as need be may be sent twice."""
    assert {} == await failures(back, CALLS, pool_idle_seconds=15, retry_share=1)
