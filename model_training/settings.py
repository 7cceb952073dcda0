"""What can be set about the training service."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from twotier.settings import Settings


class TrainingSettings(Settings):
    """Settings of the training service; where the data and the versions are is said by the shared and the registry's settings."""

    model_config = SettingsConfigDict(env_prefix="TRAINING_")

    host: str = "127.0.0.1"
    """Address to listen on. Nobody but gateways should be able to reach it."""

    port: int = Field(default=3100, ge=1, le=65535)
    """Port to listen on."""

    at_once: int = Field(default=1, ge=1)
    """How many trainings may run at the same time."""

    max_waiting: int = Field(default=8, ge=0)
    """How many more may wait for their turn; beyond that they are refused."""

    remembered: int = Field(default=100, ge=1)
    """How many ended jobs are remembered, in memory: a restart forgets them."""

    niceness: int = Field(default=19, ge=0, le=19)
    """How far a training stands back for what serves in the same session or container: 0 not at all, 19 wholly."""

    stop_seconds: float = Field(default=5.0, ge=0)
    """How long a training that is cancelled may take to end before it is killed."""
