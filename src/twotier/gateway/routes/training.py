"""`POST /models/{family}/train` and `/jobs/{id}`: versions are made on request, in the background."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from twotier.errors import InputRefused, TrainingFailed, UnknownEstimator, UnknownJob
from twotier.families import Families
from twotier.gateway import problems
from twotier.gateway.answers import json_response
from twotier.gateway.bodies import has_body, read_order
from twotier.gateway.openapi import Routes, json_answer, parameter
from twotier.gateway.problems import Problem
from twotier.gateway.training import Training
from twotier.wire import Job, JobFacts

__all__ = ["MAX_WAIT", "JobPage", "TrainWish", "add", "preferred_wait"]

MAX_WAIT = 20
"""Longest wait that `Prefer` may ask for, in seconds: below what a gateway that is stopped gives the calls in flight."""

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?=$|[,;])", re.IGNORECASE)
_KEY = "^[!-~]{1,128}$"
_JOB = "^[0-9a-f]{32}$"


class TrainWish(BaseModel):
    """What to train."""

    model_config = ConfigDict(extra="forbid")

    estimator: str | None = Field(default=None, description="One of the family's estimators; by default its first.")


class JobPage(JobFacts):
    """One training, and how far it has come."""

    problem: Problem | None = Field(default=None, description="Why it failed.")


def add(routes: Routes, families: Families, training: Training) -> None:
    """Add the routes."""

    async def train(request: Request) -> Response:
        family = families[request.path_params["family"]]
        wish = await read_order(request, TrainWish) if has_body(request) else TrainWish()
        estimator = wish.estimator or family.default_estimator
        if estimator not in family.estimators:
            raise UnknownEstimator(f"{family.name} has no estimator of that name; it has: {', '.join(family.estimators)}")
        job = await training.start(family.name, estimator, _key(request))
        wait = preferred_wait(request)
        headers = {"Location": f"/jobs/{job.id}"}
        if wait is not None:
            job = await training.wait(job.id, wait)
            headers["Preference-Applied"] = f"wait={wait}"
        return _answer(job, 200 if job.ended else 202, headers)

    async def show(request: Request) -> Response:
        return _answer(await training.job(_identity(request)))

    async def cancel(request: Request) -> Response:
        job = await training.cancel(_identity(request))
        if not job.ended:
            job = await training.wait(job.id, MAX_WAIT)
        return _answer(job, 200 if job.ended else 202)

    named = parameter("family", "path", {"type": "string", "enum": list(families)}, "A family.", required=True)
    identity = parameter("id", "path", {"type": "string", "pattern": _JOB}, "The id of a job.", required=True)
    page = routes.reference(JobPage)
    located = {"Location": {"description": "Where to ask for it.", "schema": {"type": "string"}}}
    ended, begun = json_answer("It has ended.", page), json_answer("It is under way.", page)
    estimators = sorted({name for family in families.values() for name in family.estimators})
    common: dict[str, Any] = {"tag": "training"}
    routes.post(
        "/models/{family}/train",
        train,
        summary="Train a new version",
        parameters=[
            named,
            parameter(
                "Idempotency-Key",
                "header",
                {"type": "string", "pattern": _KEY},
                "The same key gets the same job, even after it has ended, as long as the training service remembers it.",
            ),
            parameter("Prefer", "header", {"type": "string"}, f"`wait=10` waits for the end, up to 10 seconds; at most {MAX_WAIT}."),
        ],
        body={"schema": routes.reference(TrainWish, "validation"), "examples": {"one": {"value": {"estimator": estimators[0]}}}},
        body_required=False,
        responses={200: {**ended, "headers": located}, 202: {**begun, "headers": located}},
        problems=(400, 404, 408, 409, 413, 415, 422, 501, 503),
        **common,
    )
    routes.get(
        "/jobs/{id}",
        show,
        summary="How far a training has come",
        parameters=[identity],
        responses={200: json_answer("The job. The last ones are remembered, until the training service is restarted.", page)},
        problems=(404, 501, 503),
        **common,
    )
    routes.delete(
        "/jobs/{id}",
        cancel,
        summary="Cancel a training",
        parameters=[identity],
        responses={200: json_answer("The job, which has ended, by this or before.", page), 202: json_answer("It is being ended.", page)},
        problems=(404, 501, 503),
        **common,
    )


def _answer(job: Job, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    failed = None if job.failure is None else problems.problem(TrainingFailed(job.failure))
    page = job.model_dump(mode="json", exclude={"failure"}) | {"problem": failed}
    return json_response(page, status, {"Cache-Control": "no-store", **(headers or {})})


def _identity(request: Request) -> str:
    identity: str = request.path_params["id"]
    if not re.fullmatch(_JOB, identity):
        raise UnknownJob("there is no such job")
    return identity


def _key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(_KEY, key):
        raise InputRefused("Idempotency-Key must be 1 to 128 printable ASCII characters without a space")
    return key


def preferred_wait(request: Request) -> int | None:
    """How long the caller prefers to wait, in seconds. A preference that is not understood is no mistake (RFC 7240)."""
    found = _WAIT.search(request.headers.get("Prefer", ""))
    return min(int(found[1]), MAX_WAIT) if found else None
