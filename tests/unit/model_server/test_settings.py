"""The model server's settings are closed, and in an order that keeps its promises."""

from __future__ import annotations

import pytest

from twotier.errors import ConfigurationError
from twotier.model_server.settings import ModelServerSettings


def test_defaults() -> None:
    """It listens on this machine alone."""
    settings = ModelServerSettings.read()
    assert ("127.0.0.1", 3000, 75, 0.5, 8) == (
        settings.host,
        settings.port,
        settings.keep_alive_seconds,
        settings.poll_seconds,
        settings.max_loaded,
    )


def test_every_setting_says_what_it_is() -> None:
    """For the generated table."""
    assert [] == [name for name, info in ModelServerSettings.model_fields.items() if not info.description]


def test_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that one knows what to change."""
    monkeypatch.setenv("MODEL_SERVER_PORT", "70000")
    with pytest.raises(ConfigurationError, match="MODEL_SERVER_PORT"):
        ModelServerSettings.read()
