"""twotier's own gateway, answering a constant without asking anybody: what its FastAPI app costs by itself. `constant.py PORT`."""

from __future__ import annotations

import gc
import sys

import uvicorn

from twotier.errors import UpstreamUnavailable
from twotier.families import discover
from twotier.gateway.app import create_app
from twotier.gateway.forwarding import Ask, Scores, Timing
from twotier.gateway.metrics import Metrics
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.upstream import Upstream
from twotier.wire import Info


class Constant(Upstream):
    """Answers every row as the first example is answered, without a hop."""

    async def score(self, ask: Ask, rows: list[list[object]], deadline: float, timing: Timing) -> Scores:
        """Always the same."""
        answer = ask.family.answer.model_validate(ask.family.examples[0].answer)
        return Scores("log_reg_1", [answer] * len(rows))

    async def info(self, server: str, deadline: float) -> Info:
        """There is no model server."""
        raise UpstreamUnavailable("there is none")


if __name__ == "__main__":
    settings = GatewaySettings.read()
    app = create_app(settings, discover(), upstream=Constant(settings, Metrics()))
    gc.freeze()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_config=None)
