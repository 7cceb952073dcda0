"""What can be set about the model server."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from twotier.settings import Settings


class ModelServerSettings(Settings):
    """Settings of the model server; where versions and their artefacts are is said by the registry's settings."""

    model_config = SettingsConfigDict(env_prefix="MODEL_SERVER_")

    host: str = "127.0.0.1"
    """Address to listen on. Nobody but gateways should be able to reach it."""

    port: int = Field(default=3000, ge=1, le=65535)
    """Port to listen on."""

    threads: int | None = Field(default=None, ge=1)
    """How many threads linear algebra may use; by default one for each CPU that this process may use."""

    keep_alive_seconds: int = Field(default=75, ge=1)
    """How long an idle connection stays open. It must be longer than the gateway keeps one in its pool, or calls are sent into a
    connection that is being closed."""

    poll_seconds: float = Field(default=0.5, gt=0)
    """How often the ledger is asked whether an alias moved."""

    max_loaded: int = Field(default=8, ge=1)
    """How many versions stay in memory without an alias; the least recently used leaves first."""

    retry_seconds: float = Field(default=5.0, ge=0)
    """How long a version that could not be loaded is not tried again, so that calls for it cost no load each."""

    timeout_seconds: float = Field(default=6.0, gt=0)
    """After how long a call is answered 504. It must exceed the gateway's largest budget (5 s by default), so that it is the gateway that
    gives up; and it should not exceed it by much, since BentoML keeps a timer alive that long for every call it has answered."""

    max_body_bytes: int = Field(default=32 * 2**20, ge=1)
    """The largest request body that is read."""

    drain_seconds: float = Field(default=1.0, ge=0)
    """How long, after SIGTERM, it goes on accepting calls while `/readyz` says 503: gateways must have time to notice."""
