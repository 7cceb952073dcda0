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


class GatewaySettings(Settings):
    """Where the gateway listens, whom it asks, and how much of everything it allows."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    host: str = "127.0.0.1"
    """The address to listen on."""

    port: int = Field(default=8000, ge=1, le=65535)
    """The port to listen on."""

    model_servers: list[Annotated[str, AfterValidator(_base_url)]] = Field(default=["http://127.0.0.1:3000"], min_length=1)
    """Base URLs of the model servers. Calls go to them in turn."""

    training_server: Annotated[str, AfterValidator(_base_url)] | None = None
    """Base URL of the training service, such as http://127.0.0.1:3100. Without it, nothing is trained over HTTP."""

    budget_ms: int = Field(default=5000, ge=1)
    """How long a prediction may take, in milliseconds. A caller lowers it with the header X-Request-Deadline-Ms."""

    max_rows: int = Field(default=10_000, ge=1)
    """Most rows in one call."""

    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1)
    """Most bytes in the body of one call."""

    poll_seconds: float = Field(default=0.5, gt=0)
    """How often each model server is asked what it serves, in seconds."""

    connections: int = Field(default=100, ge=1)
    """Most connections to the model servers together."""

    connect_seconds: float = Field(default=0.5, gt=0)
    """How long making one connection to a model server may take."""

    pool_idle_seconds: float = Field(default=15, gt=0)
    """How long an idle connection to a model server is kept. It must be well below the model server's keep-alive: a connection that the
    server closes while a call is being written loses that call."""

    keep_alive_seconds: int = Field(default=75, ge=1)
    """How long a caller's idle connection is kept. It must be above what the callers' own pools and load balancers keep."""

    drain_seconds: float = Field(default=0.5, ge=0)
    """How long, after SIGTERM, calls are still accepted while /readyz says 503. Behind a load balancer, let it notice: 5 to 10."""

    grace_seconds: int = Field(default=25, ge=1)
    """How long calls in flight may take to finish once no more are accepted."""

    access_log: bool = True
    """Whether each request is logged in one line."""
