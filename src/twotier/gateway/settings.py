"""The gateway's settings."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from twotier.settings import Settings


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is not the base URL of a server, such as http://127.0.0.1:3000")
    return url.rstrip("/")


def _share(share: float) -> float:
    if not 0 <= share <= 1:
        raise ValueError(f"{share} is not a share, which is a number from 0 (nobody) to 1 (everybody)")
    return share


_Shares = dict[str, Annotated[float, AfterValidator(_share)]]


class GatewaySettings(Settings):
    """Where the gateway listens, whom it asks, and how much of everything it allows."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    host: str = "127.0.0.1"
    """The address to listen on."""

    port: int = Field(default=8000, ge=1, le=65535)
    """The port to listen on."""

    own_port: int | None = Field(default=None, ge=1, le=65535)
    """A second port, for this gateway alone. If it is set, other gateways of this machine may listen on `port` too, each answers a part of
    the calls, and this one's metrics are at its own port. `twotier up --gateways` sets it."""

    model_servers: list[Annotated[str, AfterValidator(_base_url)]] = Field(default=["http://127.0.0.1:3000"], min_length=1)
    """Base URLs of the model servers. A host name with several addresses is several model servers. Calls go to the least busy first."""

    resolve_seconds: float = Field(default=5, gt=0)
    """How often the host names of the model servers are looked up, in seconds, to follow those that come and go."""

    training_server: Annotated[str, AfterValidator(_base_url)] | None = None
    """Base URL of the training service, such as http://127.0.0.1:3100. Without it, nothing is trained over HTTP."""

    budget_ms: int = Field(default=5000, ge=1)
    """How long a prediction may take, in milliseconds. A caller lowers it with the header X-Request-Deadline-Ms."""

    max_rows: int = Field(default=10_000, ge=1)
    """Most rows in one call."""

    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1)
    """Most bytes in the body of one call."""

    calls_per_lane: int = Field(default=2, ge=1)
    """Calls under way at once to each model server, for each version that is asked for. What waits meanwhile is merged into the next."""

    rows_per_call: int = Field(default=128, ge=1)
    """Most rows in one call to a model server; of a client's longer call at most 64, beside others, so that single rows go between."""

    queued_rows: int = Field(default=50_000, ge=1)
    """Most rows that wait for one version. Beyond that, and when rows could not be answered in their time, the answer is 503 at once."""

    max_requests: int = Field(default=1200, ge=1)
    """Most calls that are being answered at once. Beyond that, POSTs and what else has a body to score are refused before it is read."""

    poll_seconds: float = Field(default=0.5, gt=0)
    """How often each model server is asked what it serves, in seconds."""

    connections: int = Field(default=100, ge=1)
    """Most connections to one model server."""

    connect_seconds: float = Field(default=0.5, gt=0)
    """How long making one connection to a model server may take."""

    pool_idle_seconds: float = Field(default=15, gt=0)
    """How long an idle connection to a model server is kept. It must be well below the model server's keep-alive: a connection that the
    server closes while a call is being written loses that call."""

    retry_share: float = Field(default=0.1, ge=0, le=1)
    """How many of all calls may be sent a second time, as a share; 0: none. A few more may while there have been few calls."""

    keep_alive_seconds: int = Field(default=75, ge=1)
    """How long a caller's idle connection is kept, and how long the rest of a call's head is waited for. It must be above what the callers'
    own pools and load balancers keep."""

    drain_seconds: float = Field(default=0.5, ge=0)
    """How long, after SIGTERM, calls are still accepted while /readyz says 503. Behind a load balancer, let it notice: 5 to 10."""

    grace_seconds: int = Field(default=25, ge=1)
    """How long calls in flight may take to finish once no more are accepted."""

    access_log: bool = True
    """Whether each request is logged in one line."""

    canary: _Shares = {}
    """Share of the callers who pin no version that is answered by the alias `challenger`, by family: `{"iris": 0.1}`. Callers with the same
    X-Sticky-Key are answered by the same version. Without that header it goes by address, and behind a proxy all have the proxy's: let
    callers send the header there, or let the proxy set it."""

    canary_patience_ms: int = Field(default=500, ge=1)
    """How long the challenger may take before the champion is asked in its place, in milliseconds; never more than a quarter of the
    budget."""

    shadow: _Shares = {}
    """Share of the champion's answers that are compared with the challenger's in the background, by family: `{"iris": 1.0}`. What came of
    it is told by GET /models/{family}."""
