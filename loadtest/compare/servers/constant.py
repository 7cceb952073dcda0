"""twotier's own gateway, answering a constant without asking anybody: what the hop and the model cost beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from fastapi import FastAPI

from twotier.errors import UpstreamUnavailable
from twotier.families import Families
from twotier.gateway import __main__ as gateway
from twotier.gateway.app import create_app
from twotier.gateway.forwarding import Ask, Scores
from twotier.gateway.metrics import Metrics
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.upstream import Upstream
from twotier.wire import Info


class Constant(Upstream):
    """Answers every row as the first example is answered, without a hop."""

    async def carry(self, ask: Ask, rows: Sequence[list[object]], deadlines: Callable[[], Sequence[float]]) -> Scores:
        """Always the same."""
        answer = ask.family.answer.model_validate(ask.family.examples[0].answer)
        return Scores("log_reg_1", [answer] * len(rows))

    async def info(self, server: str, deadline: float) -> Info:
        """There is no model server."""
        raise UpstreamUnavailable("there is none")


def create_constant(settings: GatewaySettings, families: Families) -> FastAPI:
    """The gateway's application, with nobody behind it."""
    return create_app(settings, families, upstream=Constant(settings, Metrics()))


if __name__ == "__main__":
    # All else is as the gateway is always run.
    gateway.create_app = create_constant  # type: ignore[assignment]
    sys.exit(gateway.main())
