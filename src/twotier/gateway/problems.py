"""The one table from errors to problems (RFC 9457). It knows statuses and words, and no web framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field

from twotier import errors

__all__ = ["BY_ERROR", "BY_STATUS", "INTERNAL", "Kind", "Problem", "ProblemFault", "kind_of", "kinds", "media_type", "on_path", "problem"]

MEDIA_TYPE = "application/problem+json"

PROTOCOL = "/v2"
"""Below it the inference protocol is spoken."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem. Its `type` is a stable URI reference, and the gateway answers it with what the kind means."""

    slug: str
    status: int
    title: str
    meaning: str

    @property
    def type(self) -> str:
        """`/problems/unknown-version`."""
        return f"/problems/{self.slug}"


INTERNAL = Kind("internal-error", 500, "The gateway failed", "A fault of the gateway's own. Its log has the details under the request id.")

_NOT_SERVABLE = Kind(
    "not-servable",
    503,
    "The version may not serve",
    "The version exists, but it has not passed its gate, or failed another check that stands before serving. GET /models/{family} shows "
    "which versions passed their gate; /readyz and the model server's log say what else failed.",
)

BY_ERROR: Mapping[type[Exception], Kind] = {
    errors.TwotierError: INTERNAL,
    errors.InputRefused: Kind(
        "invalid-input",
        422,
        "The input breaks its schema",
        "Each entry of `errors` names one fault and points at it; at most 20 are named, and `error_count` counts them all. "
        "Correct the input: sending it again as it is cannot succeed.",
    ),
    errors.InputUnreadable: Kind(
        "unreadable-body",
        400,
        "The body is not acceptable JSON",
        "The body must be UTF-8 without a byte order mark and exactly one JSON value, in which no object has a name twice, every number is "
        "finite and all text can be encoded.",
    ),
    errors.InputTooLarge: Kind(
        "too-large",
        413,
        "The input is too large",
        "The body has more bytes than one call may have. Send it in several calls.",
    ),
    errors.BodyTooSlow: Kind(
        "body-too-slow",
        408,
        "The body did not come in time",
        "The body had not all come when the time was over that the call was given: the gateway's budget, or the caller's "
        "X-Request-Deadline-Ms if that is less; for what is no prediction, five seconds. Nothing was done, and what still comes of it is "
        "dropped. Send the call again, with more time.",
    ),
    errors.UnknownFamily: Kind("unknown-family", 404, "There is no such family", "GET /models lists the families."),
    errors.UnknownEstimator: Kind(
        "unknown-estimator", 404, "There is no such estimator", "A family's file says which estimators it has; `detail` names them."
    ),
    errors.UnknownVersion: Kind(
        "unknown-version", 404, "There is no such version", "GET /models/{family} lists the family's versions and aliases."
    ),
    errors.NotServable: _NOT_SERVABLE,
    errors.NotExplainable: Kind(
        "not-explainable",
        422,
        "The version has no reasons to give",
        "Only a linear version can say what each input adds to its answer. Ask without `explain`, or pin a version that is linear.",
    ),
    errors.GateRefused: Kind(
        "gate-refused",
        409,
        "The version has not passed its gate",
        "No alias may point at a version that did not pass its family's gate.",
    ),
    errors.AliasMoved: Kind(
        "alias-moved",
        409,
        "The alias points elsewhere",
        "The alias was to be moved only if it points at the version in `expected`, and it does not.",
    ),
    errors.LedgerSealed: Kind(
        "versions-sealed",
        409,
        "The versions can only be read",
        "The model server serves versions that were sealed into its image, so no alias can be moved there.",
    ),
    errors.UnknownJob: Kind("unknown-job", 404, "There is no such job", "Jobs that ended long ago, or before a restart, are forgotten."),
    errors.KeyReused: Kind(
        "idempotency-key-reused",
        409,
        "The Idempotency-Key stands for another training",
        "A key stands for the family and the estimator that it was first sent with. Use a new one for another training.",
    ),
    errors.TrainingNotOffered: Kind(
        "training-not-offered",
        501,
        "Nothing is trained over HTTP here",
        "This gateway knows of no training service: its setting GATEWAY_TRAINING_SERVER names none.",
    ),
    errors.TrainingFailed: Kind(
        "training-failed",
        500,
        "The training failed",
        "A job ended without a version. Nothing of it serves, and nothing else has changed.",
    ),
    errors.TrainingUnavailable: Kind(
        "training-unavailable",
        503,
        "The training service is not available",
        "It could not be reached, did not answer as it should, or has too many trainings waiting. Predictions are not concerned.",
    ),
    errors.UpstreamUnavailable: Kind(
        "model-server-unavailable",
        503,
        "The model server is not available",
        "It could not be reached, or it said that it cannot serve now. The call may be sent again after `Retry-After` seconds.",
    ),
    errors.Overloaded: Kind(
        "overloaded",
        503,
        "Too many rows wait",
        "More rows wait than can be answered in time, so these were not queued. Send the call again after `Retry-After` seconds.",
    ),
    errors.CircuitOpen: Kind(
        "circuit-open",
        503,
        "The model servers are left alone for a moment",
        "Every model server has failed of late, so this call was answered at once, without asking one. As soon as one answers again, calls "
        "go there. The call may be sent again after `Retry-After` seconds.",
    ),
    errors.UpstreamTimeout: Kind(
        "deadline-exceeded",
        504,
        "No answer within the budget",
        "The model server did not answer within the time that the call was given: the gateway's budget, or the caller's "
        "X-Request-Deadline-Ms if that is less.",
    ),
    errors.UpstreamError: Kind(
        "model-server-invalid",
        502,
        "The model server's answer is not valid",
        "The model server answered, but not what it promised to, so nothing of it is passed on.",
    ),
}
"""An error is answered by the entry of the nearest class that it is an instance of."""

BY_STATUS: Mapping[int, Kind] = {
    400: Kind(
        "unreadable-request",
        400,
        "This is not an HTTP request",
        "What came breaks the rules of HTTP/1.1, in its first line, a header or the framing of its body, so the connection is closed after "
        "this answer. A client that speaks TLS to a port that does not is told so too.",
    ),
    404: Kind("not-found", 404, "There is nothing here", "No route has this path. GET /docs lists the routes."),
    405: Kind("method-not-allowed", 405, "The method is not allowed here", "The header `Allow` lists the methods of this path."),
    415: Kind(
        "unsupported-media-type",
        415,
        "The media type is not supported",
        "Send application/json in UTF-8, with no content coding.",
    ),
    500: INTERNAL,
}
"""What the web framework or the server, rather than an error of ours, answers."""

NOT_READY = Kind(
    "not-ready",
    503,
    "The gateway is not ready",
    "`dependencies` and `families` say what is missing. A gateway that is being stopped is not ready either.",
)

METRICS_ELSEWHERE = Kind(
    "metrics-elsewhere",
    421,
    "Each gateway has metrics of its own",
    "Several gateways share this port, so that whichever answers knows a part only. Read each gateway's metrics at the port of its own.",
)


class ProblemFault(BaseModel):
    """One thing that is wrong with the input."""

    pointer: str = Field(description="RFC 6901 JSON pointer to the cell, row or object; long names in it are shortened.")
    detail: str


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = Field(description="A stable URI reference of the kind of problem; GET it to read what it means.")
    title: str
    status: int
    detail: str
    instance: str | None = Field(default=None, description="The request id, under which the gateway's log has this request.")
    errors: list[ProblemFault] | None = Field(default=None, description="What is wrong with the input: at most 20 entries.")
    error_count: int | None = Field(default=None, description="How many things are wrong with the input.")
    error: str | None = Field(default=None, description="On /v2: the detail and the first fault, where clients of that protocol look.")


def kinds() -> dict[str, Kind]:
    """Every kind by its slug."""
    return {kind.slug: kind for kind in (*BY_ERROR.values(), *BY_STATUS.values(), NOT_READY, METRICS_ELSEWHERE)}


def kind_of(error: Exception) -> Kind:
    """The kind of problem that an error is."""
    return next((BY_ERROR[cls] for cls in type(error).__mro__ if cls in BY_ERROR), INTERNAL)


def problem(error: Exception, request_id: str | None = None) -> dict[str, Any]:
    """The problem that answers an error. An error that is not ours is told nothing about."""
    kind = kind_of(error)
    made = of_kind(kind, str(error) if isinstance(error, errors.TwotierError) and kind is not INTERNAL else INTERNAL.meaning, request_id)
    if isinstance(error, errors.InputRefused) and error.faults:
        made |= {"errors": [asdict(fault) for fault in error.faults], "error_count": error.count}
    elif isinstance(error, (errors.InputUnreadable, errors.InputTooLarge)):
        made |= _of_whole_body(made["detail"])
    return made


def of_kind(kind: Kind, detail: str, request_id: str | None) -> dict[str, Any]:
    """A problem of that kind."""
    made: dict[str, Any] = {"type": kind.type, "title": kind.title, "status": kind.status, "detail": detail}
    if request_id is not None:
        made["instance"] = request_id
    return made


def of_status(status: int, request_id: str | None) -> dict[str, Any]:
    """The problem by which a bare status of the web framework is answered."""
    kind = BY_STATUS.get(status)
    if kind is not None:
        return of_kind(kind, kind.meaning, request_id) | (_of_whole_body(kind.meaning) if status == 415 else {})
    phrase = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": phrase, "status": status, "detail": phrase, "instance": request_id}


def _of_whole_body(detail: str) -> dict[str, Any]:
    return {"errors": [{"pointer": "", "detail": detail}], "error_count": 1}


def on_path(made: dict[str, Any], path: str) -> dict[str, Any]:
    """A problem as it is told on that path."""
    if not path.startswith(PROTOCOL):
        return made
    # Clients of the inference protocol look there, and nowhere else, for what was wrong.
    first = [f"{fault['pointer']} {fault['detail']}" for fault in made.get("errors", [])[:1]]
    return made | {"error": ": ".join([made["detail"], *first])}


def media_type(path: str) -> str:
    """The media type of problems on that path. KServe's client reads what is wrong in plain JSON alone."""
    return "application/json" if path.startswith(PROTOCOL) else MEDIA_TYPE
