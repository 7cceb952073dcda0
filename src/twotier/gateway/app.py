"""The only place where the gateway is put together."""

from __future__ import annotations

import difflib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from twotier import __version__
from twotier.errors import ConfigurationError, TwotierError
from twotier.families import Families
from twotier.gateway.answers import answer_error, answer_http_exception
from twotier.gateway.canary import Canary
from twotier.gateway.catalogue import Catalogue
from twotier.gateway.dispatching import Dispatching
from twotier.gateway.lanes import Sizes
from twotier.gateway.metrics import Metrics
from twotier.gateway.openapi import Described, Routes
from twotier.gateway.predicting import Predicting
from twotier.gateway.readiness import Lifecycle
from twotier.gateway.routes import aliases, docs, health, heritage, home, metrics, models, oip, predict, training
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.shadow import Shadow
from twotier.gateway.telemetry import Telemetry
from twotier.gateway.training import Training
from twotier.gateway.upstream import Upstream

__all__ = ["RESERVED", "create_app"]

RESERVED = frozenset(
    "docs healthz jobs livez metrics models predict predictions problems readyz serve_decision_tree train_decision_tree v1 v2".split()
)
"""First segments of fixed routes, present or promised: no family may be called that."""

_DESCRIPTION = "Predictions by scikit-learn models. Every error is a problem (RFC 9457): `GET` its `type` to read what it means."


def create_app(settings: GatewaySettings, families: Families, *, upstream: Upstream | None = None) -> FastAPI:
    """Put the gateway together. `app.state` has the `lifecycle`, which says whether it is being stopped, and the `metrics`.

    Raises ConfigurationError if a family cannot be served under its name.
    """
    if taken := sorted(RESERVED.intersection(families)):
        raise ConfigurationError(f"a family may not be called {', '.join(taken)}: the gateway has a route there; rename it")
    for setting, shares in (("CANARY", settings.canary), ("SHADOW", settings.shadow)):
        if unknown := sorted(shares.keys() - families.keys()):
            near = ", ".join(difflib.get_close_matches(unknown[0], families, 1) or families)
            raise ConfigurationError(f"GATEWAY_{setting} names {unknown[0]!r}, which is no family; there is: {near}")
    measured = Metrics()
    lifecycle = Lifecycle()
    upstream = upstream or Upstream(settings, measured)
    catalogue = Catalogue(upstream, measured, settings.poll_seconds)
    sizes = Sizes(settings.calls_per_lane, settings.rows_per_call, settings.queued_rows)
    dispatching = Dispatching(upstream, sizes, upstream.able, measured)
    shadow = Shadow(dispatching, settings.shadow, catalogue.pair, measured, settings.budget_ms / 1000)
    patience = min(settings.canary_patience_ms, settings.budget_ms / 4) / 1000
    canary = Canary(shadow, settings.canary, catalogue.pair, measured, patience, settings.rows_per_call)
    trainer = Training(settings, measured)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with upstream, catalogue, shadow, trainer:
            yield

    # FastAPI asks OpenTelemetry at every call whether anybody is listening, which costs a twentieth of it.
    traced = any(name.startswith("OTEL_") for name in os.environ)
    app = Described(
        title="twotier",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": traced, "metrics": traced, "logs": traced},
        exception_handlers={TwotierError: answer_error, HTTPException: answer_http_exception},
    )
    app.state.lifecycle, app.state.metrics = lifecycle, measured
    app.add_middleware(Telemetry, metrics=measured, lifecycle=lifecycle, access_log=settings.access_log)
    routes = Routes(app)
    predicting = {name: Predicting(family, shadow, measured, settings.max_rows, canary.steer) for name, family in families.items()}
    for name, family in families.items():
        predict.add(routes, family, predicting[name], settings)
    home.add(routes)
    docs.add(routes)
    heritage.add(routes, families, predicting, catalogue, lifecycle, trainer, settings)
    oip.add(routes, families, predicting, catalogue, lifecycle, settings)
    models.add(routes, families, catalogue, settings.budget_ms / 1000, shadow.comparison)
    aliases.add(routes, families, upstream, settings.budget_ms / 1000)
    training.add(routes, families, trainer)
    health.add(routes, catalogue, list(families), lifecycle)
    metrics.add(routes, measured, settings.own_port)
    predict.add_unknown(routes, families)
    return app
